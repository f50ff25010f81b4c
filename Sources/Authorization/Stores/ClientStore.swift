public import AccessPolicy
public import Audit

/// Keeps the registered clients.
///
/// Contract: an id is given once; `insert` and `replace` are single conditional writes; the audit row goes into the
/// outbox in the same transaction as the change, and only if the change was made.
public protocol ClientStore: Sendable {
    /// The registration with that id, whatever its status.
    func client(_ id: ClientID) async throws -> ClientRegistration?
    /// All registrations, by id.
    func clients() async throws -> [ClientRegistration]
    /// Adds a registration; false when the id is taken.
    func insert(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool
    /// Replaces the registration whose revision is `client.revision - 1`; false when somebody was faster or it is not
    /// there. A retired client stays retired.
    func replace(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool
    /// Notes that keys, by their thumbprints (RFC 7638), are lost and never count again for a client or for whoever
    /// publishes at the same address (`jwks_uri`); false, and nothing is recorded, when all of them were noted for both.
    func suspendKeys(
        _ thumbprints: Set<String>, of client: ClientID, publishedAt location: String, at now: Int64,
        record: AuthorizationRecord
    ) async throws -> Bool
    /// The thumbprints of the keys that are lost for a client, or at the address where it publishes its own, if it does.
    func suspendedKeys(of client: ClientID, publishedAt location: String?) async throws -> Set<String>
}
