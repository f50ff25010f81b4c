internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// A backend service's own access (SMART 2.2 backend-services). Each token has a grant of its own, so that it can be
/// revoked like any other and leaves a trace; there is no refresh token.
struct ClientCredentialsGrant: GrantHandler {
    let parts: ServerParts

    func authorize(_ call: AuthenticatedCall) async throws -> Issue {
        guard case .clientCredentials(let asked) = call.request else { throw OAuthError(.unsupportedGrantType) }
        // SMART 2.2 backend-services: asymmetric authentication only.
        guard call.client.metadata.authenticationMethod == .privateKeyJWT else {
            throw OAuthError(.unauthorizedClient, detail: "client_credentials needs private_key_jwt")
        }
        // The checks in the order of `TokenEndpoint`: there is no artefact, so they begin with 10.
        let binding = try await call.binding()
        let scopes = try ScopePolicy.forService(asked: asked, client: call.client)
        let lifetime = min(call.client.lifetimes.accessToken, ClientLifetimes.longestBackendToken)
        guard let base = try call.resource() ?? parts.configuration.fhirBases.first else {
            throw OAuthError(.serverError, detail: "no protected FHIR server is configured")
        }
        let grant = Grant(
            id: GrantID(parts.random.identifier()), clientID: call.client.id, subject: nil, scopes: scopes,
            launch: LaunchContext(), program: call.client.program, fhirBase: base, nonce: nil, authenticatedAt: nil,
            createdAt: call.now, expiresAt: call.now + lifetime)
        let tokenID = TokenID(parts.random.identifier())
        guard
            try await parts.stores.grants.insert(
                grant, record: call.maker.record(.token, grant: grant, token: tokenID, scopes: scopes))
        else { throw OAuthError(.invalidClient, detail: "the client was suspended at this moment") }
        return Issue(
            grant: grant, scopes: scopes, tokenID: tokenID, lifetime: lifetime, refreshToken: nil, givesIDToken: false,
            contextForm: call.client.profile.contextForm,
            usesReferenceToken: call.client.usesReferenceTokens,
            confirmation: binding.confirmation)
    }
}
