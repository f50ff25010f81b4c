internal import Audit
internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird
internal import OAuthCore

/// The FHIR base of audit events, `/audit/fhir`: search, read, the one version and the history of each, and what it can do.
/// Nothing can be written there.
extension AdminRoutes {
    /// The largest search.
    private static let searchLimit = 64 << 10

    func addAuditEvents(to router: Router<SideContext>) {
        router.get("/audit/fhir/**") { request, context in
            try await guarded(request, context, asFHIR: true) { actor in
                try await answer(try Self.parts(of: request)[...], request, context, actor)
            }
        }
        router.post("/audit/fhir/**") { request, context in
            try await guarded(request, context, asFHIR: true) { actor in
                guard try Self.parts(of: request) == ["AuditEvent", "_search"] else { throw Self.notWritten }
                let terms = [request.uri.query, try await form(of: request)].compactMap(\.self).filter { !$0.isEmpty }
                return try await search(terms.joined(separator: "&"), request, context, actor)
            }
        }
        for method in [HTTPRequest.Method.put, .patch, .delete] {
            router.on("/audit/fhir/**", method: method) { request, context in
                try await guarded(request, context, asFHIR: true) { _ in throw Self.notWritten }
            }
        }
    }

    private static let notWritten = Problem(
        405, "AuditEvents are read and searched here, and written by nobody", issue: "not-supported")

    private static let json = "application/fhir+json"

    private func answer(
        _ parts: ArraySlice<String>, _ request: Request, _ context: SideContext, _ actor: AdminActor
    ) async throws -> Response {
        if parts == ["metadata"] { return Answers.json(auditEvents.capabilities, type: Self.json) }
        guard parts.first == "AuditEvent" else {
            throw Problem(404, "nothing stands here", detail: "AuditEvents are found by search")
        }
        let rest = Array(parts.dropFirst())
        switch (rest.count, rest.dropFirst().first) {
        case (0, _): return try await search(request.uri.query ?? "", request, context, actor)
        case (1, _) where rest[0] == "_history":
            throw Problem(
                400, "there is no history of all AuditEvents", detail: "`_sort=date` gives them in order",
                issue: "not-supported")
        case (1, _): return try await read(rest[0], .read, request, context, actor)
        case (2, "_history"): return try await read(rest[0], .history, request, context, actor)
        case (3, "_history"): return try await read(rest[0], .version(rest[2]), request, context, actor)
        default: throw Problem(404, "nothing stands here", detail: "AuditEvents are found by search")
        }
    }

    private func search(_ terms: String, _ request: Request, _ context: SideContext, _ actor: AdminActor) async throws
        -> Response
    {
        // A search may name a parameter twice, as a span of dates does; the search itself reads the raw query.
        let asked = try adminRequest(.get, ["AuditEvent"], request, context, actor, body: nil, repetition: .noted)
        try AuditEventAnswers.checkAccepted(request.headers[.accept], query: terms)
        return Answers.json(try await auditEvents.search(terms, asked), type: Self.json)
    }

    private func read(
        _ id: String, _ question: AuditEventAnswers.Question, _ request: Request, _ context: SideContext,
        _ actor: AdminActor
    ) async throws -> Response {
        let asked = try adminRequest(.get, ["AuditEvent", id], request, context, actor, body: nil)
        try AuditEventAnswers.checkAccepted(request.headers[.accept], query: request.uri.query)
        let (resource, recordedAt) = try await auditEvents.read(id, question, asked)
        var response = Answers.json(resource, type: Self.json)
        guard question != .history else { return response }
        response.headers[.eTag] = "W/\"\(AuditEventResource.version)\""
        response.headers[.lastModified] = Timestamp.httpDate(milliseconds: recordedAt)
        return response
    }

    /// The parts of the path below `/audit/fhir`.
    private static func parts(of request: Request) throws -> [String] {
        try request.uri.path.split(separator: "/").dropFirst(2).map { part in
            guard let text = PathText.decode(part) else { throw Problem(400, "the address is not decodable") }
            return text
        }
    }

    /// The terms of a search that was posted (FHIR R4 http.html#search).
    private func form(of request: Request) async throws -> String {
        let type = request.headers[.contentType]?.split(separator: ";").first ?? ""
        guard type.lowercased() == "application/x-www-form-urlencoded" else {
            throw Problem(415, "the body must be application/x-www-form-urlencoded")
        }
        guard let bytes = try await request.wholeBody(upTo: Self.searchLimit) else {
            throw Problem(413, "the body is too large")
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
