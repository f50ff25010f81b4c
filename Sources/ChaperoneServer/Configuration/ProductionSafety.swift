/// Why a configuration may not be started where others can reach it.
public enum ProductionHazard: Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case demoMode
    case demoIdentities
    case demoLeftovers
    case plainHTTP
    case unprotectedAdmin
    case sharedHostName
    case unprotectedSandbox
    case unprotectedDecisions

    /// What is wrong and what to do.
    public var description: String {
        switch self {
        case .demoMode:
            "demo mode has published accounts and keys; start without --demo"
        case .demoIdentities:
            "a client or account uses a published demo name, secret, key or password; give it one of its own"
        case .demoLeftovers:
            "the state directory was a demo's and still has its published clients or accounts; start on a state "
                + "directory of its own"
        case .plainHTTP:
            "clients would be answered in clear; use an https issuer, and either listeners.tls with the public listener on "
                + "loopback, or tls-terminated-by-proxy when a proxy ends TLS"
        case .unprotectedAdmin:
            "the admin listener is not on loopback; bind it to 127.0.0.1, or set listeners.admin.protected when "
                + "something in front of it authenticates"
        case .sharedHostName:
            "the admin side and the issuer share a host name, so they would share cookies; set "
                + "listeners.admin.host-name to another name"
        case .unprotectedSandbox:
            "the sandbox holds records without any protection; it exists on loopback only"
        case .unprotectedDecisions:
            "the decision listener is not on loopback and would send tokens and its key in the clear; bind it to "
                + "127.0.0.1, or set listeners.decisions.protected when something encrypts the way"
        }
    }
}

/// What the key and secret files of a configuration hold, as far as production safety asks.
public struct LoadedSecrets: Hashable, Sendable {
    /// Whether some client key, client secret or password is one that is published with the program.
    public var includesPublished: Bool

    public init(includesPublished: Bool) { self.includesPublished = includesPublished }
}

extension Configuration {
    /// The reasons not to start; empty when there is none. Pure.
    ///
    /// A loopback issuer is a developer's or a test's: everything is allowed there, except to open the sandbox or
    /// the admin side to others.
    public func productionHazards(secrets: LoadedSecrets) -> [ProductionHazard] {
        var hazards: [ProductionHazard] = []
        let isReachable = !issuer.isLoopback
        if isReachable, isDemo { hazards.append(.demoMode) }
        if isReachable, secrets.includesPublished { hazards.append(.demoIdentities) }
        // surface.md §7: TLS is ended by a proxy that the operator has declared, or here; then the plain listener is for
        // this machine alone.
        let hasOwnTLS = listeners.tls != nil && listeners.public.isLoopback
        if isReachable, !issuer.isHTTPS || !(hasTLSProxy || hasOwnTLS) { hazards.append(.plainHTTP) }
        if !listeners.admin.isLoopback, !listeners.adminIsProtected { hazards.append(.unprotectedAdmin) }
        if listeners.decisionKeyFile != nil, !listeners.decisions.isLoopback, !listeners.decisionsAreProtected {
            hazards.append(.unprotectedDecisions)
        }
        if isReachable, sharesHostName { hazards.append(.sharedHostName) }
        if isDemo, !listeners.sandbox.isLoopback || !listeners.demo.isLoopback { hazards.append(.unprotectedSandbox) }
        if isDemo, !listeners.public.isLoopback, !hazards.contains(.demoMode) { hazards.append(.demoMode) }
        return hazards
    }

    /// What does not keep the server from starting and yet should be known: at the start, in the health report and by
    /// `config check`.
    public var remarks: [String] {
        guard !issuer.isLoopback, hasTLSProxy, trustedProxies.isEmpty else { return [] }
        return [
            "everybody comes from one source, the proxy that ends TLS: one stranger who guesses passwords locks everybody "
                + "out, and the audit trail names the proxy; name its address in trusted-proxies"
        ]
    }

    /// Whether the admin side takes names and passwords by HTTP Basic: this process has no TLS of its own, so only where
    /// they do not leave the machine.
    public var adminTakesPasswords: Bool { isDemo || listeners.admin.isLoopback }

    /// Cookies know no port (decision 24): two sides on one host name would see each other's.
    private var sharesHostName: Bool {
        let admin = (listeners.adminHostName ?? listeners.admin.host).lowercased()
        return admin == issuer.host
    }
}
