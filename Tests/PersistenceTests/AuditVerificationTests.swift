import AccessPolicy
import Audit
import ChaperoneTesting
import Foundation
import GRDB
import OAuthCore
import Persistence
import RequirementTraits
import Testing

/// A whole log is verified, and whatever was done to it is found and named.
@Suite(.verifies("oauth-attack@G-13")) struct AuditVerificationTests {
    private let folder: LogFolder

    init() throws { folder = try LogFolder() }

    private func fixture(rounds: Int = 4) async throws -> AuditLogFixture {
        try await AuditLogFixture.make(in: folder.path, rounds: rounds)
    }

    private func firstFindings(_ log: AuditLogFixture, _ sql: String) throws -> [String] {
        let path = try log.tampered("t.db") { try $0.execute(sql: sql) }
        return try log.verify(path).findings.map { "\($0.place): \($0.fault.rawValue)" }
    }

    @Test func `an untouched log is whole`() async throws {
        let log = try await fixture()

        let verification = try log.verify()

        #expect(verification.findings == [])
        #expect(verification.chains.map(\.node) == ["m", "n"])
        // Six entries and a checkpoint's mark each round.
        #expect(verification.chains.map(\.entries) == [28, 28])
        #expect(verification.checkpoints == 8)
    }

    @Test func `an empty log is whole`() throws {
        try AuditSQLiteSink(path: "\(folder.path)/empty.db").close()
        let key = try PrivateJWK.generate(.es256)

        let verification = try AuditSQLiteVerification.verify(
            path: "\(folder.path)/empty.db", keys: JWKSet([key.publicKey]))

        #expect(verification.findings == [])
        #expect(verification.chains == [])
    }

    @Test func `a log that is not there cannot be verified`() throws {
        #expect(throws: (any Error).self) {
            try AuditSQLiteVerification.verify(path: "\(folder.path)/none.db", keys: JWKSet([]))
        }
    }

    @Test func `what is put back as it was is whole again`() async throws {
        let log = try await fixture()
        let path = try log.tampered("same.db") { _ in }
        #expect(try log.verify(path).findings == [])
    }

    /// Each does one thing to a log of two nodes with 28 entries and 4 checkpoints each.
    @Test(arguments: [
        ("DELETE FROM audit_entry WHERE node = 'n' AND sequence = 9", "entry n/9: missing"),
        (
            "UPDATE audit_patient SET position = 1000 WHERE position = (SELECT position FROM audit_entry WHERE "
                + "node = 'n' AND sequence = 9); UPDATE audit_entry SET position = 1000 WHERE node = 'n' AND sequence = 9",
            "entry n/9: reordered"
        ),
        ("UPDATE audit_entry SET client_id = 'other' WHERE node = 'm' AND sequence = 2", "entry m/2: changed"),
        ("UPDATE audit_entry SET client_id = 'x' WHERE node = 'm' AND sequence = 6", "entry m/6: changed"),
        ("UPDATE audit_entry SET phase = 'closing' WHERE node = 'm' AND sequence = 1", "entry m/1: changed"),
        (
            "UPDATE audit_entry SET recorded_at = recorded_at + 1 WHERE node = 'n' AND sequence = 1",
            "entry n/1: changed"
        ),
        ("UPDATE audit_entry SET node = 'k' WHERE node = 'n' AND sequence = 5", "entry n/5: changed"),
        ("UPDATE audit_entry SET hash = zeroblob(32) WHERE node = 'n' AND sequence = 5", "entry n/5: changed"),
        ("UPDATE audit_entry SET previous = zeroblob(32) WHERE node = 'n' AND sequence = 5", "entry n/5: changed"),
        ("DELETE FROM audit_patient WHERE patient = 'zz' AND position = 4", "entry n/4: changed"),
        ("UPDATE audit_patient SET patient = 'yy' WHERE patient = 'zz' AND position = 4", "entry n/4: changed"),
        ("UPDATE audit_patient SET recorded_at = 9 WHERE patient = 'zz' AND position = 4", "entry n/4: changed"),
        ("INSERT INTO audit_patient VALUES ('q', 1, 4, 3)", "entry n/4: changed"),
        ("DELETE FROM audit_open WHERE node = 'n' AND sequence = 5", "entry n/5: changed"),
        ("INSERT INTO audit_open VALUES ('n', 2)", "entry n/2: changed"),
        ("DELETE FROM audit_checkpoint WHERE node = 'n' AND number = 2", "checkpoint n/2: missing"),
        ("DELETE FROM audit_checkpoint WHERE node = 'n' AND number = 4", "checkpoint n/4: missing"),
        ("UPDATE audit_checkpoint SET sequence = 1 WHERE node = 'n' AND number = 2", "checkpoint n/2: changed"),
        (
            "UPDATE audit_checkpoint SET compact = (SELECT compact FROM audit_checkpoint c WHERE c.node = 'n' "
                + "AND c.number = 1) WHERE node = 'n' AND number = 3", "checkpoint n/3: changed"
        ),
        (
            "UPDATE audit_checkpoint SET compact = replace(compact, 'ey', 'ez') WHERE node = 'n' AND number = 3",
            "checkpoint n/3: forged"
        ),
        ("DROP INDEX audit_entry_rare", "structure audit_entry_rare: missing"),
        ("DROP INDEX audit_entry_client", "structure audit_entry_client: missing"),
        ("CREATE TABLE shadow (x)", "structure shadow: changed"),
    ]) func `what was done to it is found where it was done`(sql: String, finding: String) async throws {
        let found = try firstFindings(try await fixture(), sql)
        #expect(found.contains(finding), "\(found)")
    }

    @Test func `a trigger that is gone is found`() async throws {
        let log = try await fixture()
        let path = try log.copy(to: "trigger.db")
        let queue = try DatabaseQueue(path: path)
        try await queue.write { try $0.execute(sql: "DROP TRIGGER audit_entry_kept") }
        try queue.close()

        #expect(try log.verify(path).findings.map(\.place) == [.structure("audit_entry_kept")])
    }

    @Test func `a run of removed entries that nobody signed stands for nothing`() async throws {
        let found = try firstFindings(
            try await fixture(),
            """
            INSERT INTO audit_removal VALUES (1, 'a.b.c');
            INSERT INTO audit_removed_run SELECT 'n', 2, 3, previous, (SELECT hash FROM audit_entry WHERE node = 'n' AND
            sequence = 3), 1 FROM audit_entry WHERE node = 'n' AND sequence = 2;
            DELETE FROM audit_patient WHERE position IN (2, 3); DELETE FROM audit_open WHERE node = 'n' AND sequence = 2;
            DELETE FROM audit_entry WHERE node = 'n' AND sequence IN (2, 3)
            """)
        #expect(found.contains("removal 1: forged"))
        #expect(found.contains("entry n/2: missing"))
    }

    @Test(.verifies("audit@anchors")) func `a tail cut off with its checkpoints is found against a copy from outside`()
        async throws
    {
        let log = try await fixture()
        let path = try log.tampered("tail.db") { database in
            // Back to the state before the last round of both nodes, without a trace.
            try database.execute(
                sql: """
                    DELETE FROM audit_checkpoint WHERE number = 4;
                    DELETE FROM audit_patient WHERE position > 42;
                    DELETE FROM audit_open WHERE sequence > 21;
                    DELETE FROM audit_entry WHERE position > 42
                    """)
        }
        let sentOutside = log.checkpoints.map(\.compact)

        let alone = try log.verify(path)
        let anchored = try log.verify(path, anchors: sentOutside)

        #expect(alone.findings == [])
        #expect(
            anchored.findings.map { "\($0.place): \($0.fault.rawValue)" } == [
                "entry m/22: truncated", "entry n/22: truncated", "checkpoint m/4: missing", "checkpoint n/4: missing",
            ])
        #expect(anchored.anchors == 8)
    }

    @Test(.verifies("audit@anchors"))
    func `a log written anew by somebody who has the key is found against a copy from outside`() async throws {
        let log = try await fixture()
        let other = try LogFolder()
        let forged = try await AuditLogFixture.make(in: other.path, rounds: 4)
        let bothKeys = JWKSet([log.key.publicKey, forged.key.publicKey])

        let alone = try AuditSQLiteVerification.verify(path: forged.path, keys: bothKeys)
        let anchored = try AuditSQLiteVerification.verify(
            path: forged.path, keys: bothKeys, anchors: log.checkpoints.map(\.compact))

        #expect(alone.findings == [])
        #expect(anchored.findings.contains { $0.place == .checkpoint(node: "n", number: 1) && $0.fault == .forged })
        #expect(anchored.findings.contains { $0.place == .entry(node: "n", sequence: 6) && $0.fault == .changed })
    }

    @Test func `a copy from outside that nobody signed is named by its line`() async throws {
        let log = try await fixture()
        let verification = try log.verify(anchors: [log.checkpoints[0].compact, "nonsense"])
        #expect(verification.findings.map(\.place) == [.structure("copy from outside, line 2")])
    }

    @Test func `checkpoints of another node that were seen must be there`() async throws {
        let log = try await fixture()
        let path = try log.tampered("node.db") { database in
            try database.execute(
                sql: """
                    DELETE FROM audit_checkpoint WHERE node = 'm';
                    DELETE FROM audit_patient WHERE position IN (SELECT position FROM audit_entry WHERE node = 'm');
                    DELETE FROM audit_open WHERE node = 'm'; DELETE FROM audit_entry WHERE node = 'm'
                    """)
        }
        let found = try log.verify(path).findings
        #expect(found.map(\.place) == (1...3).map { .checkpoint(node: "m", number: $0) })
    }

    @Test(arguments: CheckpointStoreContract.allCases)
    func `the store in SQLite keeps the contract`(_ promise: CheckpointStoreContract) throws {
        let key = try PrivateJWK.generate(.es256)
        try promise.check(try AuditSQLiteSink(path: "\(folder.path)/contract.db"), signedWith: key)
    }
}
