internal import AccessPolicy
internal import Audit
public import FHIRCore
public import OAuthCore

/// What a caller gets from introspection.
public enum IntrospectionAnswer: Sendable {
    /// 200: the facts, or `{"active":false}` and nothing else.
    case facts(JSONValue)
    /// 401 in the scheme that was tried.
    case unauthorized(OAuthError)
    /// 403: a good token without the scope.
    case forbidden(OAuthError)
    case refused(OAuthError)
    case tooManyRequests(retryAfter: Int64)
}

/// Where resource servers ask what a token grants (RFC 7662, SMART 2.2 token-introspection).
///
/// A caller with the scope `__introspect` sees the tokens for the FHIR server that it is itself admitted to. A confidential
/// client without it sees its own. Everybody else's token is `{"active":false}`, like one that never was.
public struct IntrospectionEndpoint: Sendable {
    /// The scope that lets a resource server ask about the tokens of any client (decision 14).
    static let scope = Scope.extension("__introspect")

    let parts: ServerParts
    let authenticator: ClientAuthenticator
    let callers: BearerCallers

    /// Whose tokens a caller may see.
    private enum Reach {
        /// Those for one FHIR base, of every client.
        case base(String)
        /// Those for every FHIR base.
        case everything
        /// The caller's own.
        case own
    }

    /// Answers a question. An access token in `Authorization` stands for the caller; anything else there is client
    /// authentication.
    public func answer(
        _ form: FormParameters, authorization header: String?, proofs: ProofHeaders = ProofHeaders(),
        from source: RequestSource
    ) async -> IntrospectionAnswer {
        let maker = parts.records(for: source)
        let now = parts.clock.now()
        do {
            let (caller, reach): (ClientID, Reach)
            let presented = PresentedAccessToken(authorizationHeader: header)
            switch presented {
            case .none:
                let client = try await authenticator.authenticate(form, authorization: header, from: source)
                // A public client proves nothing, so it is nobody here (RFC 7662 §2.1).
                guard client.isConfidential else { throw OAuthError(.invalidClient, detail: "a public client asks") }
                (caller, reach) = (client.id, client.approvedScopes.contains(Self.scope) ? .everything : .own)
            case .malformed, .bearer, .dpop:
                let access: IssuedAccess
                switch try await callers.access(
                    presented, proofs, at: parts.configuration.introspectionEndpoint, from: source, at: now)
                {
                case .refused(let error): return await refusal(error, maker)
                case .good(let good): access = good
                }
                guard access.grant.subject == nil, access.scopes.contains(Self.scope) else {
                    return await refusal(
                        OAuthError(.insufficientScope, "the token may not introspect others"), by: access, maker)
                }
                (caller, reach) = (access.access.clientID, .base(access.grant.fhirBase))
            }
            guard let token = form["token"] else { throw OAuthError(.invalidRequest, "token is missing") }
            let found = try await facts(of: Secret(token), for: reach, at: now).flatMap { facts in
                Self.reaches(reach, caller, facts) ? facts : nil
            }
            try await parts.audit.note(
                maker.record(
                    .introspect, client: caller, token: found?.tokenID,
                    outcome: found == nil ? .refused(reason: "inactive") : .succeeded,
                    detail: found.map { "of `\($0.grant.clientID)`, grant \($0.grant.id)" }))
            return .facts(found?.json ?? ["active": false])
        } catch let guesses as TooManyGuesses {
            callers.count(maker)
            return .tooManyRequests(retryAfter: guesses.retryAfter)
        } catch let error as OAuthError {
            return await refusal(error, maker)
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
    }

    private func refusal(
        _ error: OAuthError, by caller: IssuedAccess? = nil, _ maker: RecordMaker
    ) async -> IntrospectionAnswer {
        do {
            switch try await callers.refuse(.introspect, error, by: caller, maker) {
            case .tooMany: return .tooManyRequests(retryAfter: 1)
            case .told: break
            }
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
        switch error.code {
        case .invalidClient, .invalidToken, .invalidDPoPProof, .useDPoPNonce: return .unauthorized(error)
        case .insufficientScope: return .forbidden(error)
        default: return .refused(error)
        }
    }

    private static func reaches(_ reach: Reach, _ caller: ClientID, _ facts: Facts) -> Bool {
        switch reach {
        case .everything: true
        case .base(let base): facts.grant.fhirBase == base
        case .own: facts.grant.clientID == caller
        }
    }

    // MARK: - facts

    private struct Facts {
        let grant: Grant
        let tokenID: TokenID?
        let json: JSONValue
    }

    /// The facts of an access or refresh token that is good now; the hint only saves time and is not looked at.
    private func facts(of token: Secret, for reach: Reach, at now: Int64) async throws -> Facts? {
        if let presented = PresentedRefreshToken(token.reveal()) {
            return try await facts(of: presented, for: reach, at: now)
        }
        guard let issued = try await IssuedTokens(parts: parts).access(token, at: now),
            let client = try await parts.stores.clients.client(issued.grant.clientID)
        else { return nil }
        let claims = issued.claims
        let members: [(name: String, value: JSONValue?)] = [
            ("exp", .int(claims.access.expiresAt)), ("iat", .int(claims.access.issuedAt)),
            ("jti", .string(claims.access.tokenID.text)),
            ("token_type", .string(TokenIssuer.type(of: claims.confirmation).rawValue)),
            ("cnf", claims.confirmation.map(\.json)),
        ]
        return Facts(
            grant: issued.grant, tokenID: claims.access.tokenID,
            json: json(of: issued.grant, client, scopes: issued.scopes, for: reach, members))
    }

    private func facts(
        of presented: PresentedRefreshToken, for reach: Reach, at now: Int64
    ) async throws -> Facts? {
        guard let family = try await parts.stores.refreshTokens.family(presented.family),
            family.standing(of: presented, at: now, grace: 0, mint: parts.keys.refreshTokens) == .current,
            let grant = try await parts.stores.grants.grant(family.grantID),
            let client = try await parts.stores.clients.client(grant.clientID), client.status == .active
        else { return nil }
        // By the judgement of the token endpoint: what would be refused there is not active here.
        guard try await parts.obstacle(to: family, of: grant, for: client, at: now) == nil else { return nil }
        let end = min(family.lastUsedAt + family.idleLimit, family.expiresAt ?? .max)
        let scopes = grant.scopes.intersection(client.approvedScopes)
        return Facts(
            grant: grant, tokenID: nil,
            json: json(
                of: grant, client, scopes: scopes, for: reach,
                [
                    ("exp", .int(end)), ("token_type", "refresh_token"),
                    // RFC 9449 §6.2. A confidential client's token is bound to the client by its authentication and to no
                    // key or certificate (RFC 8705 §7.1), so there is nothing to name.
                    ("cnf", family.proofKey.map { TokenConfirmation.proofKey(thumbprint: $0).json }),
                ]))
    }

    /// SMART 2.2 token-introspection: scope and client as they were told, the launch context, and who it is. A resource
    /// server always learns who; the client itself what its scopes tell it, and no more than in its other answers.
    private func json(
        of grant: Grant, _ client: ClientRegistration, scopes: ScopeSet, for reach: Reach,
        _ members: [(name: String, value: JSONValue?)]
    ) -> JSONValue {
        let tellsUser =
            switch reach {
            case .everything, .base: true
            case .own: scopes.tellsUser
            }
        let fhirUser = tellsUser ? grant.launch.fhirUser : nil
        // RFC 9470 §6.2: how the person signed in when they allowed it, which no refresh changes. Resource servers that
        // demand more are told always, the client where it is told of the sign-in at all.
        let tellsSignIn =
            switch reach {
            case .everything, .base: true
            case .own: scopes.contains(.openid)
            }
        let signIn = tellsSignIn && grant.subject != nil ? grant : nil
        let head: [(name: String, value: JSONValue?)] = [
            ("active", true), ("scope", .string(scopes.text)), ("client_id", .string(grant.clientID.text)),
            ("iss", .string(parts.configuration.issuer)),
            ("sub", .string(grant.subject?.text ?? grant.clientID.text)), ("aud", .string(grant.fhirBase)),
            ("fhirUser", fhirUser.map { .string("\(grant.fhirBase)/\($0)") }),
            ("program", .string(grant.program.rawValue)),
            ("acr", signIn?.authentication?.classReference.map { .string($0) }),
            ("auth_time", signIn?.authenticatedAt.map { .int($0) }),
        ]
        return .members(head + members + grant.launch.responseMembers(client.profile.contextForm))
    }
}
