internal import AsyncHTTPClient
internal import ChaperoneServer
internal import FHIRCore
internal import NIOCore
internal import NIOHTTP1
internal import OAuthCore

/// The way of a command to the admin side: the running server, by its local credential; else the installation itself.
///
/// The second way is taken only when no server holds the installation, so that what a command changes is always what
/// the server sees (decision 36).
enum AdminConnection {
    case server(LocalCredential)
    case installation(Installation)

    /// Finds the way for a configuration.
    static func open(_ configuration: Configuration) async throws -> AdminConnection {
        let credential: LocalCredential?
        do { credential = try LocalCredential(stateDirectory: configuration.stateDirectory) } catch {
            throw CommandFailure("\(error)")
        }
        if let credential, await answers(credential) { return .server(credential) }
        do {
            return .installation(try await Installation(configuration: configuration))
        } catch let held as Installation.Held {
            throw CommandFailure("\(held), but its admin side does not answer", code: .conflict)
        }
    }

    private static func answers(_ credential: LocalCredential) async -> Bool {
        do {
            let request = HTTPClientRequest(url: credential.address + "/health")
            _ = try await HTTPClient.shared.execute(request, timeout: .seconds(5))
            return true
        } catch {
            // A credential that a killed server left behind leads nowhere; then the lock decides.
            return false
        }
    }

    /// One call; a problem becomes the command's failure with its exit code.
    func call(
        _ method: AdminRequest.Method, _ path: [String], query: [String: String] = [:], body: JSONValue? = nil
    ) async throws -> JSONValue {
        switch self {
        case .server(let credential): return try await ask(credential, method, path, query, body)
        case .installation(let installation):
            let request = AdminRequest(
                method, path, query: query, body: body, actor: .local, sourceAddress: "local")
            let api = path.first == "explain" ? try installation.explainingAdminAPI() : installation.adminAPI
            do { return try await api.answer(request) } catch { throw Self.failure(error) }
        }
    }

    /// Lets go.
    func close() async throws {
        if case .installation(let installation) = self { try await installation.close() }
    }

    private func ask(
        _ credential: LocalCredential, _ method: AdminRequest.Method, _ path: [String], _ query: [String: String],
        _ body: JSONValue?
    ) async throws -> JSONValue {
        var url = credential.address + "/admin/v1/" + path.map(FormParameters.encode).joined(separator: "/")
        let pairs = query.sorted { $0.key < $1.key }.map {
            "\(FormParameters.encode($0.key))=\(FormParameters.encode($0.value))"
        }
        if !pairs.isEmpty { url += "?" + pairs.joined(separator: "&") }
        var request = HTTPClientRequest(url: url)
        request.method = HTTPMethod(rawValue: method.rawValue)
        request.headers.add(name: "authorization", value: "Bearer \(credential.token)")
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.serialized))
        }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        let bytes = Array(buffer: try await response.body.collect(upTo: 64 << 20))
        guard let value = try? JSONValue(parsing: bytes, limits: Self.limits) else {
            throw CommandFailure("the server answered \(response.status.code) with something that is not JSON")
        }
        guard response.status.code < 300 else {
            throw Self.failure(
                Problem(
                    Int(response.status.code), value["title"]?.string ?? "failed", detail: value["detail"]?.string))
        }
        return value
    }

    private static var limits: JSONLimits {
        var limits = JSONLimits.default
        limits.maxBytes = 64 << 20
        return limits
    }

    private static func failure(_ problem: Problem) -> CommandFailure {
        let reason = problem.detail ?? problem.cause
        let message = reason.map { "\(problem.title): \($0)" } ?? problem.title
        switch problem.status {
        case 400: return CommandFailure(message, code: .usage)
        case 401, 403: return CommandFailure(message, code: .refused)
        case 409: return CommandFailure(message, code: .conflict)
        default: return CommandFailure(message)
        }
    }
}

extension ConfigurationOptions {
    /// Does something on the admin side and lets go of it, however that ends.
    ///
    /// The configuration is only needed to find the installation, so commands work beside a demo without `--demo`; nobody
    /// who stands in it is written from here.
    func withAdmin<Value>(_ work: (AdminConnection) async throws -> Value) async throws -> Value {
        let connection = try await AdminConnection.open(try load(assumingDemo: path == nil))
        do {
            let value = try await work(connection)
            try await connection.close()
            return value
        } catch {
            try await connection.close()
            throw error
        }
    }
}
