internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// The renewal of an access token (RFC 6749 §6, decision 17).
struct RefreshTokenGrant: GrantHandler {
    let parts: ServerParts

    /// The checks in the order of `TokenEndpoint`, from 5 on.
    func authorize(_ call: AuthenticatedCall) async throws -> Issue {
        guard case .refreshToken(let secret, let asked) = call.request else {
            throw OAuthError(.unsupportedGrantType)
        }
        // 5. Known.
        guard let presented = PresentedRefreshToken(secret.reveal()),
            let family = try await parts.stores.refreshTokens.family(presented.family)
        else { throw UnknownArtefact("refresh token") }
        // 6. The owner's, which is asked before reuse: with somebody else's token nobody can end a family.
        guard family.clientID == call.client.id else { throw invalid("the token belongs to another client") }
        // 7. Not replaced before.
        let standing = family.standing(
            of: presented, at: call.now, grace: parts.configuration.refreshGrace, mint: parts.keys.refreshTokens)
        switch standing {
        case .current, .repeated: break
        case .unknown: throw UnknownArtefact("refresh token")
        case .reused: try await endFamily(family, call)
        }
        // 8. Not over.
        guard family.isLive(at: call.now) else { throw invalid("the refresh token has expired") }
        // 10. What it is bound to. RFC 9449 §5: what was given to a key is renewed by that key alone.
        let binding = try await call.binding()
        guard family.proofKey == nil || family.proofKey == binding.proofKey else {
            throw OAuthError(.invalidDPoPProof, detail: "the refresh token is bound to another key")
        }
        // 11. What was granted is alive and lasting, and so is who granted it.
        guard let grant = try await parts.stores.grants.grant(family.grantID) else {
            throw invalid("the grant has ended")
        }
        if let obstacle = try await parts.obstacle(to: family, of: grant, for: call.client, at: call.now) {
            try await parts.refuse(obstacle, to: family, of: grant, call)
        }
        // 12. The scopes, and the FHIR server that they are for.
        let scopes = try ScopePolicy.forRefresh(asked: asked, granted: grant.scopes, client: call.client)
        try call.demandTarget(of: grant)
        let tokenID = TokenID(parts.random.identifier())
        // A repeat is how a lost answer is asked for again, and also how a stolen token shows itself: it is told apart in
        // the record, whatever becomes of the head.
        let record = call.maker.record(
            .refresh, grant: grant, token: tokenID, scopes: scopes,
            detail: standing == .repeated ? Self.repeatedDetail : nil)
        // 13. One conditional write.
        let successor = try await renew(family, presented, standing, record, call)
        return Issue(
            grant: grant, scopes: scopes, tokenID: tokenID, lifetime: call.client.lifetimes.accessToken,
            refreshToken: successor, rotated: family.rotates ? family.id : nil, givesIDToken: false,
            contextForm: call.client.profile.contextForm,
            usesReferenceToken: call.client.usesReferenceTokens,
            confirmation: binding.confirmation)
    }

    static let repeatedDetail = "a token that was replaced came again within the grace window"

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
