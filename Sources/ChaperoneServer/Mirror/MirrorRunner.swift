internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
public import Logging
internal import NIOCore
internal import OAuthCore
internal import ServiceLifecycle
internal import UnixSignals

#if canImport(Glibc)
    internal import Glibc
#endif

/// Listens for the copies of requests that a proxy sends, answers each with 204 and nothing, and writes the report.
public struct MirrorRunner: Sendable {
    private let site: MirrorSite
    private let address: ListenAddress
    private let report: MirrorReport
    private let logger: Logger

    /// The largest copied body that is looked at.
    private static let bodyLimit = 4 << 20

    public init(site: MirrorSite, address: ListenAddress, report: MirrorReport, logger: Logger) {
        self.site = site
        self.address = address
        self.report = report
        self.logger = logger
    }

    /// Serves until the process is told to stop; the report is written every minute and at the end.
    public func run() async throws {
        let board = ListenerBoard(expected: ["mirror"])
        let application = Application(
            responder: CallbackResponder<SideContext> { [site] request, _ in
                let body = try await request.wholeBody(upTo: Self.bodyLimit) ?? []
                let target = request.uri.string
                let headers = request.headers.map { (name: $0.name.canonicalName, value: $0.value) }
                await site.see(
                    request.method.rawValue, target, headers: headers, body: body, at: Clock.system.milliseconds())
                return Response(status: .noContent)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port), serverName: nil),
            onServerRunning: { channel in board.up("mirror", port: channel.localAddress?.port ?? 0) },
            logger: logger)
        let group = ServiceGroup(
            services: [application, MirrorReporter(site: site, report: report, logger: logger)],
            gracefulShutdownSignals: [.sigint, .sigterm], logger: logger)
        let host = address.host
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                guard let ports = await board.allUp() else { return }
                print("mirror  http://\(host):\(ports["mirror"] ?? 0)  (answers 204 to everything)")
                fflush(nil)
            }
            tasks.addTask {
                defer { board.end() }
                try await group.run()
            }
            try await tasks.waitForAll()
        }
        try report.write(site.report)
    }
}

/// Writes the report again and again.
private struct MirrorReporter: Service {
    let site: MirrorSite
    let report: MirrorReport
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(60)) } catch { return }
                do { try report.write(site.report) } catch {
                    logger.error("the report could not be written", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}

/// The folder in which the report stands, as `mirror.html` and `mirror.json`, readable by its owner only.
public struct MirrorReport: Sendable {
    let directory: String

    public init(directory: String) throws {
        try PrivateFile.makeDirectory(directory)
        self.directory = directory
    }

    /// Writes both files anew.
    public func write(_ ledger: MirrorLedger) throws {
        let now = Clock.system.milliseconds()
        try PrivateFile.write(Array(ledger.html(at: now).utf8), to: "\(directory)/mirror.html")
        try PrivateFile.write(ledger.json(at: now).serialized, to: "\(directory)/mirror.json")
    }
}
