public import AccessPolicy
internal import Audit
internal import OAuthCore

/// Adds and changes registered clients. Cutting one off is `AccessRevoker`'s business.
public struct ClientRegistry: Sendable {
    /// The clients as they were registered, whatever counts of them at the moment.
    let stores: AuthorizationStores
    let audit: AuditTrail
    let clock: Clock
    let random: RandomSource
    let access: AccessRevoker

    /// What came of a configured client.
    public enum Change: Hashable, Sendable {
        case added, changed, unchanged
        /// The id was retired; it is never given again.
        case refused
    }

    /// Brings a configured client into the registry: adds it, or changes what differs. What an operator did to its
    /// status since stands: a suspended client is not brought back by a restart.
    public func reconcile(_ configured: ClientRegistration, from source: RequestSource) async throws -> Change {
        let maker = RecordMaker(clock: clock, random: random, source: source)
        // Somebody else may write between the look and the write; then we look again.
        for _ in 0..<8 {
            guard let stored = try await stores.clients.client(configured.id) else {
                let record = maker.record(
                    .clientRegistered, client: configured.id, scopes: configured.approvedScopes,
                    by: "configuration")
                guard try await stores.clients.insert(configured, record: record) else { continue }
                try await audit.flush()
                return .added
            }
            guard stored.status != .retired else { return .refused }
            var wanted = configured
            wanted.status = stored.status
            wanted.revision = stored.revision
            guard wanted != stored else { return .unchanged }
            wanted.revision += 1
            let record = maker.record(
                .clientChanged, client: wanted.id, scopes: wanted.approvedScopes, by: "configuration")
            guard try await stores.clients.replace(wanted, record: record) else { continue }
            try await audit.flush()
            return .changed
        }
        throw OAuthError(.temporarilyUnavailable, detail: "the registration of `\(configured.id)` keeps changing")
    }

    /// Suspends the clients that came from a configuration and are in it no longer, and ends their access; gives their ids.
    public func suspendAbsent(_ present: Set<ClientID>, from source: RequestSource) async throws -> [ClientID] {
        var suspended: [ClientID] = []
        for client in try await stores.clients.clients()
        where client.status == .active && !present.contains(client.id) {
            guard
                try await access.revoke(
                    .client(client.id), because: .clientSuspended, by: "configuration", from: source) != nil
            else { continue }
            suspended.append(client.id)
        }
        return suspended
    }

    /// Lets a pending or suspended client work; false when there is none that could. Its ended grants stay ended.
    public func activate(_ id: ClientID, by actor: String, from source: RequestSource) async throws -> Bool {
        guard var client = try await stores.clients.client(id), client.status == .pending || client.status == .suspended
        else { return false }
        client.status = .active
        client.revision += 1
        let record = RecordMaker(clock: clock, random: random, source: source)
            .record(.clientChanged, client: id, scopes: client.approvedScopes, by: actor, detail: "activated")
        guard try await stores.clients.replace(client, record: record) else { return false }
        try await audit.flush()
        return true
    }
}
