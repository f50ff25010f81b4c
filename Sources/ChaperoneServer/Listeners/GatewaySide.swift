internal import AccessPolicy
internal import Audit
internal import Authorization
internal import Enforcement
internal import FHIRCore
internal import NIOPosix
internal import OAuthCore

/// The protected FHIR server's side of the public listener, put together from the installation.
struct GatewaySide {
    let configuration: GatewayConfiguration
    let pools: UpstreamPools
    /// Of the hosts on which files of exports may stand.
    let storagePools: [UpstreamPools]
    let enforcer: Enforcer
    let capabilities: CapabilitySource

    init(_ installation: Installation) throws {
        let settings = installation.configuration
        let upstream = try Self.upstream(settings.fhirServer, base: settings.upstreamBase)
        let pools = try UpstreamPools(server: upstream)
        let capabilities = CapabilitySource(
            policy: try settings.serverPolicy(), endpoints: Self.endpoints(settings), clock: installation.clock)
        let enforcer = try Self.enforcer(installation, upstream: upstream, capabilities: capabilities)
        storagePools = try settings.fhirServer.storage(beside: upstream).map { try $0.makePools() }
        let site = GatewaySite(
            basePath: settings.fhirServer.path, enforcer: enforcer, upstream: pools, storage: storagePools,
            audit: installation.recorder,
            capabilities: capabilities, explains: settings.isDemo)
        self.enforcer = enforcer
        self.pools = pools
        self.capabilities = capabilities
        var limits = GatewayLimits()
        limits.streamsOfClient = settings.fhirServer.streamsOfClient
        limits.streams = settings.fhirServer.streams
        limits.leastBytesPerSecond = settings.fhirServer.leastBytesPerSecond
        var configuration = GatewayConfiguration(
            sites: [site], hosts: Self.hosts(settings), limits: limits, proxies: settings.proxies,
            clock: installation.clock.milliseconds)
        configuration.saysCertificates = settings.clientCertificates.areRead
        self.configuration = configuration
    }

    /// The enforcer of an installation, without any connection.
    ///
    /// - Parameter capabilities: where the protected server's own statement is kept; nil where nobody asks it.
    static func enforcer(
        _ installation: Installation, upstream: UpstreamFHIRServer, capabilities: CapabilitySource? = nil
    ) throws -> Enforcer {
        let settings = installation.configuration
        var limits = Enforcer.Limits()
        limits.answerBytes = settings.fhirServer.answerMegabytes << 20
        let keys = installation.server.keys
        return Enforcer(
            policy: try settings.serverPolicy(), capabilities: capabilities, verifier: try verifier(installation),
            panels: try settings.panelSource(),
            pageLinks: PageLinks(
                sealer: { keys.pageLinkSealer }, publicBase: settings.fhirBase, server: upstream,
                storage: try settings.fhirServer.storage(beside: upstream).map(\.server)),
            random: installation.random, limits: limits,
            facts: settings.recordFacts,
            jobs: ExportJobs(store: installation.server.stores.exportJobs))
    }

    private static func verifier(_ installation: Installation) throws -> AccessTokenVerifier {
        let settings = installation.configuration
        let revoked = installation.server.revocationState
        if let issuer = settings.tokenIssuer {
            let bases = [settings.fhirBase, settings.upstreamBase]
            return AccessTokenVerifier(
                foreign: try EnforcerParts.foreignTokens(
                    issuer, bases: bases, egress: installation.configuration.egress),
                revocation: { revoked.isUncertain ? .unknown : revoked.refuses($0) ? .revoked : .active })
        }
        let keys = installation.server.keys
        let references = installation.server.references
        let verifier = AccessTokenVerifier(
            expectation: .init(issuer: settings.issuer.text, audience: settings.fhirBase),
            keys: { keys.signer.verificationKeys },
            references: { try references.claims(of: $0, audience: $1, at: $2) },
            nonces: installation.server.proofNonces,
            signIn: { [signIns = installation.server.signIns] access in
                do { return try signIns.isEnough(for: access) ? .enough : .tooWeak } catch { return .unknown }
            },
            isWithdrawn: { [judge = installation.certificates] in judge?.isWithdrawn($0, at: $1) ?? false },
            revocation: { revoked.isUncertain ? .unknown : revoked.refuses($0) ? .revoked : .active })
        // A token that an old key signed is looked at anew.
        keys.observe { verifier.forgetAll() }
        installation.server.signIns.observe { verifier.forgetAll() }
        return verifier
    }

    private static func endpoints(_ settings: Configuration) -> OAuthEndpoints {
        guard let issuer = settings.tokenIssuer else {
            return OAuthEndpoints(
                authorize: settings.authorization.authorizationEndpoint, token: settings.authorization.tokenEndpoint,
                revoke: settings.authorization.revocationEndpoint,
                introspect: settings.authorization.introspectionEndpoint,
                manage: settings.authorization.managementEndpoint)
        }
        return OAuthEndpoints(
            authorize: issuer.authorizationEndpoint ?? issuer.issuer, token: issuer.tokenEndpoint ?? issuer.issuer)
    }

    static func upstream(_ settings: Configuration.FHIRServer, base: String) throws -> UpstreamFHIRServer {
        var upstream = try UpstreamFHIRServer(base: base)
        if let file = settings.certificateAuthorityFile { upstream.trustRoots = .file(file) }
        upstream.staticHeaders = try settings.headers.map {
            try .init(name: $0.name, value: try Configuration.firstLine(of: $0.valueFile))
        }
        upstream.connectTo = settings.connectTo.flatMap { .init($0) }
        if let chain = settings.clientCertificateFile, let key = settings.clientKeyFile {
            upstream.clientCertificate = .init(chainFile: chain, keyFile: key)
        }
        if let source = settings.oauth {
            upstream.tokenSource = try UpstreamTokenSource(
                endpoint: source.tokenEndpoint, clientID: source.clientID,
                secret: Secret(try Configuration.firstLine(of: source.clientSecretFile)), scope: source.scope)
        }
        upstream.limits.connectTimeoutMilliseconds = Int64(settings.connectTimeoutSeconds) * 1000
        upstream.limits.readTimeoutMilliseconds = Int64(settings.answerTimeoutSeconds) * 1000
        upstream.limits.callTimeoutMilliseconds = Int64(settings.answerTimeoutSeconds) * 2000
        upstream.limits.idleTimeoutMilliseconds = Int64(settings.idleTimeoutSeconds) * 1000
        upstream.limits.connectionsPerLoop = settings.connectionsPerLoop
        upstream.limits.waitingPerLoop = settings.waitingPerLoop
        upstream.limits.answerBytes = settings.answerMegabytes << 20
        return upstream
    }

    /// The names under which clients may speak to us: the issuer's, and the address that we listen on.
    private static func hosts(_ settings: Configuration) -> Set<String> {
        let issuer = settings.issuer
        let isDefaultPort = issuer.port == (issuer.isHTTPS ? 443 : 80)
        var hosts: Set<String> = [
            isDefaultPort ? issuer.host : "\(issuer.host):\(issuer.port)", settings.listeners.public.description,
        ]
        if let tls = settings.listeners.tls?.address {
            hosts.formUnion([tls.description, tls.port == 443 ? issuer.host : "\(issuer.host):\(tls.port)"])
        }
        return hosts
    }
}

extension Installation {
    /// Lets the context pages look into the protected server through the gateway.
    func follow(_ gateway: GatewaySide) {
        identities.follow(IdentityReader(pools: gateway.pools, group: MultiThreadedEventLoopGroup.singleton))
        guard
            let reader = SiteReader(
                gateway.configuration, basePath: configuration.fhirServer.path,
                group: MultiThreadedEventLoopGroup.singleton)
        else { return }
        lookup.follow(GatewayLookup(reader: reader, random: random, clock: clock).lookup)
    }
}
