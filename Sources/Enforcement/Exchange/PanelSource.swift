public import AccessPolicy
public import FHIRCore

/// Says whose records a user or a backend client may reach. When it throws, nobody's: the request is answered 503.
public struct PanelSource: Sendable {
    private let ofUser: @Sendable (InstanceKey) throws -> PatientPanel
    private let ofClient: @Sendable (ClientID) throws -> PatientPanel
    private var query: PanelQuery?

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

    /// The types of the protected server whose resources decide whose records a user may see.
    public var decidingTypes: [ResourceType: [SearchParameter]] { query?.decidingTypes ?? [:] }

    /// What is to be asked before the user's panel is known; nil when it is known, or when nobody would know it.
    func question(for access: GrantedAccess, now: Int64) throws -> PanelQuestion? {
        guard case .unknown(let question)? = try standing(for: access, now: now) else { return nil }
        return question
    }

    private func standing(for access: GrantedAccess, now: Int64) throws -> PanelQuery.Standing? {
        guard let query, access.scopes.contains(where: { $0.scope.level == .user }), let user = access.launch.fhirUser,
            user.type != .patient, try ofUser(user) == .none
        else { return nil }
        return query.standing(of: user, now: now)
    }

    func userPanel(for access: GrantedAccess, now: Int64) throws -> PatientPanel {
        if case .known(let panel)? = try standing(for: access, now: now) { return panel }
        return try userPanel(for: access)
    }

    private func userPanel(for access: GrantedAccess) throws -> PatientPanel {
        guard access.scopes.contains(where: { $0.scope.level == .user }), let user = access.launch.fhirUser else {
            return .none
        }
        return user.type == .patient ? .patients([user.id]) : try ofUser(user)
    }

    func systemPanel(for access: GrantedAccess) throws -> PatientPanel {
        guard access.scopes.contains(where: { $0.scope.level == .system }) else { return .none }
        return try ofClient(access.clientID)
    }
}
