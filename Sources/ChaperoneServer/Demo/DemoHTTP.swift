internal import AsyncHTTPClient
internal import FHIRCore
internal import NIOCore
internal import NIOHTTP1
internal import OAuthCore

/// What the demo's own programs, the EHR and the ward's app, need of HTTP: they are clients of the server like any other
/// and speak to it over its listener.
struct DemoHTTP: Sendable {
    /// Somebody did not answer as expected.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The JSON document at an address.
    func json(_ url: String, token: Secret? = nil) async throws -> JSONValue {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "accept", value: "application/fhir+json, application/json")
        if let token { request.headers.add(name: "authorization", value: "Bearer \(token.reveal())") }
        return try await answer(to: request, url)
    }

    /// The answer to a form.
    func post(_ form: [(String, String)], to url: String, basic: String? = nil) async throws -> JSONValue {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
        if let basic { request.headers.add(name: "authorization", value: "Basic \(basic)") }
        let text = form.map { "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))" }.joined(separator: "&")
        request.body = .bytes(ByteBuffer(string: text))
        return try await answer(to: request, url)
    }

    /// The answer to a JSON document.
    func post(_ document: JSONValue, to url: String, token: Secret) async throws -> JSONValue {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.headers.add(name: "authorization", value: "Bearer \(token.reveal())")
        request.body = .bytes(ByteBuffer(bytes: document.serialized))
        return try await answer(to: request, url)
    }

    private func answer(to request: HTTPClientRequest, _ url: String) async throws -> JSONValue {
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
        let body = Array(buffer: try await response.body.collect(upTo: 4 << 20))
        guard let json = try? JSONValue(parsing: body) else {
            throw Failure(description: "\(url) answered \(response.status.code) without JSON")
        }
        guard (200...299).contains(response.status.code) else {
            let reason = [json["error"]?.string, json["error_description"]?.string].compactMap { $0 }
            throw Failure(description: "\(response.status.code) \(reason.joined(separator: ": "))")
        }
        return json
    }
}

/// The words of a resource that the demo's pages show.
enum DemoWords {
    static func name(of patient: JSONValue) -> String {
        let name = patient["name"]?.array?.first
        let given = (name?["given"]?.array ?? []).compactMap(\.string)
        return (given + [name?["family"]?.string].compactMap { $0 }).joined(separator: " ")
    }

    static func kind(of encounter: JSONValue) -> String {
        let type = encounter["type"]?.array?.first
        let kind = type?["text"]?.string ?? type?["coding"]?.array?.first?["display"]?.string ?? "Visit"
        return kind + (encounter["period"]?["start"]?.string.map { ", \($0.prefix(10))" } ?? "")
    }
}
