public import AccessPolicy
public import FHIRCore

/// Says whose records a user or a backend client may reach. When it throws, nobody's: the request is answered 503.
public struct PanelSource: Sendable {
    private let ofUser: @Sendable (InstanceKey) throws -> PatientPanel
    private let ofClient: @Sendable (ClientID) throws -> PatientPanel
    private var query: PanelQuery?
    private var service: PanelService?

    /// - Parameters:
    ///   - ofUser: the panel of a login, by its FHIR identity. A patient's own panel is not asked for: it is the patient.
    ///   - ofClient: the panel of a client that acts for no user (`system/` scopes).
    public init(
        ofUser: @escaping @Sendable (InstanceKey) throws -> PatientPanel,
        ofClient: @escaping @Sendable (ClientID) throws -> PatientPanel
    ) {
        self.ofUser = ofUser
        self.ofClient = ofClient
    }

    /// A fixed table; who is not in it reaches nobody.
    public static func table(
        users: [InstanceKey: PatientPanel], clients: [ClientID: PatientPanel] = [:]
    ) -> PanelSource {
        PanelSource(ofUser: { users[$0] ?? .none }, ofClient: { clients[$0] ?? .none })
    }

    /// The same source, which asks the protected server about users of whom it knows nothing itself.
    public func asking(_ query: PanelQuery) -> PanelSource {
        var source = self
        source.query = query
        return source
    }

    /// The same source, which asks a service of the site's about users of whom it knows nothing itself.
    public func asking(_ service: PanelService) -> PanelSource {
        var source = self
        source.service = service
        return source
    }

    /// Whether any panel is a service's to tell.
    var asksService: Bool { service != nil }

    /// The user about whom the service has to be asked before a request can be judged; nil when it need not be.
    ///
    /// A list that cannot be had asks nobody: the request will be refused for it.
    func unknownUser(for access: GrantedAccess, now: Int64) -> (PanelService, InstanceKey)? {
        guard let service, let user = try? served(access), service.panel(of: user, at: now) == nil else { return nil }
        return (service, user)
    }

    /// The user of an access if the service is asked about them.
    private func served(_ access: GrantedAccess) throws -> InstanceKey? {
        guard let service, access.hasScope(of: .user),
            let user = access.launch.fhirUser, user.type != .patient, service.isAsked(about: user),
            try ofUser(user) == .none
        else { return nil }
        return user
    }
    /// The types of the protected server whose resources decide whose records a user may see.
    public var decidingTypes: [ResourceType: [SearchParameter]] { query?.decidingTypes ?? [:] }

    /// What is to be asked before the user's panel is known; nil when it is known, or when nobody would know it.
    func question(for access: GrantedAccess, now: Int64) throws -> PanelQuestion? {
        guard case .unknown(let question)? = try standing(for: access, now: now) else { return nil }
        return question
    }

    private func standing(for access: GrantedAccess, now: Int64) throws -> PanelQuery.Standing? {
        guard let query, access.hasScope(of: .user), let user = access.launch.fhirUser,
            user.type != .patient, service?.isAsked(about: user) != true, try ofUser(user) == .none
        else { return nil }
        return query.standing(of: user, now: now)
    }

    func userPanel(for access: GrantedAccess, now: Int64) throws -> PatientPanel {
        if let service, let user = try served(access) {
            // b.10: a look-up that fails is no empty panel, and no full one either.
            guard let panel = service.panel(of: user, at: now) else { throw PanelUnknown() }
            return panel
        }
        if case .known(let panel)? = try standing(for: access, now: now) { return panel }
        return try userPanel(for: access)
    }

    private func userPanel(for access: GrantedAccess) throws -> PatientPanel {
        guard access.hasScope(of: .user), let user = access.launch.fhirUser else {
            return .none
        }
        return user.type == .patient ? .patients([user.id]) : try ofUser(user)
    }

    func systemPanel(for access: GrantedAccess) throws -> PatientPanel {
        guard access.hasScope(of: .system) else { return .none }
        return try ofClient(access.clientID)
    }
}
