internal import Dispatch
internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird
public import Logging
internal import NIOCore
internal import Synchronization

/// The sandbox as an HTTP server on a loopback address, with its FHIR base at `/fhir`.
///
/// It checks nobody: whoever reaches it reads and writes everything, which is why it listens nowhere else. A class
/// because a running server has one state that its owner and its callers share.
public final class SandboxServer: Sendable {
    /// The path of the FHIR base.
    public static let basePath = "/fhir"

    /// What the server serves; can be filled while it runs.
    public let store: SandboxStore
    private let configuration: SandboxConfiguration
    private let service: FHIRService
    private let logger: Logger
    private let state = BoundPort()
    /// SQLite blocks, so it is kept off the event loops.
    private let queue = DispatchQueue(label: "sandbox.fhir", attributes: .concurrent)

    /// Opens the store; refuses any host that is not a loopback address.
    public convenience init(configuration: SandboxConfiguration, logger: Logger) throws {
        try self.init(
            configuration: configuration, store: SandboxStore(path: configuration.databasePath), logger: logger)
    }

    /// Serves a store that is open already.
    public init(configuration: SandboxConfiguration, store: SandboxStore, logger: Logger) throws {
        guard Loopback.contains(configuration.host) else {
            throw SandboxFailure(
                status: 500, issueCode: "security",
                diagnostics: "the sandbox is unprotected and listens on loopback only, not on `\(configuration.host)`")
        }
        self.configuration = configuration
        self.store = store
        self.logger = logger
        service = FHIRService(store: store, configuration: configuration)
    }

    /// Serves until the task is cancelled.
    public func run() async throws {
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { [self] request, _ in try await respond(request) },
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), serverName: nil),
            onServerRunning: { [state] channel in state.set(channel.localAddress?.port) },
            logger: logger)
        defer { state.set(nil) }
        try await application.run()
    }

    /// The port that the server listens on, waited for until it does; throws when the server ended before.
    public var boundPort: Int {
        get async throws { try await state.value() }
    }

    // MARK: One request

    private func respond(_ request: Request) async throws -> Response {
        // A page of another site could reach this server by a name of its own that resolves to loopback.
        guard let authority = request.head.authority, Loopback.namesLoopback(authority: authority) else {
            return answer(
                SandboxResponse(
                    SandboxFailure(status: 421, issueCode: "security", diagnostics: "the host is not loopback")),
                to: request)
        }
        let path = request.uri.path
        guard path == Self.basePath || path.hasPrefix(Self.basePath + "/") else {
            return answer(SandboxResponse(.notFound("the FHIR base is \(Self.basePath)")), to: request)
        }
        do {
            let incoming = try await read(request, path: String(path.dropFirst(Self.basePath.count + 1)))
            let base = "http://\(authority)\(Self.basePath)"
            let response = await withCheckedContinuation { continuation in
                queue.async { [service] in continuation.resume(returning: service.respond(incoming, base: base)) }
            }
            if case .lines(let lines) = response.body, request.method != .head {
                return Response(
                    status: HTTPResponse.Status(code: response.status), headers: fields(response),
                    body: stream(lines))
            }
            return answer(response, to: request)
        } catch let failure as SandboxFailure {
            return answer(SandboxResponse(failure), to: request)
        }
    }

    /// The body of an export file, sent as it is read from the store.
    private func stream(_ lines: ExportLines) -> ResponseBody {
        ResponseBody { [queue] writer in
            var place = 0
            while true {
                let start = place
                let batch = try await withCheckedThrowingContinuation { continuation in
                    queue.async { continuation.resume(with: Result { try lines.lines(from: start) }) }
                }
                guard let batch else { break }
                try await writer.write(ByteBuffer(bytes: batch.bytes))
                place = batch.next
            }
            try await writer.finish(nil)
        }
    }

    private func read(_ request: Request, path: String) async throws -> SandboxRequest {
        var incoming = SandboxRequest(method: request.method.rawValue, path: path)
        incoming.query = try QueryString(parsing: request.uri.query ?? "")
        for field in request.headers {
            let name = field.name.canonicalName
            incoming.headers[name] = incoming.headers[name].map { "\($0), \(field.value)" } ?? field.value
        }
        do {
            let body = try await request.body.collect(upTo: configuration.maximumBodyBytes)
            incoming.body = Array(body.readableBytesView)
        } catch is NIOTooManyBytesError {
            throw SandboxFailure(status: 413, issueCode: "too-long", diagnostics: "the body is too large")
        }
        return incoming
    }

    private func answer(_ response: SandboxResponse, to request: Request) -> Response {
        var response = response
        var bytes: [UInt8] = []
        do {
            bytes = try response.body.bytes
        } catch {
            response = SandboxResponse(.exception(error))
            if case .tree(let outcome) = response.body { bytes = outcome.serialized }
        }
        var headers = fields(response)
        let status = HTTPResponse.Status(code: response.status)
        if request.method == .head {
            headers[.contentLength] = String(bytes.count)
            return Response(status: status, headers: headers)
        }
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    private func fields(_ response: SandboxResponse) -> HTTPFields {
        var headers = HTTPFields()
        if let type = response.mediaType ?? response.body.mediaType { headers[.contentType] = type }
        if let etag = response.etag { headers[.eTag] = etag }
        if let time = response.lastModified { headers[.lastModified] = FHIRTime.httpDate(time) }
        if let location = response.location { headers[.location] = location }
        if response.status == 405 { headers[.allow] = "GET, POST, PUT, PATCH, DELETE, HEAD" }
        for (name, value) in response.headers {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        // A Binary is whatever somebody stored: it must not run as a page of this origin.
        headers[.contentSecurityPolicy] = "sandbox"
        headers[.xContentTypeOptions] = "nosniff"
        headers[.cacheControl] = "no-store"
        return headers
    }
}

/// The port of a server that may not listen yet.
private final class BoundPort: Sendable {
    private enum State {
        case waiting([CheckedContinuation<Int, any Error>])
        case listening(Int)
        case ended
    }

    private let state = Mutex(State.waiting([]))

    /// Tells those who wait; `nil` means that the server has ended.
    func set(_ port: Int?) {
        let waiting = state.withLock { state -> [CheckedContinuation<Int, any Error>] in
            defer { state = port.map { .listening($0) } ?? .ended }
            if case .waiting(let waiting) = state { return waiting }
            return []
        }
        for continuation in waiting {
            if let port { continuation.resume(returning: port) } else { continuation.resume(throwing: Ended()) }
        }
    }

    func value() async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            let known = state.withLock { state -> Result<Int, any Error>? in
                switch state {
                case .waiting(let others):
                    state = .waiting(others + [continuation])
                    return nil
                case .listening(let port): return .success(port)
                case .ended: return .failure(Ended())
                }
            }
            if let known { continuation.resume(with: known) }
        }
    }

    struct Ended: Error, CustomStringConvertible {
        let description = "the sandbox ended without listening"
    }
}
