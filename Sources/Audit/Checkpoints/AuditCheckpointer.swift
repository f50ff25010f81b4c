internal import AccessPolicy
public import OAuthCore

/// Makes the checkpoints of one node.
///
/// After each one an entry of kind `checkpoint` goes into the chain and names it, so that the newest checkpoint cannot
/// be taken away without an entry missing.
public struct AuditCheckpointer: Sendable {
    private let node: String
    private let store: any AuditCheckpointStore
    private let key: PrivateJWK
    private let known: JWKSet
    private let clock: AuditClock
    private let record: @Sendable (AuthorizationRecord) async throws -> Void

    /// A checkpointer for the chain of `node`; `record` writes an entry durably, once. `known` are the public halves of all
    /// keys that ever signed here; without it, that of `key` alone.
    public init(
        node: String, store: any AuditCheckpointStore, key: PrivateJWK, known: JWKSet? = nil,
        clock: AuditClock = .system, record: @escaping @Sendable (AuthorizationRecord) async throws -> Void
    ) {
        self.node = node
        self.store = store
        self.key = key
        self.known = known ?? JWKSet([key.publicKey])
        self.clock = clock
        self.record = record
    }

    /// Makes a checkpoint of everything that is written by now; nil when nothing was added since the last one.
    ///
    /// - Throws: `AuditFailure.chainBroken` when the chain no longer has what the last checkpoint fixed: then no new
    ///   signature must make it look whole.
    @discardableResult public func make() async throws -> SignedAuditCheckpoint? {
        let latest = try store.latestCheckpoints()
        let own = latest.first { $0.node == node }
        guard let (end, kind) = try store.end(of: node) else {
            guard own == nil else { throw AuditFailure.chainBroken(detail: "the chain of `\(node)` is gone") }
            return nil
        }
        if let own {
            try demandUnbroken(own)
            let isOnlyItsOwnMark =
                kind == AuthorizationRecord.Kind.checkpoint.rawValue && end.sequence == own.sequence.following
            if end.sequence == own.sequence || isOnlyItsOwnMark { return nil }
        }
        let checkpoint = AuditCheckpoint(
            node: node, number: (own?.number ?? 0).following, sequence: end.sequence, head: end.hash,
            at: clock.milliseconds(), previous: own.map { ChainHash.digest(of: $0.compact) } ?? .origin,
            seen: latest.filter { $0.node != node }.map {
                .init(node: $0.node, number: $0.number, digest: .digest(of: $0.compact))
            })
        let signed = try SignedAuditCheckpoint(checkpoint, signedWith: key)
        try store.append(signed)
        try await record(Self.mark(signed, keyID: key.keyID))
        return signed
    }

    private func demandUnbroken(_ own: StoredAuditCheckpoint) throws {
        let last: SignedAuditCheckpoint
        do { last = try SignedAuditCheckpoint(verifying: own.compact, keys: known) } catch {
            // A checkpoint without a signature of ours fixes nothing, so nobody can say that the chain is what it was.
            throw AuditFailure.chainBroken(detail: "checkpoint \(own.number) of `\(node)` is forged: \(error.detail)")
        }
        guard last.checkpoint.node == node, last.checkpoint.number == own.number,
            last.checkpoint.sequence == own.sequence
        else {
            throw AuditFailure.chainBroken(detail: "checkpoint \(own.number) of `\(node)` is not what was signed")
        }
        guard try store.hash(at: last.checkpoint.sequence, of: node) == last.checkpoint.head else {
            throw AuditFailure.chainBroken(
                detail: "entry \(last.checkpoint.sequence) of `\(node)` is not what checkpoint \(own.number) fixed")
        }
    }

    /// The entry that names a checkpoint.
    static func mark(_ signed: SignedAuditCheckpoint, keyID: String) -> AuthorizationRecord {
        let checkpoint = signed.checkpoint
        return AuthorizationRecord(
            id: DecisionID("checkpoint-\(checkpoint.node)-\(checkpoint.number)"), kind: .checkpoint,
            outcome: .succeeded, detail: AuditCheckpointMark(number: checkpoint.number, digest: signed.digest).text,
            at: checkpoint.at)
    }
}

/// What an entry of kind `checkpoint` says in its detail: which checkpoint there must be.
struct AuditCheckpointMark: Hashable, Sendable {
    let number: Int64
    let digest: ChainHash

    var text: String { "checkpoint \(number) \(digest)" }

    init(number: Int64, digest: ChainHash) {
        self.number = number
        self.digest = digest
    }

    init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "checkpoint", let number = Int64(words[1]),
            let digest = ChainHash(hexadecimal: String(words[2]))
        else { return nil }
        self.init(number: number, digest: digest)
    }
}
