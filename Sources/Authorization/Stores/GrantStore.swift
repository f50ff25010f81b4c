public import AccessPolicy
public import Audit
public import FHIRCore
public import OAuthCore

/// Keeps what was authorized.
///
/// Contract: a grant is inserted only while its client is active and its person's account is enabled and its login, if it
/// is one of a provider, not undone, judged inside the write, so that no grant can slip past a revocation that runs at the same moment. Grants of people are inserted by
/// `CodeStore.issue`, together with their code. What could not be given back is not taken; a row that cannot be read
/// nevertheless comes back as a grant that gives nothing and can be ended, and hides no other.
public protocol GrantStore: Sendable {
    func grant(_ id: GrantID) async throws -> Grant?
    /// The grants that a filter lets through, newest first.
    func grants(matching filter: GrantFilter, limit: Int) async throws -> [Grant]
    /// A grant with what it rests on, read at one moment; nil where there is none. Does not suspend, because the enforcer
    /// reads on its event loop, once for each token.
    func footing(of id: GrantID) throws -> GrantFooting?
    /// Adds the grant of a backend service; false when the client is not active.
    func insert(_ grant: Grant, record: AuthorizationRecord) async throws -> Bool
}

/// Which grants are looked for. What is nil is not looked at.
public struct GrantFilter: Hashable, Sendable {
    public var subject: SubjectID?
    public var clientID: ClientID?
    public var patient: ResourceID?
    /// Only grants that were not revoked. One that ended by itself is still listed.
    public var onlyActive: Bool
    /// Only grants that can still give something at this time: not revoked and not over, and with a person still there
    /// or a refresh token still in use where that is what the grant lives by.
    public var livingAt: Int64?
    /// Only grants that come after this one in the list.
    public var after: GrantPlace?

    public init(
        subject: SubjectID? = nil, clientID: ClientID? = nil, patient: ResourceID? = nil, onlyActive: Bool = false,
        livingAt: Int64? = nil, after: GrantPlace? = nil
    ) {
        self.livingAt = livingAt
        self.after = after
        self.subject = subject
        self.clientID = clientID
        self.patient = patient
        self.onlyActive = onlyActive
    }
}

/// A grant's place in the list of all, newest first.
public struct GrantPlace: Hashable, Sendable {
    public let createdAt: Int64
    public let id: GrantID

    /// The place of a grant.
    public init(of grant: Grant) { (createdAt, id) = (grant.createdAt, grant.id) }

    /// Reads a place from its text; nil when it is none.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let time = Int64(parts[0]), parts[1].utf8.count <= 64 else { return nil }
        (createdAt, id) = (time, GrantID(String(parts[1])))
    }

    /// The place as a text for an address.
    public var text: String { "\(createdAt).\(id.text)" }
}

/// Keeps authorization codes by their hashes.
///
/// Contract: every change is one conditional write; of any number of parallel callers of `redeem` exactly one gets
/// `.redeemed`.
public protocol CodeStore: Sendable {
    func code(_ hash: SecretHash) async throws -> CodeRecord?
    /// Closes the transaction, adds the grant and adds its code, all or nothing. False when the transaction had moved
    /// on (its stored revision is not `closing.revision - 1`), the client is not active, the account is disabled or its
    /// login undone, or a choice on which the consent rests is not remembered any more as it was read.
    /// A choice that is to be remembered is kept in the same step, so that it cannot outlive a revocation of the grant.
    /// An EHR's launch that is to be used with the code is used up in it, too; false when it is not to be had at the time of
    /// the grant.
    func issue(
        _ code: CodeRecord, for grant: Grant, closing: AuthorizationTransaction, by consent: GivenConsent,
        using launch: LaunchUse?, record: AuthorizationRecord
    ) async throws -> Bool
    /// Marks a fresh code used and opens the refresh family, if there is one, in one transaction. Looks at nothing but
    /// whether the code is fresh and unexpired, its grant alive and its client active: the caller has checked the rest.
    /// A family that lives by a session lives by the one that the code has in this step: a change of the password gives the
    /// session another value after the caller read the code.
    func redeem(
        _ hash: SecretHash, at now: Int64, opening family: RefreshFamily?, record: AuthorizationRecord
    ) async throws -> Redemption
    /// Spoils a fresh code; false when it was not fresh.
    func burn(_ hash: SecretHash, at now: Int64, record: AuthorizationRecord) async throws -> Bool
}

extension CodeStore {
    /// Issues a code that uses up no launch; without more said, for somebody who was asked, and remembers nothing.
    public func issue(
        _ code: CodeRecord, for grant: Grant, closing: AuthorizationTransaction,
        by consent: GivenConsent = .asked(remembering: nil), record: AuthorizationRecord
    ) async throws -> Bool {
        try await issue(code, for: grant, closing: closing, by: consent, using: nil, record: record)
    }
}

/// Who won the redemption of a code.
public enum Redemption: Hashable, Sendable {
    /// This caller; nobody else ever will.
    case redeemed
    /// Somebody else, or it was burned, had expired, its grant had ended or its client was not active.
    case refused
}
