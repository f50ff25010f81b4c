import AccessPolicy
import Audit
import Foundation
import GRDB
import Persistence
import RequirementTraits
import Testing

/// Numbers that no log reaches: whoever writes them into the database must be found, and must not stop the finder.
@Suite(.verifies("oauth-attack@G-13")) struct AuditForgedNumberTests {
    private let folder: LogFolder

    init() throws { folder = try LogFolder() }

    private static let extremes: [Int64] = [.max, .max - 1, .min, .min + 1, -1, 0]
    private static let places = [
        "UPDATE audit_entry SET sequence = ? WHERE position = (SELECT max(position) FROM audit_entry)",
        "UPDATE audit_entry SET sequence = ? WHERE position = 5",
        "UPDATE audit_entry SET recorded_at = ? WHERE position = 5",
        "UPDATE audit_entry SET closes = ? WHERE closes IS NOT NULL AND position < 12",
        "UPDATE audit_checkpoint SET number = ? WHERE position = (SELECT max(position) FROM audit_checkpoint)",
        "UPDATE audit_checkpoint SET sequence = ? WHERE position = 2",
        "INSERT INTO audit_removal (number, compact) VALUES (?, 'x')",
    ]

    @Test(arguments: places, extremes)
    func `a number at the end of all numbers is a finding`(sql: String, number: Int64) async throws {
        let log = try await AuditLogFixture.make(in: folder.path, rounds: 3)
        let path = try log.tampered("t.db") { try $0.execute(sql: sql, arguments: [number]) }

        #expect(try !log.verify(path).isWhole)
    }

    @Test func `a removed run over all numbers is a finding`() async throws {
        let log = try await AuditLogFixture.make(in: folder.path, rounds: 3)
        let path = try log.tampered("t.db") {
            try $0.execute(
                sql: """
                    INSERT INTO audit_removal (number, compact) VALUES (1, 'x');
                    INSERT INTO audit_removed_run (node, first, last, previous, hash, removal)
                    VALUES ('n', -9223372036854775808, 9223372036854775807, zeroblob(32), zeroblob(32), 1)
                    """)
        }

        #expect(try !log.verify(path).isWhole)
    }

    /// A lower number hides the newest checkpoint, as taking it away would: the entry that names it tells the verifier.
    @Test(arguments: [Int64.max, Int64.max - 1, 4] as [Int64])
    func `a forged checkpoint row stops the next checkpoint with an error`(number: Int64) async throws {
        let log = try await AuditLogFixture.make(in: folder.path, rounds: 3)
        let path = try log.tampered("t.db") {
            try $0.execute(
                sql: """
                    UPDATE audit_checkpoint SET number = ? WHERE node = 'n' AND number =
                        (SELECT max(number) FROM audit_checkpoint WHERE node = 'n')
                    """, arguments: [number])
        }
        let sink = try AuditSQLiteSink(path: path)
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let checkpointer = AuditCheckpointer(node: "n", store: sink, key: log.key) { try await recorder.recordOnce($0) }
        try await recorder.record(
            AuthorizationRecord(id: .init("later"), kind: .token, outcome: .succeeded, at: 9))

        await #expect(throws: AuditFailure.self) { try await checkpointer.make() }
        recorder.shutdown()
        try sink.close()
    }
}
