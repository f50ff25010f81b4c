import AsyncHTTPClient
import ChaperoneServer
import FHIRCore
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import OAuthCore

#if canImport(Glibc)
    import Glibc
#endif

/// The whole demo server in this process, on ports and in a folder of its own.
final class RunningServer: Sendable {
    let issuer: String
    let admin: String
    let demo: String
    let folder: String
    private let ports: [Int]
    let publicPort: Int
    let configuration: Configuration
    let composition: Composition
    private let task: Task<Void, any Error>

    var fhir: String { issuer + "/fhir" }

    private init(
        configuration: Configuration, folder: String, ports: [Int], composition: Composition,
        task: Task<Void, any Error>
    ) {
        self.configuration = configuration
        self.ports = ports
        self.folder = folder
        self.composition = composition
        self.task = task
        issuer = configuration.issuer.text
        publicPort = configuration.listeners.public.port
        admin = "http://127.0.0.1:\(configuration.listeners.admin.port)"
        demo = "http://127.0.0.1:\(configuration.listeners.demo.port)"
    }

    /// Starts a server, does the work with it, and stops it cleanly.
    ///
    /// - Parameters:
    ///   - settings: further lines of the configuration, at its top level.
    ///   - listeners: one more line under `listeners`.
    ///   - awaitsReady: whether to wait until it says that it can be used.
    ///   - scheme: of the issuer; the listener itself speaks plain HTTP.
    static func with<Value>(
        settings: String = "", listeners: String = "", awaitsReady: Bool = true, scheme: String = "http",
        _ work: (RunningServer) async throws -> Value
    ) async throws -> Value {
        let server = try await start(
            settings: settings, listeners: listeners, awaitsReady: awaitsReady, scheme: scheme)
        do {
            let value = try await work(server)
            try await server.stop()
            return value
        } catch {
            try await server.stop()
            throw error
        }
    }

    static func start(
        settings: String = "", listeners: String = "", awaitsReady: Bool = true, scheme: String = "http"
    ) async throws -> RunningServer {
        try await start(
            settings: settings, listeners: listeners, awaitsReady: awaitsReady, scheme: scheme,
            ports: try await freePorts(4), folder: try temporaryFolder())
    }

    /// Ends the server and starts another one in its place, in its folder and on its ports, as an operator does who has
    /// changed the configuration.
    func restarted(settings: String = "", listeners: String = "") async throws -> RunningServer {
        await composition.shutDown()
        try await task.value
        return try await Self.start(
            settings: settings, listeners: listeners, awaitsReady: true,
            scheme: configuration.issuer.isHTTPS ? "https" : "http", ports: ports, folder: folder)
    }

    private static func start(
        settings: String, listeners: String, awaitsReady: Bool, scheme: String, ports: [Int], folder: String
    ) async throws -> RunningServer {
        let yaml = """
            issuer: \(scheme)://localhost:\(ports[0])
            state-directory: \(folder)
            listeners:
              public: {port: \(ports[0])}
              admin: {port: \(ports[1])}
              sandbox: {port: \(ports[2])}
              demo: {port: \(ports[3])}
              \(listeners)
            \(settings)
            """
        let configuration = try Configuration(settings: try Setting(yaml: yaml), isDemo: true)
        var logger = Logger(label: "test")
        logger.logLevel = .error
        let composition = try await Composition(configuration: configuration, logger: logger)
        let task = Task { try await composition.run() }
        guard await composition.ports() != nil else {
            try await task.value
            throw Failure(description: "the server ended before it was up")
        }
        let server = RunningServer(
            configuration: configuration, folder: folder, ports: ports, composition: composition, task: task)
        // The protected server's own statement is read a moment after both are up.
        for _ in 0..<500 where awaitsReady {
            if try await Browser().get("http://localhost:\(ports[0])/health/ready").status == 200 { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        return server
    }

    struct Failure: Error, CustomStringConvertible { let description: String }

    func stop() async throws {
        await composition.shutDown()
        try await task.value
        try StateDirectory.wipe(folder)
        unlink("\(folder)/serve.lock")
        unlink("\(folder)/chaperone.db.lock")
        rmdir(folder)
    }

    /// Distinct ports that nobody listens on now.
    static func freePorts(_ count: Int) async throws -> [Int] {
        var channels: [any Channel] = []
        for _ in 0..<count {
            channels.append(
                try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0)
                    .get())
        }
        let ports = channels.compactMap { $0.localAddress?.port }
        for channel in channels { try await channel.close() }
        return ports
    }

    static func temporaryFolder() throws -> String {
        var template = Array("/tmp/chaperone-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Failure(description: "no temporary folder") }
        return String(cString: made)
    }
}

/// An HTTP answer as the tests look at it.
struct Answer: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
    func json() throws -> JSONValue { try JSONValue(parsing: body) }
    subscript(_ name: String) -> String? { headers.first(name: name) }
}

/// Somebody at a browser: keeps cookies, follows nothing by itself.
actor Browser {
    static let client = HTTPClient(
        eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
        configuration: .init(redirectConfiguration: .disallow))

    private(set) var cookies: [String: String] = [:]

    func get(_ url: String, headers: [(String, String)] = []) async throws -> Answer {
        try await send(.GET, url, headers: headers)
    }

    func post(_ url: String, _ fields: [(String, String)], headers: [(String, String)] = []) async throws -> Answer {
        try await send(
            .POST, url, headers: [("content-type", "application/x-www-form-urlencoded")] + headers,
            body: fields.map { "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))" }.joined(separator: "&"))
    }

    func send(
        _ method: HTTPMethod, _ url: String, headers: [(String, String)] = [], body: String? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: url)
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if !cookies.isEmpty {
            request.headers.add(
                name: "cookie",
                value: cookies.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "; "))
        }
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        let response = try await Self.client.execute(request, timeout: .seconds(60))
        for header in response.headers["set-cookie"] { keep(header) }
        return Answer(
            status: Int(response.status.code), headers: response.headers,
            body: Array(buffer: try await response.body.collect(upTo: 16 << 20)))
    }

    private func keep(_ header: String) {
        let pair = header.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2 else { return }
        cookies[String(pair[0])] = header.contains("Max-Age=0") ? nil : String(pair[1])
    }
}
