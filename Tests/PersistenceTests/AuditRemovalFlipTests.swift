import AccessPolicy
import Audit
import Foundation
import GRDB
import OAuthCore
import Persistence
import RequirementTraits
import Synchronization
import Testing

/// What stands for removed entries is as hard to change as the entries were.
@Suite(.verifies("audit@single-bit", "audit@retention")) struct AuditRemovalFlipTests {
    private static let start: Int64 = 1_700_000_000_000

    /// A closed log of twelve records of which rules have taken out two kinds, in several runs of two removals.
    private static func log(in folder: LogFolder) async throws -> AuditLogFixture {
        let path = "\(folder.path)/audit.db"
        let key = try PrivateJWK.generate(.es256)
        let sink = try AuditSQLiteSink(path: path)
        let now = Mutex(start)
        let clock = AuditClock { now.withLock { $0 } }
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: clock)
        let record: @Sendable (AuthorizationRecord) async throws -> Void = { try await recorder.recordOnce($0) }
        for number in 0..<12 {
            _ = try await recorder.record(
                AccessRecord(
                    decisionID: DecisionID("d-\(number)"), clientID: ClientID("app"), tokenID: TokenID("t"),
                    patients: ["p"], interaction: .read, resourceType: "Observation", resourceID: "o", method: "GET",
                    path: "/Observation/o", outcome: .permitted, status: 200, released: 1, startedAt: 5,
                    reportingEntity: "e\(number % 3)")
            ).decisionID
        }
        let checkpointer = AuditCheckpointer(node: "n", store: sink, key: key, clock: clock, record: record)
        try await checkpointer.make()
        for days in [Int64(400), 800] {
            now.withLock { $0 = start + days * 86_400_000 }
            let rules = [
                AuditRetentionPolicy.Rule(reportingEntity: "e0", days: 365),
                AuditRetentionPolicy.Rule(reportingEntity: "e1", days: 730),
            ]
            _ = try await AuditRetention(
                node: "n", store: sink, policy: AuditRetentionPolicy(rules: rules), key: key, clock: clock,
                record: record
            ).run()
        }
        try await checkpointer.make()
        recorder.shutdown()
        try sink.close()
        let queue = try DatabaseQueue(path: path)
        try await queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
        try queue.close()
        return AuditLogFixture(path: path, key: key, checkpoints: [])
    }

    @Test func `every value of runs and removals is looked at`() async throws {
        let folder = try LogFolder()
        let log = try await Self.log(in: folder)
        let whole = try log.verify()
        #expect(whole.findings == [])
        #expect(whole.chains.map(\.removed) == [8])

        let changes = [
            "UPDATE audit_removed_run SET node = 'o' WHERE first = (SELECT min(first) FROM audit_removed_run)",
            "UPDATE audit_removed_run SET first = first + 1 WHERE first = (SELECT max(first) FROM audit_removed_run)",
            "UPDATE audit_removed_run SET last = last + 1 WHERE first = (SELECT min(first) FROM audit_removed_run)",
            "UPDATE audit_removed_run SET previous = zeroblob(32) WHERE first = (SELECT max(first) FROM audit_removed_run)",
            "UPDATE audit_removed_run SET hash = zeroblob(32) WHERE first = (SELECT min(first) FROM audit_removed_run)",
            "UPDATE audit_removed_run SET removal = 3 - removal WHERE first = (SELECT min(first) FROM audit_removed_run)",
            "DELETE FROM audit_removed_run WHERE first = (SELECT min(first) FROM audit_removed_run)",
            "UPDATE audit_removal SET number = 7 WHERE number = 2", "DELETE FROM audit_removal WHERE number = 2",
            "DELETE FROM audit_removal WHERE number = 1",
            "UPDATE audit_removal SET compact = (SELECT compact FROM audit_removal WHERE number = 1) WHERE number = 2",
        ]
        for sql in changes {
            let path = try log.tampered("changed.db") { try $0.execute(sql: sql) }
            #expect(try !log.verify(path).isWhole, "\(sql)")
        }
    }

    @Test(arguments: 0..<40) func `a bit of a signed removal is found, and the removal named`(number: Int) async throws
    {
        let folder = try LogFolder()
        let log = try await Self.log(in: folder)
        var random = FlipRandom(state: UInt64(number))
        let path = try log.tampered("bit.db") { database in
            let compact = try String.fetchOne(database, sql: "SELECT compact FROM audit_removal WHERE number = 1") ?? ""
            var bytes = Array(compact.utf8)
            let place = Int.random(in: 0..<bytes.count, using: &random)
            bytes[place] ^= 1 << UInt8.random(in: 0..<7, using: &random)
            try database.execute(
                sql: "UPDATE audit_removal SET compact = ? WHERE number = 1",
                arguments: [String(decoding: bytes, as: UTF8.self)])
        }
        let findings = try log.verify(path).findings
        #expect(findings.contains { $0.place == .removal(1) }, "\(findings)")
    }
}
