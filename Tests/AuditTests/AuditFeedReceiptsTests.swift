import AccessPolicy
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import Audit

/// One record that a receiver will not take does not hold back the others, and is not passed over in silence.
@Suite(.verifies("audit@feed-refused")) struct AuditFeedReceiptsTests {
    private static func batch(_ count: Int) async throws -> AuditFeedBatch {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n")
        for number in 0..<count { _ = try await recorder.record(sampleRecord("d-\(number)")).decisionID }
        return AuditFeedBatch(items: sink.entries.map { .record($0) }, through: Int64(count))
    }

    private static func answer(_ taken: [AuditFeedItem], refused: [AuditFeedItem] = []) -> AuditFeedAnswer {
        AuditFeedAnswer(
            taken: Set(taken.map(\.digest)),
            refused: Dictionary(refused.map { ($0.digest, "HTTP 422") }) { first, _ in first }, description: "")
    }

    @Test func `what was taken is not sent again while the rest waits`() async throws {
        let batch = try await Self.batch(4)
        var receipts = AuditFeedReceipts()
        #expect(receipts.note(Self.answer([batch.items[0], batch.items[2]]), to: batch) == [])
        #expect(receipts.remaining(of: batch) == [batch.items[1], batch.items[3]])
    }

    @Test func `what a receiver refuses is given up after six attempts, when it took others`() async throws {
        let batch = try await Self.batch(3)
        let poison = batch.items[1]
        var receipts = AuditFeedReceipts()
        for attempt in 1...AuditFeedReceipts.attempts {
            let taken = attempt == 1 ? [batch.items[0], batch.items[2]] : []
            let given = receipts.note(Self.answer(taken, refused: [poison]), to: batch)
            #expect(given.map(\.item) == (attempt < AuditFeedReceipts.attempts ? [] : [poison]))
        }
        #expect(receipts.remaining(of: batch) == [])
    }

    @Test func `a receiver that refuses everything makes nothing be given up`() async throws {
        let batch = try await Self.batch(3)
        var receipts = AuditFeedReceipts()
        for _ in 0..<100 { #expect(receipts.note(Self.answer([], refused: batch.items), to: batch) == []) }
        #expect(receipts.remaining(of: batch) == batch.items)
    }

    @Test func `what it takes later shows that it works, and what it then still refuses is given up`() async throws {
        let batch = try await Self.batch(2)
        let longer = try await Self.batch(3)
        var receipts = AuditFeedReceipts()
        for _ in 0..<20 { _ = receipts.note(Self.answer([], refused: batch.items), to: batch) }
        let grown = AuditFeedBatch(items: batch.items + [longer.items[2]], through: 3)
        let given = receipts.note(Self.answer([longer.items[2]], refused: batch.items), to: grown)
        #expect(given.map(\.item) == batch.items)
    }

    @Test func `a fault of the moment never makes anything be given up`() async throws {
        let batch = try await Self.batch(2)
        var receipts = AuditFeedReceipts()
        for _ in 0..<100 { #expect(receipts.note(Self.answer([batch.items[0]]), to: batch) == []) }
        #expect(receipts.remaining(of: batch) == [batch.items[1]])
    }

    @Test func `the record names feed, entry and reason, and has one id`() async throws {
        let batch = try await Self.batch(1)
        let given = AuditFeedReceipts.GivenUp(item: batch.items[0], reason: "HTTP 422")
        let record = given.record(feed: "repository", at: 7)
        #expect(record.kind == .feedRefused)
        #expect(record.outcome == .failed(reason: "HTTP 422"))
        #expect(record.detail == "feed repository: entry n/1")
        #expect(given.record(feed: "repository", at: 8).id == record.id)
        #expect(given.record(feed: "other", at: 7).id != record.id)
    }

    @Test func `of a notice that is not taken either there is no notice`() async throws {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let given = AuditFeedReceipts.GivenUp(item: try await Self.batch(1).items[0], reason: "HTTP 422")
        #expect(!given.isNotice)
        try await recorder.record(given.record(feed: "f", at: 1))
        #expect(
            AuditFeedReceipts.GivenUp(item: .record(try #require(sink.entries.last)), reason: "HTTP 422").isNotice)
    }

    @Test func `an entry that cannot be read is passed on as an alarm`() async throws {
        guard case .record(let entry) = try await Self.batch(1).items[0] else { throw Missing() }
        let damaged = AuditEntry(
            node: entry.node, sequence: entry.sequence, recordedAt: entry.recordedAt, previous: entry.previous,
            hash: entry.hash, body: [0x7B], index: entry.index)
        let lines = AuditFeedMessage.lines(AuditFeedBatch(items: [.record(damaged)], through: 1), system: sampleSystem)
        let event = try JSONValue(parsing: Array(try #require(lines.first).utf8))
        #expect(event["id"]?.string == entry.hash.description)
        #expect(event["outcome"]?.string == "12")
        #expect(event["agent"]?.array?.count == 1)
    }

    private struct Missing: Error {}
}
