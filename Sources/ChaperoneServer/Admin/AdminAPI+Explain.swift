internal import Authorization
internal import Enforcement
internal import FHIRCore

extension AdminAPI {
    /// `POST /admin/v1/explain`: what the enforcer would do with a request, and why.
    ///
    /// The body has `request` (`GET /fhir/Observation?patient=a`) and, where wanted, `token`, `headers`, `body` and
    /// `resource`, which is judged as a part of the answer. Nothing is asked of the protected server.
    func explain(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .security, .auditor], request)
        try allow([], request)
        guard let explainer else { throw Problem(409, "there is no enforcer here to ask") }
        guard let members = request.body?.object else { throw Problem(400, "the body must be an object") }
        let known: Set<String> = ["request", "token", "headers", "body", "resource"]
        if let other = members.first(where: { !known.contains($0.name) }) {
            throw Problem(400, "unknown member", detail: "`\(other.name)` has no meaning here")
        }
        guard let line = request.body?["request"]?.string else { throw Problem(400, "`request` is missing") }
        let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { throw Problem(400, "`request` is written `METHOD /path?query`") }
        var described = RequestExplainer.Described(method: parts[0], target: parts[1])
        for member in request.body?["headers"]?.object ?? [] {
            guard let value = member.value.string else { throw Problem(400, "a header is not a text") }
            described.headers.append((member.name, value))
        }
        if let token = request.body?["token"]?.string { described.headers.append(("authorization", "Bearer \(token)")) }
        if let body = request.body?["body"] {
            described.body = body.serialized
            if !described.headers.contains(where: { $0.name.lowercased() == "content-type" }) {
                described.headers.append(("content-type", "application/fhir+json"))
            }
        }
        if let resource = request.body?["resource"] { described.shown = try Self.view(resource) }
        return try await explainer.explain(described).json
    }

    private static func view(_ resource: JSONValue) throws -> ResourceView {
        do {
            return try ResourceView(try JSONDocument(resource.serialized).root)
        } catch {
            throw Problem(400, "`resource` is not a resource of FHIR R4")
        }
    }
}
