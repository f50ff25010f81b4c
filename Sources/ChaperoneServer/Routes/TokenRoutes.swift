internal import Authorization
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import OAuthCore

/// The endpoints that clients call themselves: token and revocation. They look at no cookie, so any origin may call.
struct TokenRoutes: Sendable {
    let token: TokenEndpoint
    let revocation: RevocationEndpoint
    let issuer: String
    let metrics: Metrics

    private static let formLimit = 64 << 10

    func add(to router: Router<SideContext>) {
        router.post("/oauth/token") { request, context in
            try await form(of: request) { form, header in
                let answer = await token.answer(
                    form, authorization: header, from: context.origin(of: request))
                return respond(answer, context)
            }
        }
        router.post("/oauth/revoke") { request, context in
            try await form(of: request) { form, header in
                let answer = await revocation.answer(
                    form, authorization: header, from: context.origin(of: request))
                switch answer {
                case .done: return Self.finished(Response(status: .ok))
                case .refused(let error): return refusal(error, context)
                case .tooManyRequests(let seconds): return Self.tooMany(seconds)
                }
            }
        }
        for path in ["/oauth/token", "/oauth/revoke"] {
            let route = RouterPath(path)
            router.on(route, method: .options) { _, _ in CrossOrigin.endpoints.preflight }
            router.refuseOthers(on: path, than: .post)
        }
    }

    private func respond(_ answer: TokenAnswer, _ context: SideContext) -> Response {
        switch answer {
        case .issued(let response):
            metrics.count(Metrics.tokens, "issued")
            return Self.finished(Answers.bytes(response.json, "application/json"))
        case .refused(let error):
            metrics.count(Metrics.tokens, error.code.rawValue)
            return refusal(error, context)
        case .tooManyRequests(let seconds):
            metrics.count(Metrics.tokens, "too_many_requests")
            return Self.tooMany(seconds)
        }
    }

    private static func tooMany(_ seconds: Int64) -> Response {
        var response = Answers.bytes(
            OAuthError(.temporarilyUnavailable, "too many attempts").json, "application/json",
            status: .tooManyRequests)
        response.headers[.retryAfter] = "\(seconds)"
        return finished(response)
    }

    private func refusal(_ error: OAuthError, _ context: SideContext) -> Response {
        context.logger.info(
            "a client was refused", metadata: ["error": "\(error.code.rawValue)", "detail": "\(error.detail)"])
        var response = Answers.bytes(
            error.json, "application/json", status: HTTPResponse.Status(code: error.status))
        // RFC 6749 §5.2: a client that tried the Authorization header gets a challenge; the table knows which errors.
        if let challenge = error.challenge(realm: issuer) { response.headers[.wwwAuthenticate] = challenge }
        return Self.finished(response)
    }

    /// RFC 6749 §5.1: never cached; and readable by scripts of any origin.
    private static func finished(_ response: Response) -> Response {
        var response = response
        response.headers[.cacheControl] = "no-store"
        if let pragma = HTTPField.Name("Pragma") { response.headers[pragma] = "no-cache" }
        CrossOrigin.endpoints.apply(to: &response.headers)
        return response
    }

    private func form(
        of request: Request, _ work: (FormParameters, String?) async throws -> Response
    ) async throws -> Response {
        // RFC 6749 §3.2, RFC 9700 §4.3.2: parameters in the address would stand in every log.
        guard request.uri.query == nil else {
            return Self.error(OAuthError(.invalidRequest, "parameters belong in the body"), .badRequest)
        }
        guard request.hasFormBody else {
            return Self.error(
                OAuthError(.invalidRequest, "the body must be application/x-www-form-urlencoded"),
                .unsupportedMediaType)
        }
        guard let body = try await request.wholeBody(upTo: Self.formLimit) else {
            return Self.error(OAuthError(.invalidRequest, "the form is too large"), .contentTooLarge)
        }
        let headers = request.headers[values: .authorization]
        guard headers.count <= 1 else {
            return Self.error(OAuthError(.invalidRequest, "more than one Authorization header"), .badRequest)
        }
        let form: FormParameters
        do { form = try FormParameters(parsing: body, repetition: .refused) } catch {
            return Self.error(error, .badRequest)
        }
        return try await work(form, headers.first)
    }

    private static func error(_ error: OAuthError, _ status: HTTPResponse.Status) -> Response {
        finished(Answers.bytes(error.json, "application/json", status: status))
    }
}
