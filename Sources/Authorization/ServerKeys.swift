internal import AccessPolicy
internal import Audit
internal import FHIRCore
public import OAuthCore
internal import Synchronization

/// The keys of the server, opened, as they are at this moment.
///
/// A class because keys change while the server runs: whoever holds it sees a new ring from the next use on. The lock is
/// `state`; a ring itself never changes.
public final class ServerKeys: Sendable {
    private struct Ring: Sendable {
        let signer: TokenSigner
        let refreshTokens: RefreshTokenMint
        let references: DerivationKey
        let pageLinks: Sealer
        let pageLinkIDs: [String]
        let checkpointKey: PrivateJWK
        let checkpointKeys: JWKSet
    }

    private struct State: Sendable {
        var ring: Ring
        /// How many reloads have begun, and which of them the ring is from.
        var turns = 0
        var turn = 0
        var observers: [@Sendable () -> Void] = []
    }

    private let store: any KeyStore
    private let sealer: Sealer
    private let state: Mutex<State>

    /// Signs access tokens and id_tokens, and knows every key that still verifies.
    public var signer: TokenSigner { state.withLock { $0.ring.signer } }
    /// Derives refresh tokens.
    var refreshTokens: RefreshTokenMint { state.withLock { $0.ring.refreshTokens } }
    /// Derives the proofs of reference tokens.
    var references: DerivationKey { state.withLock { $0.ring.references } }
    /// Seals page links; opens those that any key seals which still stands.
    public var pageLinkSealer: Sealer { state.withLock { $0.ring.pageLinks } }
    /// Signs checkpoints and removals of the audit trail.
    public var checkpointKey: PrivateJWK { state.withLock { $0.ring.checkpointKey } }
    /// The public halves of all keys that ever signed checkpoints, the present one first.
    public var checkpointKeys: JWKSet { state.withLock { $0.ring.checkpointKeys } }

    /// Why the stored keys cannot be used.
    public enum Failure: Error, Hashable, Sendable {
        /// A sealed key does not open: the installation's own keys are not those it was sealed under.
        case sealedUnderAnotherKey(id: String)
        case unreadable(id: String)
        case missing(StoredKey.Purpose)
    }

    private init(_ ring: Ring, store: any KeyStore, sealer: Sealer) {
        self.store = store
        self.sealer = sealer
        state = Mutex(State(ring: ring))
    }

    /// Opens the stored keys, makes those that are not there yet, and seals anew what an older root key holds.
    static func load(
        from store: any KeyStore, sealer: Sealer, clock: Clock, random: RandomSource
    ) async throws -> ServerKeys {
        let maker = RecordMaker(clock: clock, random: random, source: RequestSource(address: "local"))
        let stored = try await store.keys()
        for purpose in StoredKey.Purpose.allCases where !stored.contains(where: { $0.isActive(for: purpose) }) {
            let key = try make(purpose, sealer: sealer, random: random, at: clock.now(), isAnnounced: false)
            // The write judges by itself; a key that is there by now is then ours too.
            _ = try await store.insertFirst(
                key, record: maker.record(.keyChanged, detail: "made the \(purpose.rawValue) key \(key.id)"))
        }
        try await resealOld(in: store, sealer: sealer, random: random)
        return ServerKeys(try open(try await store.keys(), sealer: sealer), store: store, sealer: sealer)
    }

    /// Takes the stored keys as they are now; says whether anything changed. Observers hear of a change before it returns.
    @discardableResult
    func reload() async throws -> Bool {
        let turn = state.withLock { state -> Int in
            state.turns += 1
            return state.turns
        }
        let ring = try Self.open(try await store.keys(), sealer: sealer)
        let observers = state.withLock { state -> [@Sendable () -> Void] in
            // INVARIANT: a ring is never followed by one whose reload began earlier. The one that is here was read
            // after this reload began, so it has everything that the caller knows of.
            guard turn > state.turn else { return state.observers }
            state.turn = turn
            let old = state.ring.signer.verificationKeys
            let hasChanged =
                old != ring.signer.verificationKeys || state.ring.pageLinkIDs != ring.pageLinkIDs
                || state.ring.signer.accessTokenKey.keyID != ring.signer.accessTokenKey.keyID
                || state.ring.signer.idTokenKey.keyID != ring.signer.idTokenKey.keyID
            state.ring = ring
            return hasChanged ? state.observers : []
        }
        for observer in observers { observer() }
        return !observers.isEmpty
    }

    /// Calls `work` whenever keys have changed, so that what was verified with old ones can be forgotten.
    public func observe(_ work: @escaping @Sendable () -> Void) { state.withLock { $0.observers.append(work) } }

    // MARK: - making and opening

    static func make(
        _ purpose: StoredKey.Purpose, sealer: Sealer, random: RandomSource, at now: Int64, isAnnounced: Bool
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
        return StoredKey(id: id, purpose: purpose, sealed: sealed, createdAt: now, isAnnounced: isAnnounced)
    }

    func make(_ purpose: StoredKey.Purpose, random: RandomSource, at now: Int64, isAnnounced: Bool) throws -> StoredKey
    {
        try Self.make(purpose, sealer: sealer, random: random, at: now, isAnnounced: isAnnounced)
    }

    /// What is sealed for one purpose or name does not open as another.
    private static func context(_ purpose: StoredKey.Purpose, _ id: String) -> String {
        "key:\(purpose.rawValue):\(id)"
    }

    /// Seals under the first root key what opens under a later one only, so that the later one can be taken away.
    private static func resealOld(in store: any KeyStore, sealer: Sealer, random: RandomSource) async throws {
        for key in try await store.keys()
        where !sealer.opensWithFirst(key.sealed, context: context(key.purpose, key.id)) {
            guard let bytes = sealer.open(key.sealed, context: context(key.purpose, key.id)) else {
                throw Failure.sealedUnderAnotherKey(id: key.id)
            }
            let sealed = try sealer.seal(bytes, context: context(key.purpose, key.id), random: random)
            _ = try await store.reseal(key.id, from: key.sealed, to: sealed)
        }
    }

    private static func open(_ stored: [StoredKey], sealer: Sealer) throws -> Ring {
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
        let others = stored.filter { $0.standing != .active && [.accessToken, .idToken].contains($0.purpose) }
        let root = try active(.refreshRoot)
        guard let derivation = DerivationKey(try bytes(root)) else { throw Failure.unreadable(id: root.id) }
        let links = pageLinks(stored)
        guard let newest = links.first else { throw Failure.missing(.pageLink) }
        guard let linkSealer = Sealer(keys: try links.map(bytes)) else { throw Failure.unreadable(id: newest.id) }
        let checkpointKeys = try stored.filter { $0.purpose == .auditCheckpoint && $0.standing != .active }
            .map { try privateKey($0).publicKey }
        let checkpointKey = try privateKey(try active(.auditCheckpoint))
        return Ring(
            signer: try TokenSigner(
                accessTokenKey: try privateKey(try active(.accessToken)),
                idTokenKey: try privateKey(try active(.idToken)),
                announced: try others.map { try privateKey($0).publicKey }),
            refreshTokens: RefreshTokenMint(key: derivation), references: derivation,
            pageLinks: linkSealer, pageLinkIDs: links.map(\.id), checkpointKey: checkpointKey,
            checkpointKeys: JWKSet([checkpointKey.publicKey] + checkpointKeys))
    }

    /// The active key seals; retired ones still open, and an announced one already does, for another process may be ahead.
    private static func pageLinks(_ stored: [StoredKey]) -> [StoredKey] {
        let keys = stored.filter { $0.purpose == .pageLink }
        return keys.filter { $0.standing == .active } + keys.filter { $0.standing != .active }.reversed()
    }
}

extension StoredKey {
    func isActive(for purpose: Purpose) -> Bool { self.purpose == purpose && standing == .active }
}
