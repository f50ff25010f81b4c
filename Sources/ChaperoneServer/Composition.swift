internal import Audit
internal import Authorization
internal import CertificateTrust
internal import Enforcement
internal import FHIRCore
internal import Hummingbird
internal import HummingbirdCore
public import Logging
internal import NIOPosix
internal import OAuthCore
internal import SandboxFHIR
internal import ServiceLifecycle
internal import UnixSignals

/// The one place where the server is put together: installation, gateway, listeners, in the order in which they start
/// and against the order in which they stop.
public struct Composition: Sendable {
    /// The configuration is not safe where it would run.
    public struct Unsafe: Error, CustomStringConvertible {
        public let hazards: [ProductionHazard]
        /// What the operator can do about what was found here; nil when the hazards say it all.
        public let advice: String?

        init(hazards: [ProductionHazard], advice: String? = nil) {
            self.hazards = hazards
            self.advice = advice
        }

        /// Each reason, and what to do.
        public var reasons: [String] { hazards.map(\.description) + (advice.map { [$0] } ?? []) }
        public var description: String { reasons.joined(separator: "\n") }
    }

    private let configuration: Configuration
    let installation: Installation
    private let gateway: GatewaySide
    private let credential: LocalCredential
    private let board: ListenerBoard
    private let group: ServiceGroup
    private let logger: Logger

    /// Puts everything together; nothing listens yet.
    ///
    /// - Parameter suspendsAbsentClients: whether the clients that the configuration lacks are suspended however many they
    ///   are.
    /// - Throws: `Unsafe` for what production safety forbids, and whatever keeps a part from opening.
    public init(
        configuration: Configuration, logger: Logger, stopsOnSignals: Bool = false,
        suspendsAbsentClients: Bool = false
    ) async throws {
        let hazards = configuration.productionHazards(secrets: try configuration.loadedSecrets())
        guard hazards.isEmpty else { throw Unsafe(hazards: hazards) }
        try configuration.demandListFiles()
        let installation = try await Installation(
            configuration: configuration, for: .serving(demandsFewAbsent: !suspendsAbsentClients))
        let identities = ConfiguredIdentities(
            configuration: configuration, server: installation.server, clock: installation.clock)
        for remark in try await identities.reconcile() {
            logger.warning("\(remark.text)", metadata: ["about": "\(remark.about)"])
        }
        if let remark = configuration.egress.policy.remark {
            logger.notice("addresses of other parties are not judged here", metadata: ["egress": "\(remark)"])
        }
        for remark in configuration.remarks {
            logger.warning("something of the configuration should be known", metadata: ["remark": "\(remark)"])
        }
        let metrics = Metrics()
        metrics.addAudit(installation.recorder)
        metrics.addAudit(installation.timedSink, installation.auditSide)

        // The demo's own FHIR store, unless another server is to be protected.
        let hasSandbox = configuration.isDemo && configuration.fhirServer.upstream.isEmpty
        let sandboxAddress = configuration.listeners.sandbox
        let gateway = try GatewaySide(installation)

        metrics.addRefusals([installation.server.refusals, gateway.enforcer.refusals], installation.auditSide)
        installation.follow(gateway)

        // Listeners.
        let names =
            ["public", "admin"] + (configuration.listeners.tls == nil ? [] : ["tls"]) + (hasSandbox ? ["sandbox"] : [])
            + (configuration.isDemo ? ["demo"] : [])
            + (configuration.listeners.decisionKeyFile == nil ? [] : ["decisions"])
        let board = ListenerBoard(expected: Set(names))
        let credential = LocalCredential(
            address: "http://\(configuration.listeners.admin)", random: installation.random)
        let sides = Sides(
            installation: installation, gateway: gateway, metrics: metrics, board: board, credential: credential,
            hasSandbox: hasSandbox)
        var services: [any Service] = [
            SweepService(server: installation.server, logger: logger),
            RevocationService(server: installation.server, logger: logger),
            CheckpointService(
                side: installation.auditSide, seconds: configuration.audit.checkpointInterval, logger: logger),
            DiskWatchService(forecast: installation.auditSide.forecast, clock: installation.clock),
            RetentionService(side: installation.auditSide, logger: logger),
            installation.refusalSummaries(gateway, logger: logger),
        ]
        services += try FeedServices.make(installation, logger: logger)
        services += installation.members.rosters.map {
            RosterService(roster: $0, note: installation.note, logger: logger)
        }
        if let judge = installation.certificates, judge.demand != .off {
            services.append(
                CertificateStatusService(
                    judge: judge, seconds: configuration.clientCertificates.revocation.checkSeconds,
                    clock: installation.clock, logger: logger))
        }
        if hasSandbox {
            let server = try SandboxServer(
                configuration: SandboxConfiguration(
                    databasePath: "\(configuration.stateDirectory)/sandbox.db", host: sandboxAddress.host,
                    port: sandboxAddress.port), logger: logger)
            try DemoRecords.load(into: server.store)
            services.append(SandboxService(server: server, board: board))
        }
        services.append(CapabilityService(gateway: gateway, logger: logger))
        services.append(ExportJobService(upkeep: ExportJobUpkeep(installation, gateway), logger: logger))
        for listener in try sides.listeners() { services.append(listener.application(board: board, logger: logger)) }
        self.configuration = configuration
        self.installation = installation
        self.gateway = gateway
        self.credential = credential
        self.board = board
        self.logger = logger
        var group = ServiceGroupConfiguration(
            services: services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
            gracefulShutdownSignals: stopsOnSignals ? [.sigint, .sigterm] : [], logger: logger)
        // A client that keeps its connection busy does not keep the server from ending.
        group.maximumGracefulShutdownDuration = .seconds(10)
        self.group = ServiceGroup(configuration: group)
    }

    /// Serves until it is told to stop; then lets go of everything in the opposite order.
    public func run() async throws {
        defer { board.end() }
        try credential.write(stateDirectory: configuration.stateDirectory)
        let result: Result<Void, any Error>
        do {
            try await installation.note(.started)
            try await installation.noteWhatIsInForce()
            try await installation.auditSide.forgetStrayCursors()
            try await reportUnlocatedExports()
            try await group.run()
            result = .success(())
        } catch {
            result = .failure(error)
        }
        LocalCredential.remove(stateDirectory: configuration.stateDirectory)
        gateway.pools.shutDown()
        for pools in gateway.storagePools { pools.shutDown() }
        try await installation.note(.stopped)
        try await installation.close()
        try result.get()
    }

    /// Exports that were asked for when an earlier process ended, and that nobody can reach any more.
    private func reportUnlocatedExports() async throws {
        let count = try await ExportJobUpkeep(installation, gateway).reportUnlocated()
        guard count > 0 else { return }
        logger.warning(
            "exports were being started when the server ended before; they may run at the protected server",
            metadata: ["exports": "\(count)"])
    }

    /// The ports by listener (`public`, `admin`, `sandbox`, `demo`) as soon as all are up; nil when it ended before.
    public func ports() async -> [String: Int]? { await board.allUp() }

    /// Asks `run` to end.
    public func shutDown() async { await group.triggerGracefulShutdown() }
}
