internal import AccessPolicy
internal import FHIRCore
public import OAuthCore

/// Makes reference tokens and finds the facts behind them.
///
/// A token is `name.proof`: the proof is derived from a root key and the name, so that a guess is refused without a look
/// into the database. It has two parts, so that it is neither a JWT nor a refresh token.
public struct ReferenceTokens: Sendable {
    private let key: DerivationKey
    private let store: any ReferenceTokenStore
    private let random: RandomSource
    private let issuer: String

    init(key: DerivationKey, store: any ReferenceTokenStore, random: RandomSource, issuer: String) {
        self.key = key
        self.store = store
        self.random = random
        self.issuer = issuer
    }

    /// Whether a text has the form of a reference token.
    public static func isReference(_ token: String) -> Bool {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 2 && parts[0].utf8.count == 22 && parts[1].utf8.count == 43
    }

    private func proof(of name: String) -> String { key.secret(purpose: "reference-token", name).reveal() }

    /// Keeps the facts and answers the token that stands for them.
    func issue(_ claims: AccessTokenClaims) async throws -> Secret {
        let name = random.identifier()
        let token = Secret("\(name).\(proof(of: name))")
        try await store.insert(
            ReferenceToken(
                hash: token.hash, grantID: claims.access.grantID, claims: claims.json,
                expiresAt: claims.access.expiresAt))
        return token
    }

    /// The facts behind a token for one FHIR base; nil for what we never issued or has been forgotten. Throws
    /// `JOSEError` for a token that is not for this base or not for now, and anything else when the store cannot say.
    public func claims(of token: String, audience: String, at now: Int64) throws -> AccessTokenClaims? {
        guard Self.isReference(token) else { return nil }
        let name = token.prefix { $0 != "." }
        let secret = Secret(token)
        guard Secret("\(name).\(proof(of: String(name)))") == secret,
            let kept = try store.referenceToken(secret.hash)
        else { return nil }
        return try AccessTokenClaims(kept: kept.claims, expecting: .init(issuer: issuer, audience: audience), now: now)
    }
}
