internal import Audit
internal import Authorization
internal import Enforcement
internal import FHIRCore
internal import Hummingbird
internal import HummingbirdCore
internal import OAuthCore
internal import SandboxFHIR

/// The listeners with their routes.
struct Sides {
    let installation: Installation
    let gateway: GatewaySide
    let metrics: Metrics
    let board: ListenerBoard
    let credential: LocalCredential
    let hasSandbox: Bool

    private var configuration: Configuration { installation.configuration }

    func listeners() throws -> [Listener] {
        var listeners = try publicSides() + [try adminSide()]
        if configuration.isDemo { listeners.append(try demoSide()) }
        if let file = configuration.listeners.decisionKeyFile { listeners.append(try decisionSide(keyFile: file)) }
        return listeners
    }

    // MARK: - public

    /// The public side, in clear for loopback and proxies, and over TLS when there is a certificate.
    private func publicSides() throws -> [Listener] {
        let pages = try publicPages()
        let router = Router<SideContext>.side { error, request in
            let language = request.language()
            return switch error.status {
            case .notFound: try pages.notFound(language)
            case .internalServerError: try pages.unavailable(language)
            default:
                try pages.page(
                    MessagePage(pages.frame(language), heading: "notHereHeading", text: "notHereText"),
                    status: error.status)
            }
        }
        router.middlewares.add(
            ClientAddressMiddleware(
                proxies: configuration.proxies, readsCertificates: configuration.clientCertificates.areRead))
        let server = installation.server
        let cookie = SessionCookie(
            purpose: "session", port: configuration.issuer.port, isSecure: configuration.issuer.isHTTPS)
        // With somebody else's authorization server this process authorizes nobody and says so by having no such routes.
        if configuration.tokenIssuer == nil {
            DiscoveryRoutes(fhirPath: configuration.fhirServer.path, discovery: server.discovery).add(to: router)
            TokenRoutes(
                token: server.token, revocation: server.revocation, introspection: server.introspection,
                pushedRequests: server.pushedRequests,
                userInfo: server.userInfo, issuer: configuration.issuer.text, metrics: metrics
            ).add(to: router)
            let launches = LaunchRoutes(
                authorization: server.authorization, interaction: server.interaction, federation: server.federation,
                pages: pages, cookie: cookie, clock: installation.clock,
                logoutTargets: LogoutTargets(
                    issuer: configuration.issuer.text, registered: configuration.logoutAddresses,
                    keys: { [keys = server.keys] in keys.signer.verificationKeys }))
            launches.add(to: router)
            FederationRoutes(federation: server.federation, launches: launches).add(to: router)
            AccountRoutes(
                desk: installation.accountDesk, interaction: server.interaction, federation: server.federation,
                secondFactors: server.secondFactors, passwords: server.passwords, pages: pages, cookie: cookie,
                clock: installation.clock
            ).add(to: router)
            if let brands = try configuration.brands() { BrandRoutes(brands: brands).add(to: router) }
            EHRLaunchRoutes(launch: server.launch, issuer: configuration.issuer.text, metrics: metrics).add(to: router)
        }
        StaticRoutes.pages.add(to: router)
        HealthRoutes(report: health).add(to: router)
        let index = IndexPageFacts.Addresses(
            demoApp: "http://\(configuration.listeners.demo)/",
            fhirBase: configuration.fhirBase,
            smartConfiguration: "\(configuration.fhirServer.path)/.well-known/smart-configuration",
            metadata: "\(configuration.fhirServer.path)/metadata")
        router.get("/") { request, _ in
            let facts = IndexPageFacts(pages.frame(request.language()), index)
            return request.remembering(try pages.page(facts))
        }
        router.refuseOthers(on: "/", than: .get)
        let gateway = gateway.configuration
        let metrics = metrics
        let certificates = configuration.certificateSources
        let (plain, encrypted) = (
            configuration.strictTransport(overTLS: false), configuration.strictTransport(overTLS: true)
        )
        var listeners = [
            Listener(
                name: "public", address: configuration.listeners.public, router: router,
                server: HTTPServerBuilder {
                    TwoSidedChannel(
                        responder: $0, gateway: gateway, metrics: metrics, certificates: certificates,
                        strictTransport: plain)
                })
        ]
        if let settings = configuration.listeners.tls {
            let identity = try TLSIdentity(
                settings, asksForCertificates: configuration.clientCertificates.areAskedFor)
            listeners.append(
                Listener(
                    name: "tls", address: settings.address, router: router,
                    server: HTTPServerBuilder {
                        TwoSidedChannel(
                            responder: $0, gateway: gateway, metrics: metrics, tls: identity,
                            certificates: certificates, strictTransport: encrypted)
                    }))
        }
        return listeners
    }

    private func publicPages() throws -> PageAnswers {
        var pages = PageAnswers(library: try PageLibrary(), isDemo: configuration.isDemo)
        pages.chooser = ProviderChooser(
            providers: configuration.signIn.providers.map { ($0.id, $0.name) },
            takesPasswords: configuration.signIn.takesPasswords)
        return pages
    }

    // MARK: - admin

    private func adminSide() throws -> Listener {
        let router = Router<SideContext>.side { error, _ in
            let problem = Problem(error.status.code, error.status.reasonPhrase)
            return Answers.json(problem.json, status: error.status, type: "application/problem+json")
        }
        router.middlewares.add(CountingMiddleware(listener: "admin", metrics: metrics))
        let api = installation.adminAPI(
            explaining: RequestExplainer(
                enforcer: gateway.enforcer, origin: configuration.issuer.text,
                basePath: configuration.fhirServer.path, clock: installation.clock))
        let authenticator = AdminAuthenticator(
            credential: Secret(credential.token), interaction: installation.server.interaction,
            users: installation.server.stores.users, clock: installation.clock,
            takesPasswords: configuration.adminTakesPasswords)
        let events = AuditEventAnswers(
            api: api, reader: installation.auditReader,
            base: "http://\(configuration.listeners.admin)/audit/fhir/AuditEvent",
            system: configuration.auditSystem)
        let console = AuditConsole(
            api: api, pages: PageAnswers(library: try PageLibrary(), isDemo: configuration.isDemo))
        AdminRoutes(
            api: api, auditEvents: events, console: console, authenticator: authenticator, metrics: metrics,
            health: health
        ).add(to: router)
        return Listener(
            name: "admin", address: configuration.listeners.admin, router: router,
            server: .http1(configuration: .init(idleTimeout: .seconds(60))))
    }

    // MARK: - decisions

    private func decisionSide(keyFile: String) throws -> Listener {
        let key = Secret(try Configuration.firstLine(of: keyFile))
        guard key.reveal().unicodeScalars.count >= 32 else {
            let message = "the key in `\(keyFile)` is shorter than 32 characters; make one with `openssl rand -hex 32`"
            throw ConfigurationError([.init(origin: nil, path: "listeners.decisions.key-file", message: message)])
        }
        let router = Router<SideContext>.side { error, _ in Answers.text("\(error.status)\n", status: error.status) }
        router.middlewares.add(CountingMiddleware(listener: "decisions", metrics: metrics))
        DecisionRoutes(
            enforcer: gateway.enforcer, recorder: installation.recorder, basePath: configuration.fhirServer.path,
            key: key.hash, clock: installation.clock
        ).add(to: router)
        return Listener(
            name: "decisions", address: configuration.listeners.decisions, router: router,
            server: .http1(configuration: .init(idleTimeout: .seconds(60))))
    }

    // MARK: - demo

    private func demoSide() throws -> Listener {
        let pages = PageAnswers(library: try PageLibrary(), isDemo: true)
        let app = DemoAppRoutes(fhirBase: configuration.fhirBase, issuer: configuration.issuer.text)
        let router = Router<SideContext>.side(headers: app.headers) { error, request in
            error.status == .notFound
                ? try pages.notFound(request.language()) : Answers.text("\(error.status)\n", status: error.status)
        }
        router.middlewares.add(CountingMiddleware(listener: "demo", metrics: metrics))
        app.add(to: router)
        if hasSandbox {
            EHRSimulatorRoutes(
                fhirBase: configuration.fhirBase, issuer: configuration.issuer.text,
                records: "http://\(configuration.listeners.sandbox)\(SandboxServer.basePath)", pages: pages
            ).add(to: router)
        }
        ProviderAppRoutes(
            fhirBase: configuration.fhirBase, address: "http://\(configuration.listeners.demo)", pages: pages
        ).add(to: router)
        return Listener(
            name: "demo", address: configuration.listeners.demo, router: router,
            server: .http1(configuration: .init(idleTimeout: .seconds(60))))
    }

    // MARK: - health

    private var health: @Sendable () async -> HealthReport {
        let recorder = installation.recorder
        let stores = installation.server.stores
        let watch = installation.auditSide.watch
        let forecast = installation.auditSide.forecast
        let board = board
        let expectsSandbox = hasSandbox
        let capabilities = gateway.capabilities
        let members = installation.members
        let configured = configuration.remarks
        let egress = configuration.egress.policy.remark
        let certificates = installation.certificates
        return {
            let audit = recorder.health.canRecord ? nil : "the audit trail cannot be written"
            var database: String?
            do { _ = try await stores.keys.keys() } catch { database = "the database does not answer" }
            let proofs = watch.problem("checkpoints").map { "no checkpoint can be made: \($0)" }
            var parts = [
                ("audit", audit), ("audit-checkpoints", proofs), ("audit-disk", forecast.problem),
                ("database", database), ("fhir-server", capabilities.problem),
            ]
            if !members.rosters.isEmpty { parts.append(("members", members.problem)) }
            if expectsSandbox { parts.append(("sandbox", board.isUp("sandbox") ? nil : "not up yet")) }
            return HealthReport(
                parts: parts.map { (name: $0.0, problem: $0.1) },
                remarks: [egress, certificates?.remark].compactMap { $0 } + members.remarks + configured
                    + watch.feedRemarks)
        }
    }
}

/// The probes of the public listener. They say whether, not why: the admin side says why.
struct HealthRoutes: Sendable {
    let report: @Sendable () async -> HealthReport

    func add(to router: Router<SideContext>) {
        router.get("/health/live") { _, _ in Answers.text("live\n") }
        router.get("/health/ready") { _, _ in
            await report().isReady
                ? Answers.text("ready\n") : Answers.text("not ready\n", status: .serviceUnavailable)
        }
    }
}
