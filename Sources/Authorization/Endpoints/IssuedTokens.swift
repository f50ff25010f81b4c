internal import AccessPolicy
internal import OAuthCore

/// An access token of ours that is good at this moment, with the grant behind it.
struct IssuedAccess: Sendable {
    let claims: AccessTokenClaims
    let grant: Grant

    var access: GrantedAccess { claims.access }
    var scopes: ScopeSet { (try? ScopeSet(parsing: claims.scope)) ?? ScopeSet([]) }
}

/// Tells whether an access token is ours and good: signature, end, revocation, and everything that it rests on.
struct IssuedTokens: Sendable {
    let parts: ServerParts

    /// The access behind a token, or nil for anything that is not good now. Throws when a store cannot say.
    func access(_ token: Secret, at now: Int64) async throws -> IssuedAccess? {
        guard let claims = try claims(of: token, at: now), !parts.access.state.refuses(claims.access),
            let grant = try await parts.stores.grants.grant(claims.access.grantID), grant.isAlive(at: now),
            grant.clientID == claims.access.clientID,
            let client = try await parts.stores.clients.client(grant.clientID), client.status == .active
        else { return nil }
        if let subject = grant.subject {
            guard let account = try await parts.stores.users.user(subject), !account.isDisabled else { return nil }
        }
        guard try await parts.isEnough(grant, for: client) else { return nil }
        // A token that is bound to a withdrawn certificate is good nowhere, and who asks may not know of the withdrawal.
        if case .certificate(let thumbprint) = claims.confirmation, parts.certificates?.isWithdrawn(thumbprint) == true
        {
            return nil
        }
        return IssuedAccess(claims: claims, grant: grant)
    }

    /// The claims of a token of ours, for any of our FHIR bases, that has not expired.
    func claims(of token: Secret, at now: Int64) throws -> AccessTokenClaims? {
        if ReferenceTokens.isReference(token.reveal()) {
            for base in parts.configuration.fhirBases {
                do {
                    if let claims = try parts.references.claims(of: token.reveal(), audience: base, at: now) {
                        return claims
                    }
                } catch is JOSEError {
                    // For another base, or over.
                    continue
                }
            }
            return nil
        }
        guard
            let verified = try? JWS.verify(
                token.reveal(), keys: parts.keys.signer.verificationKeys, rules: .accessToken)
        else { return nil }
        return parts.configuration.fhirBases.lazy.compactMap { base in
            try? AccessTokenClaims(
                verified, expecting: .init(issuer: parts.configuration.issuer, audience: base), now: now)
        }.first
    }
}
