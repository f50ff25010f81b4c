import AccessPolicy
import Audit
import Foundation
import GRDB
import OAuthCore
import Persistence
import RequirementTraits
import Testing

/// Copies of logs that older releases wrote: verified as they are, and what those left behind is put in order.
@Suite struct AuditOlderLogTests {
    private let folder: LogFolder

    init() throws { folder = try LogFolder() }

    /// What takes a log back to the release before each migration, the last one first. The tables are then exactly those
    /// that the older migrations make.
    private static let back: [(migration: String, sql: String)] = [
        (
            "audit 7 removals by place",
            """
            DROP TRIGGER audit_entry_kept;
            CREATE TRIGGER audit_entry_kept BEFORE DELETE ON audit_entry
            WHEN NOT EXISTS (
                SELECT 1 FROM audit_removed_run r
                WHERE r.node = OLD.node AND r.first <= OLD.sequence AND r.last >= OLD.sequence)
            BEGIN SELECT RAISE(ABORT, 'audit entries are not deleted'); END;
            """
        ),
        ("audit 6 ids", "DROP INDEX audit_entry_hash"),
        (
            "audit 5 proved cursors",
            """
            DROP TABLE audit_feed;
            CREATE TABLE audit_feed (
                name     TEXT PRIMARY KEY,
                position INTEGER NOT NULL CHECK (position >= 0)
            ) STRICT, WITHOUT ROWID;
            """
        ),
        ("audit 4 rare kinds", "DROP INDEX audit_entry_rare"),
        ("audit 3 holds and feeds", "DROP TABLE audit_hold; DROP TABLE audit_feed"),
    ]

    /// A copy of a log as the release before so many migrations would have written it.
    private func older(_ log: AuditLogFixture, by steps: Int, saysSo: Bool = true) throws -> String {
        let path = try log.copy(to: "older-\(steps)-\(saysSo).db")
        let queue = try DatabaseQueue(path: path)
        try queue.write { database in
            for step in Self.back.prefix(steps) {
                try database.execute(sql: step.sql)
                if saysSo {
                    try database.execute(
                        sql: "DELETE FROM grdb_migrations WHERE identifier = ?", arguments: [step.migration])
                }
            }
        }
        try queue.close()
        return path
    }

    @Test(arguments: 1...back.count) func `a copy from before a release is whole`(steps: Int) async throws {
        let log = try await AuditLogFixture.make(in: folder.path, rounds: 2)
        let path = try older(log, by: steps)

        #expect(try log.verify(path).findings == [])
        // And what was done to it is still found.
        let queue = try DatabaseQueue(path: path)
        try await queue.write { try $0.execute(sql: "DROP INDEX audit_entry_client") }
        try queue.close()
        #expect(try log.verify(path).findings.map(\.place).contains(.structure("audit_entry_client")))
    }

    @Test(arguments: 1...back.count)
    func `a log without what it says that it has is not whole, and is verified all the same`(steps: Int) async throws {
        let log = try await AuditLogFixture.make(in: folder.path, rounds: 2)
        let path = try older(log, by: steps, saysSo: false)

        let findings = try log.verify(path).findings
        #expect(!findings.isEmpty)
        #expect(findings.allSatisfy { if case .structure = $0.place { true } else { false } })
    }

    @Test(.verifies("audit@read-by-id"), arguments: 1...back.count)
    func `a log of an older release is brought up to date when it is opened, and found through by ids`(steps: Int)
        async throws
    {
        let log = try await AuditLogFixture.make(in: folder.path, rounds: 2)
        let path = try older(log, by: steps)
        let sink = try AuditSQLiteSink(path: path)
        let all = try sink.search(AuditQuery(limit: 1000, includesClosedOpenings: true)).entries
        #expect(all.count > 20)
        for entry in all {
            #expect(
                try sink.search(AuditQuery(hashes: [entry.hash], includesClosedOpenings: true)).entries == [entry])
        }
        try sink.close()

        #expect(try log.verify(path).findings == [])
        let queue = try DatabaseQueue(path: path)
        try await queue.write { try $0.execute(sql: "DROP INDEX audit_entry_hash") }
        try queue.close()
        #expect(Set(try log.verify(path).findings.map(\.place)) == [.structure("audit_entry_hash")])
    }

    @Test(.verifies("audit@cursors-signed")) func `in an older copy a cursor that nobody signed is named`() async throws
    {
        let log = try await AuditLogFixture.make(in: folder.path, rounds: 1)
        let path = try older(log, by: 3)
        let queue = try DatabaseQueue(path: path)
        try await queue.write { try $0.execute(sql: "INSERT INTO audit_feed VALUES ('siem', 5)") }
        try queue.close()

        #expect(
            try log.verify(path).findings.map(\.description) == [
                "feed siem: forged: nobody signed how far it has come"
            ])
    }

    // MARK: - holds without a record

    /// A log with rows of holds that no record placed: one in force, one lifted without a record, one with one.
    private func unrecorded() async throws -> (path: String, key: PrivateJWK) {
        let path = "\(folder.path)/holds.db"
        try AuditSQLiteSink(path: path).close()
        let queue = try DatabaseQueue(path: path)
        try await queue.write { database in
            try database.execute(
                sql: """
                    INSERT INTO audit_hold VALUES
                        ('open', 'p', 'app', 'H1', ?, 'admin-a', 10, NULL, NULL),
                        ('over', NULL, NULL, NULL, 'claim', 'admin-a', 10, 'admin-b', 20),
                        ('said', 'p', NULL, NULL, 'claim', 'admin-a', 10, NULL, NULL)
                    """, arguments: ["claim " + String(repeating: "é", count: 2_000)])
        }
        try queue.close()
        let sink = try AuditSQLiteSink(path: path)
        try await record(
            [
                AuthorizationRecord(
                    lifting: "said", by: "admin-b", id: DecisionID("lift"), sourceAddress: nil, at: 30, traceID: nil)
            ], in: sink)
        try sink.close()
        return (path, try PrivateJWK.generate(.es256))
    }

    private func record(_ records: [AuthorizationRecord], in sink: AuditSQLiteSink) async throws {
        let recorder = try AuditRecorder(sink: sink, node: "n")
        for record in records { try await recorder.record(record) }
        recorder.shutdown()
    }

    private func adopt(_ id: String, in sink: AuditSQLiteSink, nonce: String = "") async throws -> Bool {
        guard let adoption = try sink.adoption(of: id) else { return false }
        var number = 0
        let records = adoption.records(
            by: "admin-c",
            id: {
                number += 1
                return DecisionID("adopt-\(id)-\(number)\(nonce)")
            }, sourceAddress: "local", at: 99, traceID: nil)
        #expect(records.allSatisfy { $0.actor == "admin-c" && $0.detail?.contains("adopted by admin-c") == true })
        try await record(records, in: sink)
        return true
    }

    @Test(.verifies("audit@holds-follow-chain"))
    func `a hold without a record is adopted as it stands, and then can be lifted`() async throws {
        let (path, key) = try await unrecorded()
        func findings() throws -> [String] {
            try AuditSQLiteVerification.verify(path: path, keys: JWKSet([key.publicKey])).findings.map(\.description)
        }
        let sink = try AuditSQLiteSink(path: path)
        #expect(try findings().count == 3)

        #expect(try await !adopt("nobody", in: sink))
        for id in ["open", "over", "said"] { #expect(try await adopt(id, in: sink), "\(id)") }

        #expect(try sink.holdFindings() == [])
        #expect(try findings() == [])
        #expect(try sink.holds().map(\.id) == ["open"])
        #expect(try sink.holds().map(\.placedBy) == ["admin-a"] && sink.holds().map(\.placedAt) == [10])
        for id in ["open", "over", "said"] { #expect(try await !adopt(id, in: sink, nonce: "-again")) }
        try await record(
            [
                AuthorizationRecord(
                    lifting: "open", by: "admin-c", id: DecisionID("end"), sourceAddress: nil, at: 100, traceID: nil)
            ], in: sink)
        #expect(try sink.holds() == [] && sink.holdFindings() == [])
        #expect(try findings() == [])
        try sink.close()
    }

    @Test(
        .verifies("audit@holds-follow-chain"),
        arguments: [
            "patient = 'q'", "reason = 'x'", "placed_by = 'x'", "lifted_by = 'admin-a', lifted_at = 50",
            "lifted_by = 'admin-a', lifted_at = 150",
        ])
    func `what was adopted and then changed is found, and is not adopted again`(change: String) async throws {
        let (path, key) = try await unrecorded()
        let sink = try AuditSQLiteSink(path: path)
        for id in ["open", "over", "said"] { #expect(try await adopt(id, in: sink)) }
        try sink.close()
        let log = AuditLogFixture(path: path, key: key, checkpoints: [])
        let queue = try DatabaseQueue(path: path)
        try await queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
        try queue.close()

        let tampered = try log.tampered("t.db") {
            try $0.execute(sql: "UPDATE audit_hold SET \(change) WHERE id = 'open'")
        }

        #expect(try log.verify(tampered).findings.map(\.place) == [.hold("open")])
        let changed = try AuditSQLiteSink(path: tampered)
        #expect(try await !adopt("open", in: changed))
        try changed.close()
    }
}
