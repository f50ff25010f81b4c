internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// The exchange of a code (RFC 6749 §4.1.3, RFC 7636 §4.5).
struct AuthorizationCodeGrant: GrantHandler {
    let parts: ServerParts

    /// The checks in the order of `TokenEndpoint`, from 5 on.
    func authorize(_ call: AuthenticatedCall) async throws -> Issue {
        guard case .authorizationCode(let presented, let redirectURI, let verifier) = call.request else {
            throw OAuthError(.unsupportedGrantType)
        }
        // 5. Known.
        guard let code = try await parts.stores.codes.code(presented.hash) else { throw UnknownArtefact("code") }
        // 6. The owner's. C-03: another client learns nothing and spoils nothing.
        guard code.clientID == call.client.id else { throw invalid("the code belongs to another client") }
        // 7. Not used before.
        try await refuseReplay(of: code, call)
        // 8. Not over.
        guard call.now < code.expiresAt else { throw invalid("the code has expired") }
        // 9. Where it was sent, and who asked for it.
        guard code.redirectURI.utf8.elementsEqual(redirectURI.utf8) else { throw invalid("redirect_uri differs") }
        try await checkProof(verifier, of: code, call)
        // 10. What it is bound to.
        let binding = try await call.binding()
        // RFC 9449 §10: the key that the request named is the one that is proved now, and none is not enough.
        guard code.proofKey == nil || code.proofKey == binding.proofKey else {
            throw OAuthError(.invalidDPoPProof, detail: "the code is bound to another key")
        }
        // 11. What was granted is alive, and so is who granted it.
        guard let grant = try await parts.stores.grants.grant(code.grantID), grant.isAlive(at: call.now) else {
            throw invalid("the grant has ended")
        }
        try await parts.demandPerson(of: grant, call)
        try await parts.demandAssurance(of: grant, call)
        // 12. The scopes, and the FHIR server that they are for.
        let scopes = try ScopePolicy.forRefresh(asked: nil, granted: grant.scopes, client: call.client)
        try call.demandTarget(of: grant)
        let (family, refreshToken) = openFamily(for: grant, scopes, of: code, call, binding.proofKey)
        let tokenID = TokenID(parts.random.identifier())
        let record = call.maker.record(.token, grant: grant, token: tokenID, scopes: scopes)
        // 13. One conditional write; who loses it came while the winner was at it, and only fails (C-02).
        let redemption = try await parts.stores.codes.redeem(
            code.hash, at: call.now, opening: family, record: record)
        guard redemption == .redeemed else {
            throw invalid("the code was redeemed, or its grant or client ended, at this moment")
        }
        return Issue(
            grant: grant, scopes: scopes, tokenID: tokenID, lifetime: call.client.lifetimes.accessToken,
            refreshToken: refreshToken, givesIDToken: scopes.contains(.openid),
            contextForm: call.client.profile.contextForm,
            usesReferenceToken: call.client.usesReferenceTokens,
            confirmation: binding.confirmation)
    }

    private func invalid(_ detail: String) -> OAuthError { OAuthError(.invalidGrant, detail: detail) }

    /// A code that comes a second time was stolen, or its tokens were: the whole grant ends (RFC 6749 §4.1.2, C-01).
    private func refuseReplay(of code: CodeRecord, _ call: AuthenticatedCall) async throws {
        switch code.state {
        case .fresh: return
        case .burned: throw invalid("the code was spoilt by a wrong verifier")
        case .redeemed:
            _ = try await parts.access.revoke(
                .grant(code.grantID), because: .codeReplay,
                record: call.maker.record(
                    .codeReplayed, client: code.clientID, grant: try await parts.stores.grants.grant(code.grantID),
                    outcome: .refused(reason: RevocationReason.codeReplay.rawValue)))
            throw invalid("the code was used before; its grant was revoked")
        }
    }

    private func checkProof(
        _ verifier: CodeVerifier?, of code: CodeRecord, _ call: AuthenticatedCall
    ) async throws {
        guard let challenge = code.challenge else {
            // C-09: a verifier for a code without challenge means that somebody took the challenge away.
            guard verifier == nil else { throw invalid("a verifier came for a code without challenge") }
            // It was made for a client that proves itself; as a public one it would be anybody's.
            guard call.client.isConfidential else { throw invalid("a code without challenge for a public client") }
            return
        }
        guard let verifier else { throw invalid("code_verifier is missing") }
        guard challenge.isMet(by: verifier) else {
            // C-10: from the right client a wrong verifier means a leaked or injected code. It is spoilt.
            let record = call.maker.record(
                .tokenRefused, client: code.clientID, outcome: .refused(reason: "wrong-verifier"),
                detail: "the code was spoilt")
            _ = try await parts.stores.codes.burn(code.hash, at: call.now, record: record)
            throw invalid("code_verifier does not belong to the challenge")
        }
    }

    /// A family for refresh tokens, when the person allowed lasting access, or access while they are there.
    private func openFamily(
        for grant: Grant, _ scopes: ScopeSet, of code: CodeRecord, _ call: AuthenticatedCall,
        _ proofKey: String?
    ) -> (RefreshFamily?, Secret?) {
        let isLasting = scopes.contains(.offlineAccess)
        guard isLasting || (scopes.contains(.onlineAccess) && code.session != nil),
            call.client.metadata.grantTypes.contains(.refreshToken)
        else {
            return (nil, nil)
        }
        let id = RefreshFamilyID(text: parts.random.identifier())
        let token = parts.keys.refreshTokens.token(of: id, generation: 0)
        let isPublic = !call.client.isConfidential
        let family = RefreshFamily(
            id: id, grantID: grant.id, clientID: grant.clientID, rotates: isPublic && proofKey == nil,
            createdAt: call.now,
            idleLimit: call.client.lifetimes.refreshIdle,
            expiresAt: isPublic ? call.now + call.client.lifetimes.refreshAbsolute : nil, generation: 0,
            currentHash: token.hash, lastUsedAt: call.now,
            session: isLasting ? nil : code.session, proofKey: isPublic ? proofKey : nil)
        return (family, token)
    }
}

/// A code or token that nobody ever issued: the mark of guessing, counted by source.
struct UnknownArtefact: Error {
    let what: String
    init(_ what: String) { self.what = what }
}
