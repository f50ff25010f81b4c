internal import Authorization
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import OAuthCore

/// The endpoints that clients call themselves: token and revocation. They look at no cookie, so any origin may call.
struct TokenRoutes: Sendable {
    let token: TokenEndpoint
    let revocation: RevocationEndpoint
    let introspection: IntrospectionEndpoint
    let pushedRequests: PushedRequestEndpoint
    let userInfo: UserInfoEndpoint
    let issuer: String
    let metrics: Metrics

    private static let formLimit = 64 << 10

    func add(to router: Router<SideContext>) {
        router.post("/oauth/token") { request, context in
            try await form(of: request) { form, header in
                let answer = await token.answer(
                    form, authorization: header, proofs: ProofHeaders(of: request).values,
                    from: context.origin(of: request))
                return Self.telling(token.nextProofNonce, respond(answer, context))
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
        router.post("/oauth/par") { request, context in
            try await form(of: request) { form, header in
                let answer = await pushedRequests.answer(
                    form, authorization: header, proofs: ProofHeaders(of: request).values,
                    from: context.origin(of: request))
                let response =
                    switch answer {
                    case .kept(let body):
                        Self.finished(Answers.bytes(body, "application/json", status: .created))
                    case .refused(let error): refusal(error, context)
                    case .tooManyRequests(let seconds): Self.tooMany(seconds)
                    }
                return Self.telling(pushedRequests.nextProofNonce, response)
            }
        }
        router.post("/oauth/introspect") { request, context in
            try await form(of: request) { form, header in
                let answer = await introspection.answer(
                    form, authorization: header, proofs: ProofHeaders(of: request), from: context.origin(of: request))
                return Self.telling(token.nextProofNonce, respond(answer, context))
            }
        }
        router.get("/oauth/userinfo") { request, context in try await tellUser(request, context) }
        router.post("/oauth/userinfo") { request, context in try await tellUser(request, context) }
        router.on("/oauth/userinfo", method: .options) { _, _ in CrossOrigin(methods: "GET, POST, OPTIONS").preflight }
        router.refuseOthers(on: "/oauth/userinfo", than: .get, .post)
        router.refuseOthers(on: "/oauth/introspect", than: .post)
        for path in ["/oauth/token", "/oauth/revoke", "/oauth/par"] {
            let route = RouterPath(path)
            router.on(route, method: .options) { _, _ in CrossOrigin.endpoints.preflight }
            router.refuseOthers(on: path, than: .post)
        }
    }

    /// The answer with the nonce for the next proof, where one is demanded (RFC 9449 §8.2).
    static func telling(_ nonce: String?, _ response: Response) -> Response {
        guard let name = HTTPField.Name("DPoP-Nonce"), let nonce else { return response }
        var response = response
        response.headers[name] = nonce
        return response
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

    /// Introspection is for servers, so no script of another origin reads it.
    private func respond(_ answer: IntrospectionAnswer, _ context: SideContext) -> Response {
        switch answer {
        case .facts(let facts): return Answers.json(facts)
        case .tooManyRequests(let seconds): return Self.tooMany(seconds)
        case .unauthorized(let error):
            var response = refusal(error, context)
            response.status = .unauthorized
            if let challenge = ProofChallenge(realm: issuer, error: error) {
                response.headers[.wwwAuthenticate] = challenge.headerValue
            }
            return response
        case .forbidden(let error), .refused(let error): return refusal(error, context)
        }
    }

    private func tellUser(_ request: Request, _ context: SideContext) async throws -> Response {
        let headers = request.headers[values: .authorization]
        let hasBody = request.method == .post && request.hasFormBody
        let body = hasBody ? try await request.wholeBody(upTo: Self.formLimit) ?? [] : []
        // RFC 9700 §4.3.2: a token in an address stands in every log.
        guard headers.count <= 1, !Self.namesToken(Array((request.uri.query ?? "").utf8)), !Self.namesToken(body) else {
            return Self.error(
                OAuthError(.invalidRequest, "the access token is sent once, in the Authorization header"), .badRequest)
        }
        let answer = await userInfo.answer(
            PresentedAccessToken(authorizationHeader: headers.first), proofs: ProofHeaders(of: request),
            from: context.origin(of: request))
        return Self.telling(token.nextProofNonce, respond(answer, context))
    }

    private func respond(_ answer: UserInfoAnswer, _ context: SideContext) -> Response {
        switch answer {
        case .claims(let claims): return Self.finished(Answers.json(claims))
        case .unauthorized(let error):
            var response = Self.error(error ?? OAuthError(.invalidToken, "an access token is needed"), .unauthorized)
            response.headers[.wwwAuthenticate] =
                ProofChallenge(realm: issuer, error: error)?.headerValue
                ?? BearerChallenge(realm: issuer, error: error).headerValue
            return response
        case .tooManyRequests(let seconds): return Self.tooMany(seconds)
        case .forbidden(let error), .refused(let error): return refusal(error, context)
        }
    }

    private static func namesToken(_ form: [UInt8]) -> Bool {
        guard !form.isEmpty else { return false }
        // What cannot be read could hold one.
        guard let parameters = try? FormParameters(parsing: form, repetition: .noted) else { return true }
        return parameters.names.contains("access_token") || parameters.repeated.contains("access_token")
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

extension ProofHeaders {
    /// What came with a request.
    init(of request: Request) {
        self.init(
            HTTPField.Name("DPoP").map { request.headers[values: $0] } ?? [], method: request.method.rawValue)
    }
}
