internal import AccessPolicy
internal import Audit
public import OAuthCore

/// What a client gets from the token endpoint.
public enum TokenAnswer: Sendable {
    /// 200, never cached.
    case issued(TokenResponse)
    /// The error's own status, JSON and, for `invalid_client`, a challenge.
    case refused(OAuthError)
    /// 429 after too many unknown codes, tokens or secrets from one source.
    case tooManyRequests(retryAfter: Int64)
}

/// Where codes, refresh tokens and assertions become access tokens.
///
/// The checks have one order for every grant type. Each is made only when those before it hold, so that a replay is seen
/// as one whatever else is wrong with the request, and nobody can end what belongs to another client:
///
///  1. form: transport, method, type, size, nothing twice (`TokenRoutes`)
///  2. the client proves itself, and is active (`ClientAuthenticator`)
///  3. the request is one, of a grant type that the client may use
///  4. the audit log can be written: who is not told what became of its token would lose it
///  5. the code or refresh token is known, by its hash
///  6. it is the client's own
///  7. it was not used or replaced before; if it was, the grant ends
///  8. it is not over
///  9. `redirect_uri` and code verifier
/// 10. the proof of a key or the certificate to which it is bound, or is to be
/// 11. the grant is alive, and so is the person
/// 12. the scopes are a part of what was granted; `resource` is the grant's FHIR server
/// 13. one conditional write, with its audit row, makes this caller the one who wins
/// 14. the tokens, the record in the log, the answer
///
/// 5 to 13 are the grant handlers'.
public struct TokenEndpoint: Sendable {
    let parts: ServerParts
    let authenticator: ClientAuthenticator
    let issuer: TokenIssuer

    /// Answers a token request in fixed phases, so that no grant type can leave one out.
    ///
    /// `proofs` are the values of every `DPoP` header.
    public func answer(
        _ form: FormParameters, authorization header: String?, proofs: [String] = [], from source: RequestSource
    ) async -> TokenAnswer {
        let maker = parts.records(for: source)
        var client: ClientID?
        do {
            // 2.
            let registration = try await authenticator.authenticate(form, authorization: header, from: source)
            client = registration.id
            // 3.
            let request = try TokenRequest(parsing: form)
            guard registration.metadata.grantTypes.contains(request.grantType) else {
                throw OAuthError(.unauthorizedClient)
            }
            // 4.
            try await parts.audit.flush()
            // 5 to 13.
            let call = AuthenticatedCall(
                client: registration, request: request, resource: { () throws(OAuthError) in try resource(of: form) },
                provenKey: { try await parts.proofKey(proofs, postedTo: parts.configuration.tokenEndpoint) },
                certificates: parts.certificates, maker: maker, now: parts.clock.now())
            let issue = try await handler(for: request.grantType).authorize(call)
            // 14.
            let response = try await issuer.response(for: issue, at: call.now)
            try await parts.audit.flush()
            // From now on the client may have it, and whoever brings the token before it is late.
            if let family = issue.rotated, let token = issue.refreshToken {
                try await parts.stores.refreshTokens.deliver(family, token.hash, at: parts.clock.now())
            }
            return .issued(response)
        } catch {
            return await refusal(error, client, maker)
        }
    }

    /// The nonce for the next proof, to be sent with every answer (RFC 9449 §8.2); nil where none is demanded.
    public var nextProofNonce: String? { parts.nextProofNonce }

    /// RFC 8707 §2.2: the FHIR base for which the token is wanted.
    private func resource(of form: FormParameters) throws(OAuthError) -> String? {
        guard let named = form["resource"] else { return nil }
        guard let base = parts.configuration.fhirBase(named: named) else {
            throw OAuthError(.invalidTarget, detail: "resource is not a FHIR base of ours")
        }
        return base
    }

    private func handler(for type: GrantType) -> any GrantHandler {
        switch type {
        case .authorizationCode: AuthorizationCodeGrant(parts: parts)
        case .refreshToken: RefreshTokenGrant(parts: parts)
        case .clientCredentials: ClientCredentialsGrant(parts: parts)
        }
    }

    /// The failure as the client may know it. Guesses are counted, and refusals are recorded before they are told. That
    /// a store or the audit log failed is told without a record: it is the record that there is no place for.
    private func refusal(_ error: any Error, _ client: ClientID?, _ maker: RecordMaker) async -> TokenAnswer {
        do {
            switch error {
            case let unknown as UnknownArtefact:
                let now = parts.clock.now()
                let key = ThrottleKey.guessSource(maker.source.address)
                switch try await parts.attempts.count(
                    [key: parts.configuration.guessThrottle], client: client, at: now, maker)
                {
                case .counted(let attempt): try await parts.attempts.failed(attempt, maker)
                case .closed(let until):
                    parts.budget.refusals.count("throttled", from: maker.source.address, at: parts.clock.milliseconds())
                    return .tooManyRequests(retryAfter: max(until - now, 1))
                }
                return try await refuse(OAuthError(.invalidGrant, detail: "unknown \(unknown.what)"), client, maker)
            case let guesses as TooManyGuesses:
                parts.budget.refusals.count("throttled", from: maker.source.address, at: parts.clock.milliseconds())
                return .tooManyRequests(retryAfter: guesses.retryAfter)
            case let error as OAuthError:
                return try await refuse(error, client, maker)
            case let error as JOSEError:
                return try await refuse(OAuthError(.serverError, detail: "signing: \(error.detail)"), client, maker)
            // Nothing was given, and the client may try again.
            default: return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
            }
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
    }

    private func refuse(_ error: OAuthError, _ client: ClientID?, _ maker: RecordMaker) async throws -> TokenAnswer {
        guard
            let record = parts.refusal(
                .tokenRefused, error.code.rawValue, client: client, detail: error.detail, maker)
        else { return .tooManyRequests(retryAfter: 1) }
        try await parts.audit.note(record)
        return .refused(error)
    }
}
