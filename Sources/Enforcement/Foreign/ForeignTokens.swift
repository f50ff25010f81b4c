internal import AccessPolicy
public import OAuthCore

/// Tokens of somebody else's authorization server: how they are checked, and what their claims mean here.
///
/// The check itself does not wait for anything. What has to be fetched for it is fetched before, by `prepare`; what
/// could not be fetched makes the check fail (decision 19: a token that nobody vouches for is no token).
public struct ForeignTokens: Sendable {
    /// The two ways to know that a token is good.
    public enum Way: Sendable {
        /// By its signature, with the issuer's published keys. Such a token lives until it expires.
        case keys(KeySetSource, JWSRules)
        /// By asking the issuer.
        case introspection(IntrospectionSource)
    }

    private let mapping: ClaimMapping
    private let way: Way

    /// Tokens checked one way.
    public init(mapping: ClaimMapping, way: Way) {
        self.mapping = mapping
        self.way = way
    }

    /// Whether something has to be fetched first.
    func needsPreparation(_ token: String, _ digest: [UInt8], now: Int64) -> Bool {
        switch way {
        case .keys(let source, _): source.wantsFetch(for: Self.keyID(of: token), at: now)
        case .introspection(let source): source.known(digest, at: now) == nil
        }
    }

    /// Whether what tokens in general are checked with is old, and may be fetched again.
    func needsRenewal(at now: Int64) -> Bool {
        switch way {
        case .keys(let source, _): source.isOld(at: now)
        case .introspection: false
        }
    }

    /// Fetches what the check needs.
    func prepare(_ token: String, _ digest: [UInt8], now: Int64) async {
        switch way {
        case .keys(let source, _):
            if source.wantsFetch(for: Self.keyID(of: token), at: now) { await source.renew(at: now) }
        case .introspection(let source):
            if source.known(digest, at: now) == nil { await source.learn(token, digest, mapping, at: now) }
        }
    }

    /// What is added to a token's digest where good tokens are remembered: another set of keys, another memory. Nil
    /// when nothing can be checked at all, or when what is known is remembered here already.
    func memory(at now: Int64) -> [UInt8]? {
        switch way {
        case .keys(let source, _): source.keys(at: now).map { Array("\($0.generation)".utf8) }
        case .introspection: nil
        }
    }

    /// The facts of a token, by what is known now.
    func examine(_ token: String, _ digest: [UInt8], now: Int64) -> Result<GrantedAccess, TokenRefusal> {
        switch way {
        case .introspection(let source): return source.known(digest, at: now) ?? .failure(.issuerUnavailable)
        case .keys(let source, let rules):
            guard let (keys, _) = source.keys(at: now) else { return .failure(.issuerUnavailable) }
            do throws(JOSEError) {
                let verified = try JWS.verify(token, keys: keys, rules: rules)
                return .success(try mapping.access(from: verified, digest: digest, now: now))
            } catch {
                return .failure(TokenRefusal(error))
            }
        }
    }

    /// What is known now of a token that was good before. One that is checked with keys lives until it expires.
    func continuance(_ digest: [UInt8], now: Int64) -> AccessTokenVerifier.Continuance {
        guard case .introspection(let source) = way else { return .holds }
        switch source.known(digest, at: now) {
        case nil: return .hasToBeAsked
        case .success?: return .holds
        case .failure(let refusal)?: return .ended(refusal)
        }
    }

    private static func keyID(of token: String) -> String? {
        do throws(JOSEError) { return try UnverifiedJWT(parsing: token).keyID } catch { return nil }
    }
}
