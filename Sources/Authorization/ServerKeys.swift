internal import AccessPolicy
internal import Audit
internal import FHIRCore
public import OAuthCore

/// The keys of the server, opened.
public struct ServerKeys: Sendable {
    /// Signs access tokens and id_tokens.
    public let signer: TokenSigner
    /// Derives refresh tokens.
    let refreshTokens: RefreshTokenMint
    /// Derives the proofs of reference tokens.
    let references: DerivationKey
    /// Keys for sealing page links and cookies, the newest first.
    public let pageLinkKeys: [[UInt8]]
    /// Signs checkpoints and removals of the audit trail.
    public let checkpointKey: PrivateJWK
    /// The public halves of all keys that ever signed checkpoints, the present one first.
    public let checkpointKeys: JWKSet

    /// Why the stored keys cannot be used.
    public enum Failure: Error, Hashable, Sendable {
        /// A sealed key does not open: the installation's own key is not the one it was sealed under.
        case sealedUnderAnotherKey(id: String)
        case unreadable(id: String)
        case missing(StoredKey.Purpose)
    }

    /// Opens the stored keys, and makes those that are not there yet.
    static func load(
        from store: any KeyStore, sealer: Sealer, clock: Clock, random: RandomSource
    ) async throws -> ServerKeys {
        let maker = RecordMaker(clock: clock, random: random, source: RequestSource(address: "local"))
        var stored = try await store.keys()
        for purpose in StoredKey.Purpose.allCases where !stored.contains(where: { $0.isActive(for: purpose) }) {
            let key = try make(purpose, sealer: sealer, random: random, at: clock.now())
            // Another server on the same database may be faster; its key is then ours too.
            _ = try await store.insertFirst(
                key, record: maker.record(.keyChanged, detail: "made the \(purpose.rawValue) key \(key.id)"))
        }
        stored = try await store.keys()
        return try open(stored, sealer: sealer)
    }

    private static func make(
        _ purpose: StoredKey.Purpose, sealer: Sealer, random: RandomSource, at now: Int64
    ) throws -> StoredKey {
        let id: String
        let secret: [UInt8]
        switch purpose {
        case .accessToken, .idToken, .auditCheckpoint:
            let key = try PrivateJWK.generate(purpose == .idToken ? .rs256 : .es256)
            (id, secret) = (key.keyID, try key.json().serialized)
        case .refreshRoot, .pageLink:
            (id, secret) = (random.identifier(), random.bytes(32))
        }
        let sealed = try sealer.seal(secret, context: context(purpose, id), random: random)
        return StoredKey(id: id, purpose: purpose, sealed: sealed, createdAt: now)
    }

    /// What is sealed for one purpose or name does not open as another.
    private static func context(_ purpose: StoredKey.Purpose, _ id: String) -> String {
        "key:\(purpose.rawValue):\(id)"
    }

    private static func open(_ stored: [StoredKey], sealer: Sealer) throws -> ServerKeys {
        func bytes(_ key: StoredKey) throws -> [UInt8] {
            guard let bytes = sealer.open(key.sealed, context: context(key.purpose, key.id)) else {
                throw Failure.sealedUnderAnotherKey(id: key.id)
            }
            return bytes
        }
        func privateKey(_ key: StoredKey) throws -> PrivateJWK {
            try PrivateJWK(parsing: JSONValue(parsing: try bytes(key)))
        }
        func active(_ purpose: StoredKey.Purpose) throws -> StoredKey {
            guard let key = stored.last(where: { $0.isActive(for: purpose) }) else { throw Failure.missing(purpose) }
            return key
        }
        let retired = stored.filter { $0.retiredAt != nil && [.accessToken, .idToken].contains($0.purpose) }
        let root = try active(.refreshRoot)
        guard let derivation = DerivationKey(try bytes(root)) else { throw Failure.unreadable(id: root.id) }
        let checkpointKeys = try stored.filter { $0.purpose == .auditCheckpoint && $0.retiredAt != nil }
            .map { try privateKey($0).publicKey }
        let checkpointKey = try privateKey(try active(.auditCheckpoint))
        return ServerKeys(
            signer: try TokenSigner(
                accessTokenKey: try privateKey(try active(.accessToken)),
                idTokenKey: try privateKey(try active(.idToken)),
                announced: try retired.map { try privateKey($0).publicKey }),
            refreshTokens: RefreshTokenMint(key: derivation), references: derivation,
            pageLinkKeys: try stored.filter { $0.purpose == .pageLink }.reversed().map(bytes),
            checkpointKey: checkpointKey, checkpointKeys: JWKSet([checkpointKey.publicKey] + checkpointKeys))
    }
}

extension StoredKey {
    func isActive(for purpose: Purpose) -> Bool { self.purpose == purpose && retiredAt == nil }
}
