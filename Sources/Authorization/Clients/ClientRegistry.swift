public import AccessPolicy
internal import Audit
internal import OAuthCore

/// The active clients that a configuration does not have.
public struct AbsentClients: Hashable, Sendable {
    public let ids: [ClientID]
    /// How many clients are active, these included.
    public let activeCount: Int

    public init(ids: [ClientID], activeCount: Int) {
        self.ids = ids
        self.activeCount = activeCount
    }

    /// Whether so many would go that the list itself may be wrong: several of them, and more than half.
    public var areMany: Bool { ids.count > 1 && ids.count * 2 > activeCount }
}

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

    /// Adds a configured client whose id is not known yet; false when it is.
    public func add(_ configured: ClientRegistration, from source: RequestSource) async throws -> Bool {
        guard try await stores.clients.client(configured.id) == nil else { return false }
        return try await reconcile(configured, from: source) == .added
    }

    /// The active clients that are not among those of a configuration.
    public func absent(_ present: Set<ClientID>) async throws -> AbsentClients {
        let active = try await stores.clients.clients().filter { $0.status == .active }.map(\.id)
        return AbsentClients(ids: active.filter { !present.contains($0) }, activeCount: active.count)
    }

    /// Suspends the clients that came from a configuration and are in it no longer; gives their ids. Their access tokens end
    /// and they get no other ones; their grants stay, so that a mistaken list costs nobody what was allowed.
    public func suspendAbsent(_ present: Set<ClientID>, from source: RequestSource) async throws -> [ClientID] {
        var suspended: [ClientID] = []
        for id in try await absent(present).ids {
            let outcome = try await access.suspend(
                id, by: "configuration", detail: "suspended: not in the configuration; its grants stay", from: source)
            if outcome != nil { suspended.append(id) }
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
