internal import OAuthCore
internal import Synchronization

/// The discovery documents and keys of providers, kept for a while. A class because all sign-ins share it; the lock is
/// `kept`.
final class ProviderDocuments: Sendable {
    private struct Kept {
        var metadata: ProviderMetadata?
        var metadataUntil: Int64 = .min
        var keys: JWKSet?
        var keysUntil: Int64 = .min
        /// Before this time the keys are not fetched again because a token names an unknown one.
        var noKeysBefore: Int64 = .min
    }

    private let fetch: (any OutboundFetching)?
    private let clock: Clock
    private let kept = Mutex<[String: Kept]>([:])

    /// How long a document is believed, in seconds.
    static let lifetime: Int64 = 600
    /// Tokens with unknown keys cost the provider no more than one call in so many seconds.
    static let pause: Int64 = 30

    init(fetch: (any OutboundFetching)?, clock: Clock) {
        self.fetch = fetch
        self.clock = clock
    }

    /// What the provider says of itself.
    func metadata(of provider: IdentityProvider) async throws -> ProviderMetadata {
        let now = clock.now()
        if let known = kept.withLock({ $0[provider.id] }), now < known.metadataUntil, let metadata = known.metadata {
            return metadata
        }
        let bytes = try await document(at: ProviderMetadata.address(of: provider.issuer), of: provider)
        let metadata = try ProviderMetadata(
            parsing: bytes, issuer: provider.issuer, algorithms: provider.algorithms, allowsPlain: provider.allowsPlain)
        kept.withLock { kept in
            let moved = kept[provider.id]?.metadata.map { $0.keySetURL != metadata.keySetURL } ?? false
            if moved { kept[provider.id]?.keys = nil }
            kept[provider.id, default: Kept()].metadata = metadata
            kept[provider.id, default: Kept()].metadataUntil = now + Self.lifetime
        }
        return metadata
    }

    /// Verifies an ID token; when it names a key that we do not know, the keys are fetched anew, once.
    func verified(
        _ token: Secret, of provider: IdentityProvider, _ metadata: ProviderMetadata,
        expecting expected: ProviderIDToken.Expectation
    ) async throws -> ProviderIDToken {
        let keys = try await keys(of: provider, metadata)
        do throws(JOSEError) {
            return try ProviderIDToken(token.reveal(), keys: keys, expecting: expected, now: clock.now())
        } catch .keyNotFound where mayRenew(provider) {
            let renewed = try await fetchKeys(of: provider, metadata)
            return try ProviderIDToken(token.reveal(), keys: renewed, expecting: expected, now: clock.now())
        }
    }

    private func document(at url: String, of provider: IdentityProvider) async throws -> [UInt8] {
        let trust = provider.trust(in: url)
        return try await demanded().document(at: url, trust: trust, longestAnswer: JWKSet.maxBytes).body
    }

    private func demanded() throws(OutboundFailure) -> any OutboundFetching {
        guard let fetch else { throw .unreachable("nothing is fetched here") }
        return fetch
    }

    /// The ID token that a code is worth, from the token endpoint (OpenID Connect Core §3.1.3).
    func redeem(
        _ code: Secret, at provider: IdentityProvider, _ metadata: ProviderMetadata, redirectURI: String,
        verifier: CodeVerifier, tokenID: String
    ) async throws -> Secret {
        let proof = try provider.authentication.proof(
            clientID: provider.clientID, endpoint: metadata.tokenEndpoint, tokenID: tokenID, now: clock.now())
        let parameters =
            [
                ("grant_type", "authorization_code"), ("code", code.reveal()), ("redirect_uri", redirectURI),
                ("code_verifier", verifier.secret.reveal()),
            ] + proof.parameters
        let form = parameters.map { "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))" }
        let request = OutboundRequest(
            metadata.tokenEndpoint, trust: provider.trust(in: metadata.tokenEndpoint),
            method: .postForm(form.joined(separator: "&")),
            headers: proof.header.map { [.init("authorization", $0)] } ?? [], milliseconds: 10_000)
        let answer = try await demanded().send(request)
        guard answer.status == 200 else {
            throw ProviderFailure.reported(ProviderResponse.tokenError(answer.body, status: answer.status))
        }
        return try ProviderResponse.idToken(answer.body)
    }

    private func mayRenew(_ provider: IdentityProvider) -> Bool {
        let now = clock.now()
        return kept.withLock { kept in
            guard kept[provider.id, default: Kept()].noKeysBefore <= now else { return false }
            kept[provider.id, default: Kept()].noKeysBefore = now + Self.pause
            return true
        }
    }

    private func keys(of provider: IdentityProvider, _ metadata: ProviderMetadata) async throws -> JWKSet {
        let now = clock.now()
        if let known = kept.withLock({ $0[provider.id] }), now < known.keysUntil, let keys = known.keys { return keys }
        return try await fetchKeys(of: provider, metadata)
    }

    private func fetchKeys(of provider: IdentityProvider, _ metadata: ProviderMetadata) async throws -> JWKSet {
        let keys = try JWKSet(parsing: try await document(at: metadata.keySetURL, of: provider), from: .fetched)
        let now = clock.now()
        kept.withLock { kept in
            kept[provider.id, default: Kept()].keys = keys
            kept[provider.id, default: Kept()].keysUntil = now + Self.lifetime
        }
        return keys
    }
}
