public import AccessPolicy

/// Remembers the assertions that were used, so that none is used twice.
///
/// Contract: keyed by issuer and `jti`; one conditional write; an entry is remembered at least until its time, also
/// across a restart.
public protocol ReplayCache: Sendable {
    /// Remembers an assertion until `expiry`; false when it is remembered already.
    func remember(_ jti: String, of issuer: ClientID, until expiry: Int64) async throws -> Bool
}
