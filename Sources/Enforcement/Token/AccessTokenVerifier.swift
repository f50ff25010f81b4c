public import AccessPolicy
internal import FHIRCore
public import OAuthCore

/// Turns a bearer token into the facts that it grants, or says why it grants nothing (RFC 9068 §4).
///
/// A token that was found good is remembered by its SHA-256 until it expires; whether it has been revoked is asked
/// anew each time (decision 18). Whether the sign-in behind it is enough is remembered with it, also when it is not;
/// nothing else that is bad is.
public struct AccessTokenVerifier: Sendable {
    /// What is known about the revocation of a grant.
    public enum RevocationStatus: Sendable, Hashable {
        case active
        case revoked
        /// The answer is too old to be relied on, so there is no access (decision 19).
        case unknown
    }

    /// What is known about the sign-in of the person behind a grant.
    public enum SignInStatus: Sendable, Hashable {
        /// It meets what is demanded today, or nobody signed in.
        case enough
        case tooWeak
        /// It cannot be told, so there is no access.
        case unknown
    }

    /// Whose tokens these are.
    private enum Issuer: Sendable {
        case own(AccessTokenClaims.Expectation, keys: @Sendable () -> JWKSet)
        case foreign(ForeignTokens)
    }

    private let issuer: Issuer
    private let revocation: @Sendable (GrantedAccess) -> RevocationStatus
    private let references: References
    private let signIn: @Sendable (GrantedAccess) -> SignInStatus
    private let isWithdrawn: @Sendable (ClientCertificate, Int64) -> Bool
    private let cache: VerifiedTokenCache
    private let replays = ProofReplays()
    private let nonces: ProofNonces?

    /// The facts behind a token that is a reference, for a FHIR base at a moment; nil for one that never was.
    public typealias References =
        @Sendable (_ token: String, _ audience: String, _ now: Int64) throws ->
        AccessTokenClaims?

    /// - Parameters:
    ///   - expectation: issuer and FHIR base that every token must name.
    ///   - keys: the issuer's keys now; asked for each token that is not remembered.
    ///   - revocation: asked for each request, remembered or not.
    ///   - references: asked for each token of two parts that is not remembered.
    ///   - remembered: how many tokens are remembered at most.
    ///   - nonces: what proofs have to carry; nil where nothing is demanded.
    ///   - signIn: asked once for each token that is not remembered; the answer is remembered with the token, until
    ///     `forgetAll`.
    ///   - isWithdrawn: asked for each request with a token that is bound to a certificate; answers from memory.
    public init(
        expectation: AccessTokenClaims.Expectation, keys: @escaping @Sendable () -> JWKSet,
        references: @escaping References = { _, _, _ in nil }, remembered: Int = 20_000, nonces: ProofNonces? = nil,
        signIn: @escaping @Sendable (GrantedAccess) -> SignInStatus = { _ in .enough },
        isWithdrawn: @escaping @Sendable (ClientCertificate, Int64) -> Bool = { _, _ in false },
        revocation: @escaping @Sendable (GrantedAccess) -> RevocationStatus
    ) {
        issuer = .own(expectation, keys: keys)
        self.revocation = revocation
        self.references = references
        self.nonces = nonces
        self.signIn = signIn
        self.isWithdrawn = isWithdrawn
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
        references = { _, _, _ in nil }
        nonces = nil
        signIn = { _ in .enough }
        isWithdrawn = { _, _ in false }
        cache = VerifiedTokenCache(limit: remembered)
    }

    /// Whether tokens are somebody else's, so that something may have to be fetched before one can be verified.
    var asksOthers: Bool { if case .foreign = issuer { true } else { false } }

    /// Whether something has to be fetched before this credential can be verified.
    func needsPreparation(_ credential: BearerCredential, now: Int64) -> Bool {
        guard case .foreign(let foreign) = issuer, case .token(let token) = credential else { return false }
        let digest = SHA256Hash.of(Array(token.utf8))
        // A token that is remembered names a key that is known; it is not taken apart again.
        if let place = foreign.memory(at: now).map({ digest + $0 }), cache.token(for: place) != nil {
            return foreign.needsRenewal(at: now)
        }
        return foreign.needsPreparation(token, digest, now: now)
    }

    /// Fetches what verifying this credential needs; `verify` then says what came of it.
    func prepare(_ credential: BearerCredential, now: Int64) async {
        guard case .foreign(let foreign) = issuer, case .token(let token) = credential else { return }
        await foreign.prepare(token, SHA256Hash.of(Array(token.utf8)), now: now)
    }

    /// Forgets every token that was found good; to be called when the issuer's keys change, or what sign-ins are judged by.
    public func forgetAll() { cache.removeAll() }

    /// The facts of the credential of a request that was sent with this method to this address (without its query).
    func verify(
        _ credential: BearerCredential, method: String = "", address: @autoclosure () -> String = "",
        certificate: () -> ClientCertificate? = { nil }, now: Int64
    ) -> Result<GrantedAccess, TokenRefusal> {
        switch credential {
        case .none: return .failure(.missing)
        case .ambiguous: return .failure(.ambiguous)
        case .malformed: return .failure(.malformed)
        case .token(let token): return verify(token, certificate: certificate, now: now)
        case .bound(let token, let proofs):
            switch find(token, now: now) {
            case .failure(let refusal): return .failure(refusal)
            case .success(let found):
                let request = DPoPProof.Request(method: method, address: address(), token: Secret(token))
                if let refusal = check(proofs, for: request, found.confirmation, now: now) { return .failure(refusal) }
                return .success(found.access)
            }
        }
    }

    /// The facts of a credential's token, whose proof of possession is not looked at: a proof counts once, and nothing may
    /// come of these facts but what has to be known before the request is verified.
    func claimed(by credential: BearerCredential, now: Int64) -> GrantedAccess? {
        switch credential {
        case .token(let token), .bound(let token, _): try? find(token, now: now).get().access
        case .none, .ambiguous, .malformed: nil
        }
    }

    /// The facts of a bearer token at a moment (Unix seconds). One that is bound to a key is none (RFC 9449 §7.2), and
    /// one that is bound to a certificate is one with that certificate alone (RFC 8705 §3).
    ///
    /// - Parameter certificate: the certificate of the client's connection; read only where a token is bound to one.
    public func verify(
        _ token: String, certificate: () -> ClientCertificate? = { nil }, now: Int64
    ) -> Result<GrantedAccess, TokenRefusal> {
        switch find(token, now: now) {
        case .failure(let refusal): return .failure(refusal)
        case .success(let found):
            switch found.confirmation {
            case nil: return .success(found.access)
            case .proofKey: return .failure(.senderConstrained)
            case .certificate(let thumbprint):
                guard let shown = certificate(), shown.thumbprint == thumbprint else {
                    return .failure(.senderConstrained)
                }
                if isWithdrawn(shown, now), !mutated(.withdrawalIgnored) { return .failure(.certificateWithdrawn) }
                return .success(found.access)
            }
        }
    }

    private func find(_ token: String, now: Int64) -> Result<VerifiedToken, TokenRefusal> {
        let digest = SHA256Hash.of(utf8: token)
        var place: [UInt8]? = digest
        if case .foreign(let foreign) = issuer { place = foreign.memory(at: now).map { digest + $0 } }
        let found: VerifiedToken
        let epoch = cache.epoch
        let known = place.flatMap { cache.token(for: $0) }
        if let known {
            found = known
        } else {
            switch examine(token, digest, now: now) {
            case .failure(let refusal): return .failure(refusal)
            case .success(let examined): found = examined
            }
        }
        // INVARIANT: on every hit too, the end of the token's life and its revocation are looked at.
        if let ending = ending(of: found.access, now: now) { return .failure(ending) }
        if let known { return taken(known) }
        // Asked last, because it may cost a look into the database, and remembered whatever it says: a token whose sign-in
        // is too weak does not cost one for every request.
        let status = signIn(found.access)
        guard status != .unknown else { return .failure(.signInUnknown) }
        let judged = VerifiedToken(
            access: found.access, confirmation: found.confirmation, isSignInEnough: status == .enough)
        if let place { cache.remember(judged, for: place, examinedIn: epoch) }
        return taken(judged)
    }

    private func taken(_ token: VerifiedToken) -> Result<VerifiedToken, TokenRefusal> {
        token.isSignInEnough || mutated(.weakSignInTaken) ? .success(token) : .failure(.signInTooWeak)
    }

    /// Why the proofs of a request do not show possession of the token's key; nil when they do.
    private func check(
        _ proofs: [String], for request: DPoPProof.Request, _ confirmation: TokenConfirmation?, now: Int64
    ) -> TokenRefusal? {
        guard case .proofKey(let thumbprint) = confirmation, proofs.count == 1,
            let proof = try? DPoPProof(proofs[0], for: request, now: now), proof.thumbprint == thumbprint
        else { return .badProof }
        if let nonces, !nonces.accepts(proof.nonce, at: now) { return .staleProof }
        return replays.remember(proof.tokenID, of: thumbprint, at: now) ? nil : .badProof
    }

    /// The nonce that goes with a refusal for want of one.
    func nonce(at now: Int64) -> String? { nonces?.current(at: now) }

    /// Why a token that was verified does not count any more, or nil if it does.
    func ending(of access: GrantedAccess, now: Int64) -> TokenRefusal? {
        guard now < access.expiresAt || mutated(.expiryIgnored) else { return .expired }
        switch revocation(access) {
        case .active: return nil
        case .revoked: return mutated(.revocationIgnored) ? nil : .revoked
        case .unknown: return .revocationUnknown
        }
    }

    /// What is known at a moment of a token that was good when its request came.
    enum Continuance: Sendable, Hashable {
        case holds
        case ended(TokenRefusal)
        /// What its issuer has said is too old: `prepare` asks again.
        case hasToBeAsked
    }

    /// Whether the token of a request under way counts still, beside what `ending` knows: by what its issuer, somebody
    /// else, says of it, and by the certificate of the client's connection.
    func continuance(of request: ClientRequest, now: Int64) -> Continuance {
        switch issuer {
        case .foreign(let foreign):
            guard case .token(let token) = request.credential else { return .holds }
            return foreign.continuance(SHA256Hash.of(utf8: token), now: now)
        case .own:
            guard request.saysCertificate, case .token(let token) = request.credential else { return .holds }
            switch verify(token, certificate: { request.certificate }, now: now) {
            case .success: return .holds
            case .failure(let refusal): return .ended(refusal)
            }
        }
    }

    private func examine(_ token: String, _ digest: [UInt8], now: Int64) -> Result<VerifiedToken, TokenRefusal> {
        switch issuer {
        case .foreign(let foreign):
            return foreign.examine(token, digest, now: now).map {
                VerifiedToken(access: $0, confirmation: nil, isSignInEnough: true)
            }
        case .own(let expectation, let keys):
            // A JWT has three parts; a reference two.
            if token.utf8.count(where: { $0 == UInt8(ascii: ".") }) == 1 {
                return look(up: token, audience: expectation.audience, now: now)
            }
            do throws(JOSEError) {
                let verified = try JWS.verify(token, keys: keys(), rules: .accessToken)
                let claims = try AccessTokenClaims(verified, expecting: expectation, now: now)
                return .success(VerifiedToken(claims))
            } catch {
                return .failure(TokenRefusal(error))
            }
        }
    }

    private func look(up token: String, audience: String, now: Int64) -> Result<VerifiedToken, TokenRefusal> {
        do {
            guard let claims = try references(token, audience, now) else { return .failure(.badSignature) }
            return .success(VerifiedToken(claims))
        } catch let error as JOSEError {
            return .failure(TokenRefusal(error))
        } catch {
            // What cannot be looked up is not known to be good.
            return .failure(.revocationUnknown)
        }
    }
}

extension VerifiedToken {
    /// The facts of a token of ours; what is known of its sign-in stands in the grant.
    fileprivate init(_ claims: AccessTokenClaims) {
        self.init(access: claims.grantedAccess(), confirmation: claims.confirmation, isSignInEnough: false)
    }
}
