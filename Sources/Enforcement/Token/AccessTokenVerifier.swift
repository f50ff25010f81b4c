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

    /// Whose tokens these are.
    private enum Issuer: Sendable {
        case own(AccessTokenClaims.Expectation, keys: @Sendable () -> JWKSet)
        case foreign(ForeignTokens)
    }

    private let issuer: Issuer
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
        issuer = .own(expectation, keys: keys)
        self.revocation = revocation
        cache = VerifiedTokenCache(limit: remembered)
    }

    /// A verifier of somebody else's tokens.
    ///
    /// - Parameter revocation: what is revoked here, beside what the issuer itself says.
    public init(
        foreign: ForeignTokens, remembered: Int = 20_000,
        revocation: @escaping @Sendable (GrantedAccess) -> RevocationStatus = { _ in .active }
    ) {
        issuer = .foreign(foreign)
        self.revocation = revocation
        cache = VerifiedTokenCache(limit: remembered)
    }

    /// Whether something has to be fetched before this credential can be verified.
    func needsPreparation(_ credential: BearerCredential, now: Int64) -> Bool {
        guard case .foreign(let foreign) = issuer, case .token(let token) = credential else { return false }
        return foreign.needsPreparation(token, SHA256Hash.of(Array(token.utf8)), now: now)
    }

    /// Fetches what verifying this credential needs; `verify` then says what came of it.
    func prepare(_ credential: BearerCredential, now: Int64) async {
        guard case .foreign(let foreign) = issuer, case .token(let token) = credential else { return }
        await foreign.prepare(token, SHA256Hash.of(Array(token.utf8)), now: now)
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
        let digest = SHA256Hash.of(Array(token.utf8))
        var place: [UInt8]? = digest
        if case .foreign(let foreign) = issuer { place = foreign.memory(at: now).map { digest + $0 } }
        let access: GrantedAccess
        if let place, let known = cache.access(for: place) {
            access = known
        } else {
            switch examine(token, digest, now: now) {
            case .failure(let refusal): return .failure(refusal)
            case .success(let examined): access = examined
            }
        }
        // INVARIANT: on every hit too, the end of the token's life and its revocation are looked at.
        if let ending = ending(of: access, now: now) { return .failure(ending) }
        if let place { cache.remember(access, for: place) }
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

    private func examine(_ token: String, _ digest: [UInt8], now: Int64) -> Result<GrantedAccess, TokenRefusal> {
        switch issuer {
        case .foreign(let foreign): return foreign.examine(token, digest, now: now)
        case .own(let expectation, let keys):
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
}
