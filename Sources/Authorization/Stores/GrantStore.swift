public import AccessPolicy
public import Audit
public import FHIRCore
public import OAuthCore

/// Keeps what was authorized.
///
/// Contract: a grant is inserted only while its client is active and its person's account is enabled, judged inside the
/// write, so that no grant can slip past a revocation that runs at the same moment. Grants of people are inserted by
/// `CodeStore.issue`, together with their code.
public protocol GrantStore: Sendable {
    func grant(_ id: GrantID) async throws -> Grant?
    /// The grants that a filter lets through, newest first.
    func grants(matching filter: GrantFilter, limit: Int) async throws -> [Grant]
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

    public init(
        subject: SubjectID? = nil, clientID: ClientID? = nil, patient: ResourceID? = nil, onlyActive: Bool = false
    ) {
        self.subject = subject
        self.clientID = clientID
        self.patient = patient
        self.onlyActive = onlyActive
    }
}

/// Keeps authorization codes by their hashes.
///
/// Contract: every change is one conditional write; of any number of parallel callers of `redeem` exactly one gets
/// `.redeemed`.
public protocol CodeStore: Sendable {
    func code(_ hash: SecretHash) async throws -> CodeRecord?
    /// Closes the transaction, adds the grant and adds its code, all or nothing. False when the transaction had moved
    /// on (its stored revision is not `closing.revision - 1`), the client is not active or the account is disabled.
    func issue(
        _ code: CodeRecord, for grant: Grant, closing: AuthorizationTransaction, record: AuthorizationRecord
    ) async throws -> Bool
    /// Marks a fresh code used and opens the refresh family, if there is one, in one transaction. Looks at nothing but
    /// whether the code is fresh and unexpired and its grant alive: the caller has checked the rest.
    func redeem(
        _ hash: SecretHash, at now: Int64, opening family: RefreshFamily?, record: AuthorizationRecord
    ) async throws -> Redemption
    /// Spoils a fresh code; false when it was not fresh.
    func burn(_ hash: SecretHash, at now: Int64, record: AuthorizationRecord) async throws -> Bool
}

/// Who won the redemption of a code.
public enum Redemption: Hashable, Sendable {
    /// This caller; nobody else ever will.
    case redeemed
    /// Somebody else, or it was burned, had expired or its grant had ended.
    case refused
}
