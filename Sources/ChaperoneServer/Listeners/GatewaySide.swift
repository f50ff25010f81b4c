internal import AccessPolicy
internal import Audit
internal import Authorization
internal import Enforcement
internal import FHIRCore
internal import OAuthCore

/// The protected FHIR server's side of the public listener, put together from the installation.
struct GatewaySide {
    let configuration: GatewayConfiguration
    let pools: UpstreamPools

    init(_ installation: Installation, upstreamBase: String) throws {
        let settings = installation.configuration
        let upstream = try Self.upstream(settings.fhirServer, base: upstreamBase)
        let pools = try UpstreamPools(server: upstream)
        var policy = ServerPolicy(
            publicBase: settings.fhirBase, upstreamBase: upstream.base, types: try settings.typeTable())
        policy.operations = try settings.operationTable()
        policy.allowsReverseChaining = settings.fhirServer.allowsReverseChaining
        let signer = installation.server.keys.signer
        let revoked = installation.server.revocationState
        let verifier = AccessTokenVerifier(
            expectation: .init(issuer: settings.issuer.text, audience: settings.fhirBase),
            keys: { signer.verificationKeys },
            revocation: { revoked.refuses($0) ? .revoked : .active })
        guard let sealer = Sealer(keys: installation.server.keys.pageLinkKeys) else {
            throw InstallationKey.Unusable(description: "the key of the page links is not a key")
        }
        let enforcer = Enforcer(
            policy: policy, verifier: verifier,
            panels: .table(users: settings.userPanels, clients: settings.clientPanels),
            pageLinks: PageLinks(sealer: sealer, publicBase: settings.fhirBase, server: upstream),
            random: installation.random)
        let endpoints = OAuthEndpoints(
            authorize: settings.authorization.authorizationEndpoint, token: settings.authorization.tokenEndpoint,
            revoke: settings.authorization.revocationEndpoint)
        let site = GatewaySite(
            basePath: settings.fhirServer.path, enforcer: enforcer, upstream: pools, audit: installation.recorder,
            capabilities: CapabilitySource(policy: policy, endpoints: endpoints, clock: installation.clock))
        self.pools = pools
        configuration = GatewayConfiguration(
            sites: [site], hosts: Self.hosts(settings), clock: installation.clock.milliseconds)
    }

    private static func upstream(_ settings: Configuration.FHIRServer, base: String) throws -> UpstreamFHIRServer {
        var upstream = try UpstreamFHIRServer(base: base)
        if let file = settings.certificateAuthorityFile { upstream.trustRoots = .file(file) }
        upstream.staticHeaders = try settings.headers.map {
            try .init(name: $0.name, value: try Configuration.firstLine(of: $0.valueFile))
        }
        upstream.limits.connectTimeoutMilliseconds = Int64(settings.connectTimeoutSeconds) * 1000
        upstream.limits.readTimeoutMilliseconds = Int64(settings.answerTimeoutSeconds) * 1000
        upstream.limits.callTimeoutMilliseconds = Int64(settings.answerTimeoutSeconds) * 2000
        upstream.limits.connectionsPerLoop = settings.connectionsPerLoop
        return upstream
    }

    /// The names under which clients may speak to us: the issuer's, and the address that we listen on.
    private static func hosts(_ settings: Configuration) -> Set<String> {
        let issuer = settings.issuer
        let isDefaultPort = issuer.port == (issuer.isHTTPS ? 443 : 80)
        return [isDefaultPort ? issuer.host : "\(issuer.host):\(issuer.port)", settings.listeners.public.description]
    }
}
