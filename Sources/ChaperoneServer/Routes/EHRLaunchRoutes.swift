internal import Authorization
internal import FHIRCore
internal import HTTPTypes
internal import Hummingbird
internal import OAuthCore

/// Where EHRs make launches, and the style document that goes with them.
struct EHRLaunchRoutes: Sendable {
    let launch: LaunchEndpoint
    let issuer: String
    let metrics: Metrics

    func add(to router: Router<SideContext>) {
        router.post("/launch") { request, context in try await create(request, context) }
        router.refuseOthers(on: "/launch", than: .post)
        router.get(RouterPath(StyleDocument.path)) { _, _ in
            var response = Answers.bytes(
                StyleDocument.content, "application/json", cacheControl: "public, max-age=31536000, immutable")
            CrossOrigin.documents.apply(to: &response.headers)
            return response
        }
        router.refuseOthers(on: StyleDocument.path, than: .get)
    }

    private func create(_ request: Request, _ context: SideContext) async throws -> Response {
        let headers = request.headers[values: .authorization]
        guard headers.count <= 1, request.uri.query == nil else {
            return refusal(OAuthError(.invalidRequest, "the request is ambiguous"), .badRequest)
        }
        guard request.headers[.contentType]?.lowercased().hasPrefix("application/json") == true else {
            return refusal(OAuthError(.invalidRequest, "the body must be application/json"), .unsupportedMediaType)
        }
        guard let body = try await request.wholeBody(upTo: EHRLaunchRequest.maxBytes) else {
            return refusal(OAuthError(.invalidRequest, "the body is too large"), .contentTooLarge)
        }
        guard let document = try? JSONValue(parsing: body) else {
            return refusal(OAuthError(.invalidRequest, "the body is not JSON"), .badRequest)
        }
        let answer = await launch.create(
            document, token: PresentedAccessToken(authorizationHeader: headers.first),
            proofs: ProofHeaders(of: request), from: context.origin(of: request))
        return TokenRoutes.telling(launch.nextProofNonce, respond(answer))
    }

    private func respond(_ answer: LaunchAnswer) -> Response {
        switch answer {
        case .created(let made): return Answers.json(made.json, status: .created)
        case .unauthorized(let error):
            var response = refusal(error ?? OAuthError(.invalidToken, "an access token is needed"), .unauthorized)
            // RFC 6750 §3.1: no error code when no token was sent.
            response.headers[.wwwAuthenticate] =
                ProofChallenge(realm: issuer, error: error)?.headerValue
                ?? BearerChallenge(realm: issuer, error: error).headerValue
            return response
        case .forbidden(let error):
            var response = refusal(error, .forbidden)
            if let challenge = error.challenge(realm: issuer) { response.headers[.wwwAuthenticate] = challenge }
            return response
        case .tooManyRequests(let seconds):
            var response = refusal(OAuthError(.temporarilyUnavailable, "too many attempts"), .tooManyRequests)
            response.headers[.retryAfter] = "\(seconds)"
            return response
        case .refused(let error): return refusal(error, HTTPResponse.Status(code: error.status))
        }
    }

    private func refusal(_ error: OAuthError, _ status: HTTPResponse.Status) -> Response {
        Answers.bytes(error.json, "application/json", status: status)
    }
}
