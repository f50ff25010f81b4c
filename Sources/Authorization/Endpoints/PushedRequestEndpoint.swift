internal import AccessPolicy
internal import Audit
internal import FHIRCore
public import OAuthCore

/// What a client gets for a request that it pushed.
public enum PushedRequestAnswer: Sendable {
    /// 201: the JSON with `request_uri` and `expires_in`.
    case kept([UInt8])
    case refused(OAuthError)
    case tooManyRequests(retryAfter: Int64)
}

/// Where clients leave an authorization request before the browser comes (RFC 9126).
public struct PushedRequestEndpoint: Sendable {
    static let prefix = "urn:ietf:params:oauth:request_uri:"
    /// The parameters that prove who the client is and are no part of the request.
    private static let credentials: Set<String> = ["client_secret", "client_assertion", "client_assertion_type"]

    /// The longest request that is kept, in bytes.
    private static let longestRequest = 16_384

    let parts: ServerParts
    let authenticator: ClientAuthenticator
    let authorization: AuthorizationEndpoint

    /// Checks a request as the authorization endpoint would, and keeps it.
    public func answer(
        _ form: FormParameters, authorization header: String?, from source: RequestSource
    ) async -> PushedRequestAnswer {
        let maker = parts.records(for: source)
        do {
            let client = try await authenticator.authenticate(form, authorization: header, from: source)
            // RFC 9126 §2.1: a pushed request cannot point to another.
            guard form["request_uri"] == nil else { throw OAuthError(.invalidRequest, "request_uri cannot be pushed") }
            var pairs = form.names.filter { !Self.credentials.contains($0) }.sorted().compactMap { name in
                form[name].map { (name, $0) }
            }
            if form["client_id"] == nil { pairs.append(("client_id", client.id.text)) }
            let text = pairs.map { "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))" }
                .joined(separator: "&")
            guard text.utf8.count <= Self.longestRequest else {
                throw OAuthError(.invalidRequest, "the request is too long to be pushed")
            }
            let now = parts.clock.now()
            // Each is a row, as a launch that is begun is one; and its check costs as much.
            guard parts.budget.mayBegin(from: source.address, at: now) else {
                parts.budget.refusals.count("throttled", from: maker.source.address, at: parts.clock.milliseconds())
                return .tooManyRequests(retryAfter: 1)
            }
            try authorization.check(try FormParameters(parsing: text.utf8, repetition: .noted), from: client)
            let handle = parts.random.secret()
            try await parts.stores.pushedRequests.insert(
                PushedRequest(
                    hash: handle.hash, clientID: client.id, form: text,
                    expiresAt: now + parts.configuration.pushedRequestLifetime))
            let body: JSONValue = [
                "request_uri": .string(Self.prefix + handle.reveal()),
                "expires_in": .int(parts.configuration.pushedRequestLifetime),
            ]
            return .kept(body.serialized)
        } catch let guesses as TooManyGuesses {
            parts.budget.refusals.count("throttled", from: maker.source.address, at: parts.clock.milliseconds())
            return .tooManyRequests(retryAfter: guesses.retryAfter)
        } catch let error as OAuthError {
            guard
                let record = parts.refusal(.authorizationRefused, error.code.rawValue, detail: error.detail, maker)
            else { return .tooManyRequests(retryAfter: 1) }
            do { try await parts.audit.note(record) } catch {
                return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
            }
            return .refused(error)
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
    }
}
