public import AccessPolicy
public import Audit

/// Ends access, durably and in order.
///
/// Contract: each revocation gets the next number of a sequence that never goes back (G-10: it is the sequence and not
/// the clock that tells what is newer). Revoking a client suspends it and ends all its grants, revoking a person disables
/// the account and ends all grants and sessions, in one transaction with the audit row. Revoking what is already
/// revoked changes nothing and answers nil; of a client that was suspended and kept its grants, what is left ends. What a
/// person wanted to be remembered for a client goes in the same transaction with a grant of the two, with the client and with
/// the person: ended access does not come back without a question.
public protocol RevocationStore: Sendable {
    func revoke(
        _ target: RevocationTarget, because reason: RevocationReason, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome?
    /// Suspends an active client and ends the access tokens that it has; its grants and what was remembered for it stay, so
    /// that they count again once it is let in again. Nil, and nothing changed, when it is not active. The cut-off lies no
    /// earlier than the latest token that was made, whatever `now` the caller read before it came to the write.
    func suspend(_ client: ClientID, at now: Int64, record: AuthorizationRecord) async throws -> RevocationOutcome?
    /// The revocations of the last week with a greater number, in order.
    func revocations(after sequence: Int64) async throws -> [Revocation]
    /// Holds a client or a person as refused until they are let in again, known here or not; the hold gets an entry in the
    /// sequence like a revocation. Nil, and nothing changed, when they were held already or the target is neither.
    func hold(
        _ target: RevocationTarget, because reason: RevocationReason, at now: Int64, record: AuthorizationRecord
    ) async throws -> Revocation?
    /// Lets a held client or person in again; false when they were not held.
    func release(_ target: RevocationTarget, at now: Int64, record: AuthorizationRecord) async throws -> Bool
    /// Who is held now.
    func holds() async throws -> AccessHolds
}

/// Who is held as refused at a moment.
public struct AccessHolds: Hashable, Sendable {
    /// Grows with every change, so that of two readings the newer one is known.
    public let version: Int64
    public let targets: Set<RevocationTarget>

    public init(version: Int64, targets: Set<RevocationTarget>) {
        self.version = version
        self.targets = targets
    }
}

/// What can be revoked.
public enum RevocationTarget: Hashable, Sendable {
    case grant(GrantID)
    case client(ClientID)
    case user(SubjectID)
    /// One access token, until it would have expired anyway.
    case token(TokenID)

    /// Whether it is somebody, who can be held as refused.
    public var canBeHeld: Bool {
        switch self {
        case .client, .user: true
        case .grant, .token: false
        }
    }
}

/// One entry of the revocation sequence.
public struct Revocation: Hashable, Sendable {
    public let sequence: Int64
    public let target: RevocationTarget
    public let at: Int64
    public let reason: RevocationReason

    public init(sequence: Int64, target: RevocationTarget, at: Int64, reason: RevocationReason) {
        self.sequence = sequence
        self.target = target
        self.at = at
        self.reason = reason
    }
}

/// What a revocation did: the entries that it added, one for the target and one for each grant that ended with it.
public struct RevocationOutcome: Hashable, Sendable {
    public let entries: [Revocation]
    public init(entries: [Revocation]) { self.entries = entries }

    /// The grants that ended.
    public var grants: [GrantID] {
        entries.compactMap { if case .grant(let id) = $0.target { id } else { nil } }
    }
}
