internal import AccessPolicy
internal import OAuthCore

/// Makes the tokens of one issue. It decides nothing.
struct TokenIssuer: Sendable {
    let configuration: AuthorizationConfiguration
    let keys: ServerKeys

    func response(for issue: Issue, at now: Int64) throws -> TokenResponse {
        let grant = issue.grant
        // G-07: no token outlives its grant.
        let expiresAt = min(now + issue.lifetime, grant.expiresAt ?? .max)
        let scope = issue.scopes.text
        let access = try keys.signer.sign(
            AccessTokenClaims(
                issuer: configuration.issuer, audience: grant.fhirBase, scope: scope, clientID: grant.clientID,
                subject: grant.subject, launch: grant.launch, program: grant.program, grantID: grant.id,
                tokenID: issue.tokenID, issuedAt: now, expiresAt: expiresAt,
                authenticatedAt: grant.authenticatedAt))
        return TokenResponse(
            accessToken: access, expiresIn: expiresAt - now, scope: scope, refreshToken: issue.refreshToken,
            idToken: try idToken(for: issue, at: now, until: expiresAt), launch: grant.launch)
    }

    private func idToken(for issue: Issue, at now: Int64, until expiresAt: Int64) throws -> Secret? {
        let grant = issue.grant
        guard issue.givesIDToken, let subject = grant.subject, let authenticatedAt = grant.authenticatedAt else {
            return nil
        }
        let tellsUser = issue.scopes.contains(.fhirUser) || issue.scopes.contains(.profile)
        return try keys.signer.sign(
            IDTokenClaims(
                issuer: configuration.issuer, subject: subject, clientID: grant.clientID, issuedAt: now,
                expiresAt: expiresAt, authenticatedAt: authenticatedAt, nonce: grant.nonce,
                authenticationContext: nil, fhirUser: tellsUser ? grant.launch.fhirUser : nil,
                fhirBase: grant.fhirBase))
    }
}
