import AccessPolicy
import Audit
import Foundation
import GRDB
import OAuthCore
import Persistence
import RequirementTraits
import Synchronization
import Testing

/// What has been kept long enough goes, and leaves proof; nothing else can make it go.
@Suite(.verifies("audit@retention")) struct AuditRetentionTests {
    private static let day: Int64 = 86_400_000
    private let folder: LogFolder
    private let key: PrivateJWK
    private let sink: AuditSQLiteSink
    private let time = TestTime()

    init() throws {
        folder = try LogFolder()
        key = try PrivateJWK.generate(.es256)
        sink = try AuditSQLiteSink(path: "\(folder.path)/audit.db")
    }

    /// A clock that a test moves.
    private final class TestTime: Sendable {
        private let value = Mutex<Int64>(1_700_000_000_000)
        var clock: AuditClock { AuditClock { self.value.withLock { $0 } } }
        func pass(_ days: Int64) { value.withLock { $0 += days * AuditRetentionTests.day } }
    }

    private func record(_ id: String, entity: String? = nil, patient: String = "p", isAnonymous: Bool = false)
        -> AccessRecord
    {
        AccessRecord(
            decisionID: DecisionID(id), clientID: isAnonymous ? nil : ClientID("app"),
            tokenID: isAnonymous ? nil : TokenID("t"), patients: [patient], interaction: .read,
            resourceType: "Observation", resourceID: "o", method: "GET",
            path: "/Observation/o", outcome: .permitted, status: 200, released: 1, startedAt: 5,
            reportingEntity: entity)
    }

    private func with<Value>(_ work: (AuditRecorder) async throws -> Value) async throws -> Value {
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: time.clock)
        let value = try await work(recorder)
        recorder.shutdown()
        return value
    }

    private func checkpoint(_ recorder: AuditRecorder) async throws {
        try await AuditCheckpointer(node: "n", store: sink, key: key, clock: time.clock) {
            try await recorder.recordOnce($0)
        }.make()
    }

    private func retention(_ recorder: AuditRecorder, _ rules: [AuditRetentionPolicy.Rule]) -> AuditRetention {
        AuditRetention(
            node: "n", store: sink, policy: AuditRetentionPolicy(rules: rules), key: key, clock: time.clock
        ) { try await recorder.recordOnce($0) }
    }

    private func verify() throws -> AuditVerification {
        try AuditSQLiteVerification.verify(path: "\(folder.path)/audit.db", keys: JWKSet([key.publicKey]))
    }

    private struct Late: Error {}

    /// Ten accesses under two entities, a checkpoint, and time that passes.
    private func filled(_ days: Int64) async throws {
        try await with { recorder in
            for number in 0..<10 {
                _ = try await recorder.record(
                    record("d-\(number)", entity: number.isMultiple(of: 2) ? "even" : "odd", patient: "p-\(number)")
                ).decisionID
            }
            try await checkpoint(recorder)
            time.pass(days)
            _ = try await recorder.record(record("new")).decisionID
            try await checkpoint(recorder)
        }
    }

    @Test func `nothing goes before its time`() async throws {
        try await filled(3652)
        let outcome = try await with { try await retention($0, []).run() }
        #expect(outcome == .init())
        #expect(try verify().chains.map(\.removed) == [0])
    }

    @Test func `after ten years what was kept goes in one run, and the chain is still whole`() async throws {
        try await filled(3654)

        let outcome = try await with { try await retention($0, []).run() }

        // Ten accesses and the mark of their checkpoint.
        #expect(outcome.removed == 11)
        #expect(outcome.runs == 1)
        let verification = try verify()
        #expect(verification.findings == [])
        #expect(verification.chains.map(\.removed) == [11])
        #expect(try sink.search(AuditQuery(patient: "p-3")).entries == [])
        let marks = try sink.search(AuditQuery(kinds: ["records-removed"])).entries
        #expect(marks.count == 1)
    }

    @Test func `rules go by class and reporting entity, and leave holes that are proved`() async throws {
        try await filled(400)

        let outcome = try await with {
            try await retention($0, [.init(recordClass: .access, reportingEntity: "even", days: 365)]).run()
        }

        #expect(outcome.removed == 5)
        #expect(outcome.runs == 5)
        #expect(try verify().findings == [])
        #expect(try sink.search(AuditQuery(patient: "p-1")).entries.count == 1)
        #expect(try sink.search(AuditQuery(patient: "p-2")).entries == [])
    }

    @Test func `a rehearsal removes nothing`() async throws {
        try await filled(3654)
        let outcome = try await with { try await retention($0, []).run(isRehearsal: true) }
        #expect(outcome.removed == 11)
        #expect(try verify().chains.map(\.removed) == [0])
    }

    @Test func `a legal hold keeps what it names until it is lifted`() async throws {
        try await filled(3654)
        try await with { try await $0.record(Self.placing) }

        let held = try await with { try await retention($0, []).run() }
        let keptWhileHeld = try sink.search(AuditQuery(patient: "p-4", kinds: ["access"])).entries.count
        try await with { try await $0.record(Self.lifting("l-1")) }
        let lifted = try await with { try await retention($0, []).run() }

        #expect(held.removed == 10)
        #expect(held.held == 1)
        #expect(keptWhileHeld == 1)
        #expect(lifted.removed == 1)
        #expect(try verify().findings == [])
        // A name is placed once and lifted once.
        try await with { recorder in
            try await recorder.record(Self.lifting("l-2"))
            var again = Self.placing
            again.id = DecisionID("again")
            try await recorder.record(again)
        }
        #expect(try sink.holds() == [])
        #expect(try verify().findings == [])
    }

    private static let placing = AuthorizationRecord(
        placing: LegalHold(id: "h", patient: "p-4", reason: "claim", placedBy: "admin", placedAt: 1),
        id: DecisionID("placing"), sourceAddress: "local", traceID: nil)

    private static func lifting(_ id: String) -> AuthorizationRecord {
        AuthorizationRecord(
            lifting: "h", by: "admin", id: DecisionID(id), sourceAddress: "local", at: 2, traceID: nil)
    }

    /// Between judging a page and removing it somebody places a hold: `delivered` is asked in between.
    @Test func `a hold that comes while a page is judged is kept`() async throws {
        try await filled(3654)
        let sink = sink
        let isPlaced = Mutex(false)
        let outcome = try await with { recorder in
            try await AuditRetention(
                node: "n", store: sink, policy: AuditRetentionPolicy(rules: []), key: key, clock: time.clock,
                delivered: {
                    let isFirst = isPlaced.withLock { placed in
                        defer { placed = true }
                        return !placed
                    }
                    if isFirst {
                        let isStored = DispatchSemaphore(value: 0)
                        Task.detached {
                            try await recorder.record(Self.placing)
                            isStored.signal()
                        }
                        guard isStored.wait(timeout: .now() + 20) == .success else { throw Late() }
                    }
                    return .max
                }
            ) { try await recorder.recordOnce($0) }.run()
        }

        #expect(outcome.removed == 10 && outcome.held == 1)
        #expect(try sink.search(AuditQuery(patient: "p-4")).entries.map(\.index.kind) == ["hold-placed", "access"])
        #expect(try verify().findings == [])
    }

    @Test func `what a feed has not delivered stays, however old it is`() async throws {
        try await filled(3654)
        try sink.advance(SignedAuditFeedCursor(feed: "slow", source: .records, position: 4, signedWith: key))
        let (sink, keys) = (sink, JWKSet([key.publicKey]))
        let outcome = try await with { recorder in
            try await AuditRetention(
                node: "n", store: sink, policy: AuditRetentionPolicy(rules: []), key: key, clock: time.clock,
                delivered: { try sink.delivered(by: "slow", of: .records, keys: keys) }
            ) { try await recorder.recordOnce($0) }.run()
        }

        #expect(outcome.removed == 4 && outcome.undelivered == 7)
        #expect(try sink.entries(after: 0, limit: 1).map(\.position) == [5])
        #expect(try verify().findings == [])
    }

    @Test func `what no checkpoint covers stays`() async throws {
        try await with { recorder in
            _ = try await recorder.record(record("d")).decisionID
            time.pass(5000)
            #expect(try await retention(recorder, []).run() == .init())
        }
    }

    @Test func `an open access stays, and so does what closes one that stays`() async throws {
        try await with { recorder in
            let open = try await recorder.open(record("open"))
            let closing = try await recorder.open(record("closed", entity: "kept"))
            _ = try await recorder.close(closing, record("closed")).decisionID
            #expect(open.decisionID == DecisionID("open"))
            time.pass(1)
            _ = try await recorder.record(record("later")).decisionID
            try await checkpoint(recorder)
            time.pass(400)
            let outcome = try await retention(
                recorder, [.init(reportingEntity: "kept", days: 3000), .init(days: 30)]
            ).run()
            #expect(outcome.removed == 0)
        }
        #expect(try verify().findings == [])
    }

    @Test func `nothing else can take an entry out`() async throws {
        try await filled(1)
        try sink.close()
        let queue = try DatabaseQueue(path: "\(folder.path)/audit.db")
        for sql in [
            "DELETE FROM audit_entry WHERE sequence = 3", "DELETE FROM audit_checkpoint",
            "UPDATE audit_checkpoint SET number = 9",
        ] {
            await #expect(throws: DatabaseError.self) { try await queue.write { try $0.execute(sql: sql) } }
        }
    }

    @Test func `a removal whose entries are not there is refused whole`() async throws {
        try await filled(1)
        let run = AuditRemovedRun(node: "n", first: 5, last: 50, previous: .origin, hash: .origin)
        let removal = try SignedAuditRemoval(
            AuditRemoval(number: 1, node: "n", at: 1, rule: "r", runs: [run], previous: .origin), signedWith: key)

        #expect(throws: AuditFailure.self) { try sink.remove(removal, runs: [run], judgedUnder: []) }

        #expect(try sink.latestRemoval() == nil)
        #expect(try verify().findings == [])
    }

    @Test(arguments: [
        ("UPDATE audit_removed_run SET last = last + 1", "removal 1: changed"),
        ("DELETE FROM audit_removed_run", "removal 1: changed"),
        ("UPDATE audit_removal SET compact = replace(compact, 'ey', 'ez')", "removal 1: forged"),
        ("DELETE FROM audit_removed_run; DELETE FROM audit_removal", "removal 1: missing"),
    ]) func `proof of a removal that was changed is found`(sql: String, finding: String) async throws {
        try await filled(3654)
        _ = try await with { try await retention($0, []).run() }
        try sink.close()
        // A copy is of the file alone.
        let queue = try DatabaseQueue(path: "\(folder.path)/audit.db")
        try await queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
        try queue.close()
        let log = AuditLogFixture(path: "\(folder.path)/audit.db", key: key, checkpoints: [])
        let path = try log.tampered("t.db") { try $0.execute(sql: sql) }

        let found = try log.verify(path).findings.map { "\($0.place): \($0.fault.rawValue)" }

        #expect(found.contains(finding), "\(found)")
        #expect(found.contains("entry n/1: missing"))
    }
}
