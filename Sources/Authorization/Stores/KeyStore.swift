public import Audit

/// A key that the server holds, sealed under the key of the installation: never in clear at rest.
public struct StoredKey: Hashable, Sendable {
    /// What a key is for.
    public enum Purpose: String, CaseIterable, Hashable, Sendable {
        case accessToken = "access-token"
        case idToken = "id-token"
        /// The root from which successors of refresh tokens are derived.
        case refreshRoot = "refresh-root"
        /// The key for cookies and page links.
        case pageLink = "page-link"
        /// Signs the checkpoints of the audit trail and nothing else.
        case auditCheckpoint = "audit-checkpoint"
    }

    public let id: String
    public let purpose: Purpose
    /// The sealed private JWK, or sealed raw bytes for a symmetric key.
    public let sealed: String
    public let createdAt: Int64
    /// Whether the key is published but does not sign yet, so that verifiers know it before they need it.
    public let isAnnounced: Bool
    /// From when on the key signs no more but still verifies; nil while it may sign.
    public let retiredAt: Int64?

    public init(
        id: String, purpose: Purpose, sealed: String, createdAt: Int64, isAnnounced: Bool = false,
        retiredAt: Int64? = nil
    ) {
        self.id = id
        self.purpose = purpose
        self.sealed = sealed
        self.createdAt = createdAt
        self.isAnnounced = isAnnounced
        self.retiredAt = retiredAt
    }

    /// Where a key stands in its life; gone is what is no longer stored.
    public enum Standing: String, CaseIterable, Hashable, Sendable {
        case announced, active, retiring
    }

    public var standing: Standing { retiredAt != nil ? .retiring : isAnnounced ? .announced : .active }
}

/// Keeps the server's keys.
///
/// Contract: `insertFirst` is one conditional write, so that of two servers that start on an empty database one makes the
/// key and the other one uses it.
public protocol KeyStore: Sendable {
    /// All keys, oldest first.
    func keys() async throws -> [StoredKey]
    /// Adds a key if there is none with its purpose that is not retired; says whether this caller won.
    func insertFirst(_ key: StoredKey, record: AuthorizationRecord) async throws -> Bool
    /// Adds a key that is announced, if there is none of its purpose; says whether this caller won.
    func announce(_ key: StoredKey, record: AuthorizationRecord) async throws -> Bool
    /// Retires the active key of the purpose and makes the announced one active, in one transaction; false when there is
    /// none announced with that id.
    func activate(_ id: String, at now: Int64, record: AuthorizationRecord) async throws -> Bool
    /// Removes a key that is not active; what it signed is worth nothing from then on. False when there is none.
    func remove(_ id: String, record: AuthorizationRecord) async throws -> Bool
    /// Puts the same key in under another seal; false when it was resealed or removed meanwhile.
    func reseal(_ id: String, from old: String, to new: String) async throws -> Bool
    /// Retires the signing key of the purpose and adds its successor, in one transaction; false when `key.id` is taken.
    func rotate(to key: StoredKey, at now: Int64, record: AuthorizationRecord) async throws -> Bool
}
