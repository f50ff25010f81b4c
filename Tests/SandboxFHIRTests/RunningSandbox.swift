import FHIRCore
import Foundation
import Logging

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

@testable import SandboxFHIR

/// A sandbox that listens on a free port for the length of a test.
struct RunningSandbox {
    struct Answer {
        let status: Int
        let headers: [String: String]
        let body: [UInt8]

        var json: JSONValue? { try? StoreTransaction.parse(body) }
    }

    let server: SandboxServer
    let port: Int

    /// Runs `body` against a server on port 0 and ends the server.
    static func with(
        _ configuration: SandboxConfiguration = SandboxConfiguration(databasePath: nil, port: 0),
        _ body: (RunningSandbox) async throws -> Void
    ) async throws {
        var logger = Logger(label: "sandbox.test")
        logger.logLevel = .error
        let server = try SandboxServer(configuration: configuration, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let port = try await server.boundPort
            defer { group.cancelAll() }
            try await body(RunningSandbox(server: server, port: port))
        }
    }

    func send(
        _ method: String, _ path: String, headers: [String: String] = [:], body: String? = nil
    ) async throws -> Answer {
        guard let url = URL(string: "http://127.0.0.1:\(port)\(path)") else { throw URLError(.badURL) }
        var request = URLRequest(url: url)
        request.httpMethod = method
        request.cachePolicy = .reloadIgnoringLocalAndRemoteCacheData
        request.httpBody = body.map { Data($0.utf8) }
        if body != nil { request.setValue("application/fhir+json", forHTTPHeaderField: "Content-Type") }
        for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
        let (data, response) = try await URLSession(configuration: .ephemeral).data(for: request)
        guard let response = response as? HTTPURLResponse else { throw URLError(.badServerResponse) }
        var found: [String: String] = [:]
        for (name, value) in response.allHeaderFields { found["\(name)".lowercased()] = "\(value)" }
        return Answer(status: response.statusCode, headers: found, body: Array(data))
    }
}
