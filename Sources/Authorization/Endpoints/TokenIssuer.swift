internal import AccessPolicy
internal import OAuthCore

/// Makes the tokens of one issue. It decides nothing.
struct TokenIssuer: Sendable {
    let parts: ServerParts

    /// The longest access token that is sent as a JWT, in bytes: more would not pass the header buffers of the proxies
    /// that stand before FHIR servers (decision 19).
    static let longestJWT = 4096

    private var configuration: AuthorizationConfiguration { parts.configuration }
    private var keys: ServerKeys { parts.keys }

    func response(for issue: Issue, at now: Int64) async throws -> TokenResponse {
        let grant = issue.grant
        // G-07: no token outlives its grant.
        let expiresAt = min(now + issue.lifetime, grant.expiresAt ?? .max)
        let scope = issue.scopes.text
        // What the app may not know it must not be able to read in its token either; the enforcer needs it all the same.
        let tellsUser = issue.scopes.tellsUser || grant.launch.fhirUser == nil
        let tellsSignIn = issue.scopes.contains(.openid)
        let claims = AccessTokenClaims(
            issuer: configuration.issuer, audience: grant.fhirBase, scope: scope, clientID: grant.clientID,
            subject: grant.subject, launch: grant.launch, program: grant.program, grantID: grant.id,
            tokenID: issue.tokenID, issuedAt: now, expiresAt: expiresAt,
            authenticatedAt: tellsSignIn ? grant.authenticatedAt : nil,
            authenticationContext: tellsSignIn ? grant.authentication?.classReference : nil,
            confirmation: issue.confirmation)
        let access = try await token(for: claims, asReference: issue.usesReferenceToken || !tellsUser)
        return TokenResponse(
            accessToken: access, expiresIn: expiresAt - now, scope: scope, refreshToken: issue.refreshToken,
            idToken: try idToken(for: issue, at: now, until: expiresAt), launch: grant.launch,
            contextForm: issue.contextForm, tokenType: Self.type(of: issue.confirmation))
    }

    static func type(of confirmation: TokenConfirmation?) -> AccessTokenType {
        if case .proofKey = confirmation { .dpop } else { .bearer }
    }

    private func token(for claims: AccessTokenClaims, asReference: Bool) async throws -> Secret {
        if !asReference {
            let signed = try keys.signer.sign(claims)
            if signed.reveal().utf8.count <= Self.longestJWT { return signed }
        }
        return try await parts.references.issue(claims)
    }

    private func idToken(for issue: Issue, at now: Int64, until expiresAt: Int64) throws -> Secret? {
        let grant = issue.grant
        guard issue.givesIDToken, let subject = grant.subject else { return nil }
        return try keys.signer.sign(
            IDTokenClaims(
                issuer: configuration.issuer, subject: subject, clientID: grant.clientID, issuedAt: now,
                expiresAt: expiresAt, authenticatedAt: grant.authenticatedAt, nonce: grant.nonce,
                authenticationContext: grant.authentication?.classReference,
                authenticationMethods: grant.authentication?.methods ?? [],
                fhirUser: issue.scopes.tellsUser ? grant.launch.fhirUser : nil, fhirBase: grant.fhirBase))
    }
}
