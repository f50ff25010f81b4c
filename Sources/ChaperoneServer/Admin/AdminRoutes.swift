internal import Authorization
internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import OAuthCore

/// The admin listener: REST API, search of audit events, health and metrics. Nothing of it is on the public listener.
struct AdminRoutes: Sendable {
    let api: AdminAPI
    let auditEvents: AuditEventAnswers
    let console: AuditConsole
    let authenticator: AdminAuthenticator
    let metrics: Metrics
    let health: @Sendable () async -> HealthReport

    /// The largest body: a Bundle that is shown to be explained.
    private static let bodyLimit = 4 << 20

    func add(to router: Router<SideContext>) {
        router.get("/health") { _, _ in
            let report = await health()
            return Answers.json(report.json, status: report.isReady ? .ok : .serviceUnavailable)
        }
        router.get("/metrics") { request, context in
            try await guarded(request, context) { actor in
                guard !actor.roles.isDisjoint(with: [.admin, .auditor]) else { throw Problem.forbidden }
                return Answers.text(metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
            }
        }
        router.get("/admin/v1/**") { request, context in try await call(.get, request, context) }
        router.post("/admin/v1/**") { request, context in try await call(.post, request, context) }
        router.get("/console/audit") { request, context in
            try await guarded(request, context) { actor in
                try await console.page(
                    try adminRequest(.get, ["console", "audit"], request, context, actor, body: nil))
            }
        }
        router.get("/console") { _, _ in Response.redirect(to: "/console/audit", type: .normal) }
        StaticRoutes.console.add(to: router)
        addAuditEvents(to: router)
    }

    private func call(_ method: AdminRequest.Method, _ request: Request, _ context: SideContext) async throws
        -> Response
    {
        try await guarded(request, context) { actor in
            let parts = try request.uri.path.split(separator: "/").dropFirst(2).map { part in
                guard let text = PathText.decode(part) else { throw Problem(400, "the address is not decodable") }
                return text
            }
            let body = try await json(of: request)
            let asked = try adminRequest(method, Array(parts), request, context, actor, body: body)
            return Answers.json(try await api.answer(asked))
        }
    }

    /// Authenticates, then does the work; every failure becomes a problem document, or an OperationOutcome on the FHIR
    /// side.
    func guarded(
        _ request: Request, _ context: SideContext, asFHIR: Bool = false,
        _ work: (AdminActor) async throws -> Response
    ) async throws -> Response {
        do {
            // A browser page of another site must not drive this listener, whatever credentials the browser remembers.
            // Nothing here has a reason to come from a page without an origin, such as a sandboxed frame.
            guard !request.isFromAnotherSite, !request.hasOpaqueOrigin else { throw Problem.forbidden }
            return try await work(
                try await authenticator.actor(
                    request.headers[.authorization], from: context.origin(of: request)))
        } catch {
            let problem = error as? Problem ?? .failed(error)
            if let cause = problem.cause {
                context.logger.error("an admin request failed", metadata: ["error": "\(cause)"])
            }
            return answer(problem, asFHIR: asFHIR)
        }
    }

    private func answer(_ problem: Problem, asFHIR: Bool) -> Response {
        let status = HTTPResponse.Status(code: problem.status)
        var response: Response
        if asFHIR {
            let outcome = OperationOutcome.json(
                severity: "error", code: problem.issue ?? Self.issueCode(problem.status),
                diagnostics: problem.detail.map { "\(problem.title): \($0)" } ?? problem.title)
            response = Answers.bytes(outcome, "application/fhir+json", status: status)
        } else {
            response = Answers.json(problem.json, status: status, type: "application/problem+json")
        }
        if problem.status == 401 {
            response.headers[.wwwAuthenticate] = authenticator.challenge
        }
        return response
    }

    private static func issueCode(_ status: Int) -> String {
        switch status {
        case 401: "login"
        case 403: "forbidden"
        case 404: "not-found"
        case 400...499: "invalid"
        default: "exception"
        }
    }

    private func json(of request: Request) async throws -> JSONValue? {
        guard request.method == .post else { return nil }
        guard let bytes = try await request.wholeBody(upTo: Self.bodyLimit) else {
            throw Problem(413, "the body is too large")
        }
        // Also without a body: what a browser's form sends names one of its own types.
        guard request.hasJSONBody || (bytes.isEmpty && request.headers[.contentType] == nil) else {
            throw Problem(415, "the body must be application/json")
        }
        if bytes.isEmpty { return nil }
        do { return try JSONValue(parsing: bytes) } catch {
            throw Problem(400, "the body is not JSON", detail: "at byte \(error.offset)")
        }
    }

    func adminRequest(
        _ method: AdminRequest.Method, _ path: [String], _ request: Request, _ context: SideContext,
        _ actor: AdminActor, body: JSONValue?, repetition: FormParameters.Repetition = .refused
    ) throws -> AdminRequest {
        let form: FormParameters
        do { form = try FormParameters(parsing: request.uri.query ?? "", repetition: repetition) } catch {
            throw Problem(400, "the parameters cannot be read")
        }
        var query: [String: String] = [:]
        for name in form.names { query[name] = form[name] }
        return AdminRequest(
            method, path, query: query, body: body, actor: actor, sourceAddress: context.peerAddress,
            traceID: context.origin(of: request).traceID)
    }
}

/// Whether the parts of the server are in order.
struct HealthReport: Sendable {
    /// A part's name and what is wrong with it; nil when nothing is.
    let parts: [(name: String, problem: String?)]
    /// What is in order and yet should be known.
    var remarks: [String] = []

    var isReady: Bool { parts.allSatisfy { $0.problem == nil } }

    var json: JSONValue {
        .object([
            .init("status", .string(isReady ? "ready" : "not-ready")),
            .init("parts", .object(parts.map { .init($0.name, .string($0.problem ?? "ok")) })),
            .init("remarks", .array(remarks.map { .string($0) })),
        ])
    }
}
