internal import AccessPolicy
internal import Audit
public import OAuthCore

/// What a client gets from the revocation endpoint.
public enum RevocationAnswer: Sendable {
    /// 200: the token is worth nothing now, whether or not it was before.
    case done
    case refused(OAuthError)
    /// 429 after too many wrong secrets from one source, or too many refusals altogether.
    case tooManyRequests(retryAfter: Int64)
}

/// Where a client gives tokens back (RFC 7009). A refresh token takes its whole grant along, an access token only
/// itself.
public struct RevocationEndpoint: Sendable {
    let parts: ServerParts
    let authenticator: ClientAuthenticator

    public func answer(
        _ form: FormParameters, authorization header: String?, from source: RequestSource
    ) async -> RevocationAnswer {
        let maker = parts.records(for: source)
        do {
            let client = try await authenticator.authenticate(form, authorization: header, from: source)
            guard let token = form["token"] else { throw OAuthError(.invalidRequest, "token is missing") }
            // RFC 7009 §2.1: the hint only saves time; the two kinds cannot be mistaken for each other.
            if let presented = PresentedRefreshToken(token) {
                try await revoke(presented, of: client, maker)
            } else {
                try await revoke(accessToken: token, of: client, maker)
            }
            return .done
        } catch let guesses as TooManyGuesses {
            parts.budget.refusals.count("throttled", from: maker.source.address, at: parts.clock.milliseconds())
            return .tooManyRequests(retryAfter: guesses.retryAfter)
        } catch let error as OAuthError {
            return await refusal(error, maker)
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
    }

    private func refusal(_ error: OAuthError, _ maker: RecordMaker) async -> RevocationAnswer {
        guard let record = parts.refusal(.revoke, error.code.rawValue, detail: error.detail, maker) else {
            return .tooManyRequests(retryAfter: 1)
        }
        do {
            try await parts.audit.note(record)
            return .refused(error)
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
    }

    private func revoke(
        _ presented: PresentedRefreshToken, of client: ClientRegistration, _ maker: RecordMaker
    ) async throws {
        // RFC 7009 §2.2: an unknown token is no error. Neither is another client's: nothing is told and nothing done.
        guard let family = try await parts.stores.refreshTokens.family(presented.family),
            family.standing(of: presented, at: parts.clock.now(), grace: 0, mint: parts.keys.refreshTokens) != .unknown
        else { return }
        let grant = try await parts.stores.grants.grant(family.grantID)
        guard family.clientID == client.id else {
            return try await noteForeign(grant, of: family.clientID, client, maker)
        }
        _ = try await parts.access.revoke(
            .grant(family.grantID), because: .client, record: maker.record(.revoke, client: client.id, grant: grant))
    }

    private func revoke(
        accessToken: String, of client: ClientRegistration, _ maker: RecordMaker
    ) async throws {
        let claims = try IssuedTokens(parts: parts).claims(of: Secret(accessToken), at: parts.clock.now())
        // What has expired or is not ours is worth nothing already.
        guard let access = claims?.access else { return }
        let grant = try await parts.stores.grants.grant(access.grantID)
        guard access.clientID == client.id else {
            return try await noteForeign(grant, of: access.clientID, client, maker)
        }
        _ = try await parts.access.revoke(
            .token(access.tokenID), because: .client,
            record: maker.record(.revoke, client: client.id, grant: grant, token: access.tokenID))
    }

    /// A client that holds another one's token has it from somewhere (T-15). It is told nothing, so what the budget of
    /// records does not let through is summed up and answered in the same way.
    private func noteForeign(
        _ grant: Grant?, of owner: ClientID, _ client: ClientRegistration, _ maker: RecordMaker
    ) async throws {
        let record = parts.refusal(
            .revoke, "other-client", client: client.id, grant: grant,
            detail: "a token of `\(owner)`, grant "
                + (grant?.id.text ?? "gone"), maker)
        if let record { try await parts.audit.note(record) }
    }
}
