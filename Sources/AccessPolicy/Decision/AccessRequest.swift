public import FHIRCore

/// Everything that a decision depends on, as values.
public struct AccessRequest: Sendable {
    /// The parsed request.
    public let request: CanonicalRequest
    /// The verified token.
    public let access: GrantedAccess
    /// The patients that the user may reach; bounds `user/` scopes.
    public let userPanel: PatientPanel
    /// The patients that the client may reach on its own; bounds `system/` scopes.
    public let systemPanel: PatientPanel
    /// The protected server.
    public let policy: ServerPolicy
    /// Random bits of this request: from them come the names of what is handed in and has none that may stay. Requests that
    /// are really made have each their own.
    public let seed: UInt128

    /// Puts the facts together.
    public init(
        request: CanonicalRequest, access: GrantedAccess, userPanel: PatientPanel, systemPanel: PatientPanel,
        policy: ServerPolicy, seed: UInt128 = 0
    ) {
        self.request = request
        self.access = access
        self.userPanel = userPanel
        self.systemPanel = systemPanel
        self.policy = policy
        self.seed = seed
    }
}
