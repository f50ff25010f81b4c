internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// The renewal of an access token (RFC 6749 §6, decision 17).
struct RefreshTokenGrant: GrantHandler {
    let parts: ServerParts

    /// The order is fixed: known → owner → reuse → expiry → grant → offline access → person → scope → write.
    func authorize(_ call: AuthenticatedCall) async throws -> Issue {
        guard case .refreshToken(let secret, let asked) = call.request else {
            throw OAuthError(.unsupportedGrantType)
        }
        guard let presented = PresentedRefreshToken(secret.reveal()),
            let family = try await parts.stores.refreshTokens.family(presented.family)
        else { throw UnknownArtefact("refresh token") }
        // The owner is asked first: with somebody else's token nobody can end a family.
        guard family.clientID == call.client.id else { throw invalid("the token belongs to another client") }
        let standing = family.standing(
            of: presented, at: call.now, grace: parts.configuration.refreshGrace, mint: parts.keys.refreshTokens)
        switch standing {
        case .current, .repeated: break
        case .unknown: throw UnknownArtefact("refresh token")
        case .reused: try await endFamily(family, call)
        }
        guard family.isLive(at: call.now) else { throw invalid("the refresh token has expired") }
        guard let grant = try await parts.stores.grants.grant(family.grantID), grant.isAlive(at: call.now) else {
            throw invalid("the grant has ended")
        }
        // What lasts needs lasting consent and lasting approval (decision 17).
        guard grant.scopes.intersection(call.client.approvedScopes).contains(.offlineAccess) else {
            throw invalid("offline access is no longer approved")
        }
        try await parts.demandPerson(of: grant, call)
        let scopes = try ScopePolicy.forRefresh(asked: asked, granted: grant.scopes, client: call.client)
        let tokenID = TokenID(parts.random.identifier())
        let record = call.maker.record(.refresh, grant: grant, token: tokenID, scopes: scopes)
        let successor = try await renew(family, presented, standing, record, call)
        return Issue(
            grant: grant, scopes: scopes, tokenID: tokenID, lifetime: call.client.lifetimes.accessToken,
            refreshToken: successor, givesIDToken: false)
    }

    private func invalid(_ detail: String) -> OAuthError { OAuthError(.invalidGrant, detail: detail) }

    private func endFamily(_ family: RefreshFamily, _ call: AuthenticatedCall) async throws {
        let grant = try await parts.stores.grants.grant(family.grantID)
        _ = try await parts.access.revoke(
            .grant(family.grantID), because: .refreshReuse,
            record: call.maker.record(
                .refreshReplayed, client: family.clientID, grant: grant,
                outcome: .refused(reason: RevocationReason.refreshReuse.rawValue)))
        throw invalid("a replaced refresh token came again; its grant was revoked")
    }

    /// The token that the client keeps from now on. Of parallel callers one moves the family; the others find that it
    /// has moved from their own token and get the same successor.
    private func renew(
        _ family: RefreshFamily, _ presented: PresentedRefreshToken, _ standing: RefreshTokenStanding,
        _ record: AuthorizationRecord, _ call: AuthenticatedCall
    ) async throws -> Secret? {
        guard family.rotates else {
            guard try await parts.stores.refreshTokens.use(family.id, at: call.now, record: record) else {
                throw invalid("the grant has ended")
            }
            return presented.secret
        }
        let successor = parts.keys.refreshTokens.token(of: family.id, generation: presented.generation + 1)
        if standing == .current {
            let moved = try await parts.stores.refreshTokens.rotate(
                family.id, from: family.currentHash, to: successor.hash, at: call.now, record: record)
            if moved { return successor }
        }
        guard let latest = try await parts.stores.refreshTokens.family(family.id),
            latest.standing(
                of: presented, at: call.now, grace: parts.configuration.refreshGrace, mint: parts.keys.refreshTokens)
                == .repeated,
            latest.currentHash == successor.hash,
            try await parts.stores.refreshTokens.use(family.id, at: call.now, record: record)
        else { throw invalid("the refresh token was replaced") }
        return successor
    }
}
