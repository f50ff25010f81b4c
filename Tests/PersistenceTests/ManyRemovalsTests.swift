import Audit
import GRDB
import OAuthCore
import Persistence
import RequirementTraits
import Testing

/// A log out of which retention has taken a great deal, a little at a time.
@Suite(.verifies("audit@damage-at-size"), .timeLimit(.minutes(5))) struct ManyRemovalsTests {
    /// So many that looking through all runs for each removal would take days.
    private static let count = 200_000

    @Test func `removals by the hundred thousand are read, each with its own runs`() throws {
        let folder = try LogFolder()
        let path = "\(folder.path)/audit.db"
        let sink = try AuditSQLiteSink(path: path)
        try sink.close()
        let queue = try DatabaseQueue(path: path)
        try queue.write { database in
            try database.execute(
                sql: """
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(Self.count))
                    INSERT INTO audit_removal (number, compact) SELECT i, 'unsigned' FROM n
                    """)
            try database.execute(
                sql: """
                    INSERT INTO audit_removed_run (node, first, last, previous, hash, removal)
                    SELECT 'n', number, number, zeroblob(32), zeroblob(32), number FROM audit_removal
                    """)
        }
        try queue.close()

        let key = try PrivateJWK.generate(.es256)
        let verification = try AuditSQLiteVerification.verify(path: path, keys: JWKSet([key.publicKey]))

        #expect(verification.findings.count == AuditVerification.findingLimit)
        #expect(verification.findings.first?.place == .removal(1))
        #expect(verification.findings.allSatisfy { $0.fault == .forged })
    }

    @Test(.verifies("audit@retention"))
    func `an entry goes among removals by the hundred thousand, and none that no removal names`() throws {
        let folder = try LogFolder()
        let path = "\(folder.path)/audit.db"
        let sink = try AuditSQLiteSink(path: path)
        try sink.close()
        let queue = try DatabaseQueue(path: path)
        // Every second entry has a run of its own.
        try queue.write { database in
            try database.execute(
                sql: """
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(Self.count))
                    INSERT INTO audit_entry (node, sequence, recorded_at, event_id, phase, kind, outcome, previous, hash,
                        body) SELECT 'n', i, i, 'e', 'whole', 'login', 'succeeded', zeroblob(32), zeroblob(32), x'00' FROM n
                    """)
            try database.execute(sql: "INSERT INTO audit_removal (number, compact) VALUES (1, 'unsigned')")
            try database.execute(
                sql: """
                    INSERT INTO audit_removed_run (node, first, last, previous, hash, removal)
                    SELECT 'n', sequence, sequence, zeroblob(32), zeroblob(32), 1 FROM audit_entry
                    WHERE sequence % 2 = 0
                    """)
        }

        try queue.write { try $0.execute(sql: "DELETE FROM audit_entry WHERE sequence % 2 = 0") }
        for sequence in [1, 3, Self.count - 1] {
            #expect(throws: DatabaseError.self) {
                try queue.write { try $0.execute(sql: "DELETE FROM audit_entry WHERE sequence = \(sequence)") }
            }
        }

        let left = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM audit_entry") }
        #expect(left == Self.count / 2)
        try queue.close()
    }
}
