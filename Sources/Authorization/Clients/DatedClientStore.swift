internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// The registered clients as they count now, so that an exception ends at its day in a server that is not restarted.
///
/// For everybody who asks what a client may have. The registry, which compares and writes registrations, takes the store
/// itself.
struct DatedClientStore: ClientStore {
    let stored: any ClientStore
    let clock: Clock

    func client(_ id: ClientID) async throws -> ClientRegistration? {
        try await stored.client(id)?.asOf(clock.now())
    }

    func clients() async throws -> [ClientRegistration] {
        let now = clock.now()
        return try await stored.clients().map { $0.asOf(now) }
    }

    func insert(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool {
        try await stored.insert(client, record: record)
    }

    func replace(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool {
        try await stored.replace(client, record: record)
    }

    func suspendKeys(
        _ thumbprints: Set<String>, of client: ClientID, publishedAt location: String, at now: Int64,
        record: AuthorizationRecord
    ) async throws -> Bool {
        try await stored.suspendKeys(thumbprints, of: client, publishedAt: location, at: now, record: record)
    }

    func suspendedKeys(of client: ClientID, publishedAt location: String?) async throws -> Set<String> {
        try await stored.suspendedKeys(of: client, publishedAt: location)
    }
}
