import AccessPolicy
import Audit
import ChaperoneTesting
import OAuthCore
import RequirementTraits
import Testing

/// Checkpoints fix what was written; nothing is fixed that was changed meanwhile.
@Suite struct CheckpointTests {
    private let sink = InMemoryAuditSink()
    private let store: InMemoryCheckpointStore
    private let recorder: AuditRecorder
    private let key: PrivateJWK
    private let checkpointer: AuditCheckpointer

    init() throws {
        store = InMemoryCheckpointStore(over: sink)
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: stillClock)
        self.recorder = recorder
        key = try PrivateJWK.generate(.es256)
        checkpointer = AuditCheckpointer(node: "n", store: store, key: key, clock: stillClock) {
            try await recorder.recordOnce($0)
        }
    }

    private func write(_ count: Int) async throws {
        for number in 0..<count {
            _ = try await recorder.record(sampleRecord("d-\(sink.entries.count)-\(number)")).decisionID
        }
    }

    @Test(arguments: [
        (["aa", "ab"], ["aa", "ab"]), (["a", "ab", "abc", "b"], ["abc", "b"]), (["abc", "ab", "abd"], ["abc", "abd"]),
        (["x", "x"], ["x", "x"]), ([], []),
    ]) func `what a torn write left of an anchor is none`(lines: [String], whole: [String]) {
        #expect(AnchorLines.whole(lines) == whole)
    }

    @Test(arguments: [
        (["eyJa.eyJb.c_-"], ["eyJa.eyJb.c_-"]),
        (["<109>1 - host chaperone n checkpoint - eyJa.eyJb.c"], ["eyJa.eyJb.c"]),
        (["Nov 26 00:00:01 host chaperone[n] eyJa.eyJb.c", "other message", ""], ["eyJa.eyJb.c"]),
        (["nonsense"], ["nonsense"]), (["1 two.three.four", "a eyJa.b", "a eyJa.b.c.d", "a eyJa.b.c="], []),
        (["<109>1 - h c n checkpoint - eyJa.eyJb.cd", "eyJa.eyJb.c"], ["eyJa.eyJb.cd"]), ([], []),
    ]) func `checkpoints are found in what a receiver of syslog wrote`(lines: [String], found: [String]) {
        #expect(AnchorLines.checkpoints(lines) == found)
    }

    @Test func `a log without entries has no checkpoint`() async throws {
        #expect(try await checkpointer.make() == nil)
    }

    @Test func `nothing new makes no new checkpoint`() async throws {
        try await write(3)
        #expect(try await checkpointer.make() != nil)
        #expect(try await checkpointer.make() == nil)
        #expect(store.stored.count == 1)
    }

    @Test(.verifies("audit@checkpoints")) func `a checkpoint says how many entries there are and what the last one is`()
        async throws
    {
        try await write(3)
        let first = try #require(try await checkpointer.make()).checkpoint
        try await write(2)
        let second = try #require(try await checkpointer.make()).checkpoint

        #expect((first.number, first.sequence) == (1, 3))
        #expect(first.head == sink.entries[2].hash)
        #expect(first.previous == .origin)
        #expect(second.number == 2)
        // Three, the mark of the first checkpoint, two.
        #expect(second.sequence == 6)
        #expect(second.previous == .digest(of: store.stored[0].compact))
    }

    @Test func `an entry of the chain names each checkpoint`() async throws {
        try await write(1)
        let made = try #require(try await checkpointer.make())

        let mark = try #require(sink.entries.last).statement()
        guard case .authorization(let record) = mark.event else { throw Missing() }
        #expect(record.kind == .checkpoint)
        #expect(record.detail == "checkpoint 1 \(made.digest)")
    }

    @Test func `a chain that was changed gets no new checkpoint`() async throws {
        try await write(3)
        try await checkpointer.make()
        try await write(1)
        sink.tamper { entries in
            let old = entries[2]
            entries[2] = AuditEntry(
                node: old.node, sequence: old.sequence, recordedAt: old.recordedAt, previous: old.previous,
                hash: .origin, body: old.body, index: old.index)
        }

        await #expect(throws: AuditFailure.self) { try await checkpointer.make() }
    }

    @Test func `nothing is signed over a checkpoint whose signature was spoilt`() async throws {
        try await write(3)
        try await checkpointer.make()
        try await write(1)
        store.tamper { checkpoints in
            let old = checkpoints[0]
            var text = Array(old.compact.utf8)
            text[text.count - 20] ^= 1
            checkpoints[0] = StoredAuditCheckpoint(
                position: old.position, node: old.node, number: old.number, sequence: old.sequence,
                compact: String(decoding: text, as: UTF8.self))
        }

        await #expect(throws: AuditFailure.self) { try await checkpointer.make() }
    }

    @Test func `a checkpoint of an earlier key of ours is built on`() async throws {
        try await write(1)
        try await checkpointer.make()
        try await write(1)
        let next = try PrivateJWK.generate(.es256)
        func later(knowing keys: [PrivateJWK]) -> AuditCheckpointer {
            AuditCheckpointer(
                node: "n", store: store, key: next, known: JWKSet(keys.map(\.publicKey)), clock: stillClock
            ) { [recorder] in try await recorder.recordOnce($0) }
        }

        await #expect(throws: AuditFailure.self) { try await later(knowing: [next]).make() }
        #expect(try await later(knowing: [next, key]).make()?.checkpoint.number == 2)
    }

    @Test func `checkpoints of other nodes are named`() async throws {
        let other = try AuditRecorder(sink: sink, node: "m", clock: stillClock)
        _ = try await other.record(sampleRecord("m-1")).decisionID
        let theirs = try await AuditCheckpointer(node: "m", store: store, key: key, clock: stillClock) {
            try await other.recordOnce($0)
        }.make()
        try await write(1)

        let ours = try #require(try await checkpointer.make()).checkpoint

        #expect(ours.seen == [.init(node: "m", number: 1, digest: try #require(theirs).digest)])
    }

    @Test func `a checkpoint under another key is forged`() async throws {
        try await write(1)
        let made = try #require(try await checkpointer.make())
        let stranger = try PrivateJWK.generate(.es256)

        #expect(throws: AuditFormatError.self) {
            _ = try SignedAuditCheckpoint(verifying: made.compact, keys: JWKSet([stranger.publicKey]))
        }
        #expect(try SignedAuditCheckpoint(verifying: made.compact, keys: JWKSet([key.publicKey])) == made)
    }

    @Test func `a removal is no checkpoint, though the same key signed it`() throws {
        let removal = try SignedAuditRemoval(
            AuditRemoval(number: 1, node: "n", at: 1, rule: "r", runs: [], previous: .origin), signedWith: key)

        #expect(throws: AuditFormatError.self) {
            _ = try SignedAuditCheckpoint(verifying: removal.compact, keys: JWKSet([key.publicKey]))
        }
    }

    @Test(arguments: CheckpointStoreContract.allCases)
    func `the store in memory keeps the contract`(_ promise: CheckpointStoreContract) throws {
        try promise.check(InMemoryCheckpointStore(over: InMemoryAuditSink()), signedWith: key)
    }

    private struct Missing: Error {}
}
