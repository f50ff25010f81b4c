public import AccessPolicy
internal import FHIRCore
public import OAuthCore

/// Turns a bearer token into the facts that it grants, or says why it grants nothing (RFC 9068 §4).
///
/// A token that was found good is remembered by its SHA-256 until it expires; whether it has been revoked is asked
/// anew each time (decision 18). Nothing bad is remembered.
public struct AccessTokenVerifier: Sendable {
    /// What is known about the revocation of a grant.
    public enum RevocationStatus: Sendable, Hashable {
        case active
        case revoked
        /// The answer is too old to be relied on, so there is no access (decision 19).
        case unknown
    }

    private let expectation: AccessTokenClaims.Expectation
    private let keys: @Sendable () -> JWKSet
    private let revocation: @Sendable (GrantedAccess) -> RevocationStatus
    private let cache: VerifiedTokenCache

    /// - Parameters:
    ///   - expectation: issuer and FHIR base that every token must name.
    ///   - keys: the issuer's keys now; asked for each token that is not remembered.
    ///   - revocation: asked for each request, remembered or not.
    ///   - remembered: how many tokens are remembered at most.
    public init(
        expectation: AccessTokenClaims.Expectation, keys: @escaping @Sendable () -> JWKSet, remembered: Int = 20_000,
        revocation: @escaping @Sendable (GrantedAccess) -> RevocationStatus
    ) {
        self.expectation = expectation
        self.keys = keys
        self.revocation = revocation
        cache = VerifiedTokenCache(limit: remembered)
    }

    /// Forgets every token that was found good; to be called when the issuer's keys change.
    public func forgetAll() { cache.removeAll() }

    func verify(_ credential: BearerCredential, now: Int64) -> Result<GrantedAccess, TokenRefusal> {
        switch credential {
        case .none: .failure(.missing)
        case .ambiguous: .failure(.ambiguous)
        case .malformed: .failure(.malformed)
        case .token(let token): verify(token, now: now)
        }
    }

    /// The facts of a token at a moment (Unix seconds).
    public func verify(_ token: String, now: Int64) -> Result<GrantedAccess, TokenRefusal> {
        let digest = SHA256Hash.of(utf8: token)
        let known = cache.access(for: digest)
        let access: GrantedAccess
        if let known {
            access = known
        } else {
            switch examine(token, now: now) {
            case .failure(let refusal): return .failure(refusal)
            case .success(let examined): access = examined
            }
        }
        // INVARIANT: on every hit too, the end of the token's life and its revocation are looked at.
        if let ending = ending(of: access, now: now) { return .failure(ending) }
        if known == nil { cache.remember(access, for: digest) }
        return .success(access)
    }

    /// Why a token that was verified does not count any more, or nil if it does.
    func ending(of access: GrantedAccess, now: Int64) -> TokenRefusal? {
        guard now < access.expiresAt else { return .expired }
        switch revocation(access) {
        case .active: return nil
        case .revoked: return .revoked
        case .unknown: return .revocationUnknown
        }
    }

    private func examine(_ token: String, now: Int64) -> Result<GrantedAccess, TokenRefusal> {
        do throws(JOSEError) {
            let verified = try JWS.verify(token, keys: keys(), rules: .accessToken)
            let claims = try AccessTokenClaims(verified, expecting: expectation, now: now)
            // RFC 8705 §3, RFC 9449 §6: a bound token is no bearer token; possession is not checked here.
            guard verified.claims["cnf"] == nil else { return .failure(.senderConstrained) }
            return .success(claims.grantedAccess())
        } catch {
            return .failure(TokenRefusal(error))
        }
    }
}
