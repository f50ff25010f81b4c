import AccessPolicy
import Audit
import Foundation
import GRDB
import OAuthCore
import Persistence
import RequirementTraits
import Testing

/// Legal holds and cursors of feeds stand beside the chain, and what was done to them behind the server's back is found.
@Suite struct AuditHoldTests {
    private let folder: LogFolder
    private let key: PrivateJWK

    init() throws {
        folder = try LogFolder()
        key = try PrivateJWK.generate(.es256)
    }

    /// A log with an old access, a hold in force (`kept`), one that was lifted (`over`), a refused lifting, and a feed.
    private func fixture() async throws -> AuditLogFixture {
        let path = "\(folder.path)/audit.db"
        let sink = try AuditSQLiteSink(path: path)
        let clock = AuditClock { 1_000 }
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: clock)
        _ = try await recorder.record(
            AccessRecord(
                decisionID: DecisionID("d"), clientID: ClientID("app"), patients: ["p"], interaction: .read,
                method: "GET", path: "/Observation/o", outcome: .permitted, startedAt: 5, reportingEntity: "H1")
        ).decisionID
        for id in ["kept", "over"] {
            try await recorder.record(
                AuthorizationRecord(
                    placing: LegalHold(
                        id: id, patient: "p", client: "app", reportingEntity: "H1", reason: "claim",
                        placedBy: "admin-a",
                        placedAt: 10), id: DecisionID("place-\(id)"), sourceAddress: "local", traceID: nil))
        }
        try await recorder.record(
            AuthorizationRecord(
                lifting: "over", by: "admin-a", id: DecisionID("lift"), sourceAddress: "local", at: 20, traceID: nil))
        try await recorder.record(
            AuthorizationRecord(
                lifting: "kept", by: "mallory", id: DecisionID("no"), outcome: .refused(reason: "r"),
                sourceAddress: "local", at: 20, traceID: nil))
        try await AuditCheckpointer(node: "n", store: sink, key: key, clock: clock) {
            try await recorder.recordOnce($0)
        }.make()
        recorder.shutdown()
        try sink.advance(SignedAuditFeedCursor(feed: "siem", source: .records, position: 2, signedWith: key))
        try sink.close()
        let queue = try DatabaseQueue(path: path)
        try await queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
        try queue.close()
        return AuditLogFixture(path: path, key: key, checkpoints: [])
    }

    /// Retention of everything, ten years and a day later.
    private func retain(_ path: String) async throws -> AuditRetention.Outcome {
        let sink = try AuditSQLiteSink(path: path)
        let clock = AuditClock { 3654 * 86_400_000 + 1_000 }
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: clock)
        defer {
            recorder.shutdown()
            try? sink.close()
        }
        return try await AuditRetention(
            node: "n", store: sink, policy: AuditRetentionPolicy(), key: key, clock: clock
        ) { try await recorder.recordOnce($0) }.run()
    }

    @Test(.verifies("audit@holds-follow-chain", "audit@cursors-signed"))
    func `holds and cursors as they were written are as they were written`() async throws {
        let log = try await fixture()
        #expect(try log.verify().findings == [])

        let sink = try AuditSQLiteSink(path: log.path)
        #expect(try sink.holds().map(\.id) == ["kept"])
        #expect(try sink.holdFindings() == [])
        try sink.close()
    }

    @Test(
        .verifies("audit@holds-follow-chain"),
        arguments: [
            (
                "UPDATE audit_hold SET lifted_by = 'admin-a', lifted_at = 30 WHERE id = 'kept'",
                "hold kept: changed: it was lifted, and no record says so"
            ),
            ("DELETE FROM audit_hold WHERE id = 'kept'", "hold kept: missing: entry n/2 placed it"),
            (
                "UPDATE audit_hold SET patient = 'q' WHERE id = 'kept'",
                "hold kept: changed: entry n/2 has another patient"
            ),
            (
                "UPDATE audit_hold SET client = NULL, reporting_entity = 'H2' WHERE id = 'kept'",
                "hold kept: changed: entry n/2 has another client, reporting entity"
            ),
            (
                "UPDATE audit_hold SET reason = 'none' WHERE id = 'kept'",
                "hold kept: changed: entry n/2 has another reason"
            ),
            (
                "UPDATE audit_hold SET placed_by = 'x', placed_at = 11 WHERE id = 'kept'",
                "hold kept: changed: entry n/2 has another account that placed it, time"
            ),
            (
                "UPDATE audit_hold SET id = 'other' WHERE id = 'kept'",
                "hold other: forged: no record placed it"
            ),
            (
                "INSERT INTO audit_hold (id, reason, placed_by, placed_at) VALUES ('new', 'r', 'a', 1)",
                "hold new: forged: no record placed it"
            ),
            (
                "UPDATE audit_hold SET lifted_by = NULL, lifted_at = NULL WHERE id = 'over'",
                "hold over: changed: entry n/4 lifted it, and it is in force"
            ),
            (
                "UPDATE audit_hold SET lifted_by = 'x' WHERE id = 'over'",
                "hold over: changed: entry n/4 says otherwise who lifted it, or when"
            ),
            (
                "UPDATE audit_hold SET lifted_at = 21 WHERE id = 'over'",
                "hold over: changed: entry n/4 says otherwise who lifted it, or when"
            ),
        ]) func `a hold that was changed is named, and retention removes nothing`(sql: String, finding: String)
        async throws
    {
        let log = try await fixture()
        let path = try log.tampered("t.db") { try $0.execute(sql: sql) }

        #expect(try log.verify(path).findings.map(\.description).contains(finding))
        await #expect(throws: AuditFailure.self) { _ = try await retain(path) }
        #expect(try log.verify(path).chains.map(\.removed) == [0])
    }

    @Test(.verifies("audit@holds-follow-chain"))
    func `retention keeps what is held and the records of holds, however old they are`() async throws {
        let log = try await fixture()

        let outcome = try await retain(log.path)

        #expect(outcome.held == 1)
        #expect(outcome.removed == 0)
        #expect(try log.verify().findings == [])
    }

    @Test(
        .verifies("audit@cursors-signed"),
        arguments: [
            ("UPDATE audit_feed SET position = 5", "feed siem: changed: `siem` had come to 2"),
            ("UPDATE audit_feed SET name = 'other'", "feed other: changed: `siem` had come to 2"),
            (
                "UPDATE audit_feed SET compact = NULL, position = 5",
                "feed siem: forged: nobody signed how far it has come"
            ),
            ("INSERT INTO audit_feed VALUES ('new', 5, NULL)", "feed new: forged: nobody signed how far it has come"),
        ]) func `a cursor that was moved on is named, and its feed passes over nothing`(sql: String, finding: String)
        async throws
    {
        let log = try await fixture()
        let path = try log.tampered("t.db") { try $0.execute(sql: sql) }

        #expect(try log.verify(path).findings.map(\.description) == [finding])

        let sink = try AuditSQLiteSink(path: path)
        let delivered = try ["siem", "other", "new"].map { try sink.delivered(by: $0, of: .records, keys: log.keys) }
        #expect(delivered.allSatisfy { $0 == 0 } || sql.hasPrefix("INSERT") && delivered == [2, 0, 0])
        try sink.close()
    }

    @Test(.verifies("audit@cursors-signed")) func `a cursor under another key, or that is no cursor, is forged`()
        async throws
    {
        let log = try await fixture()
        let stranger = try SignedAuditFeedCursor(
            feed: "siem", source: .records, position: 9, signedWith: try PrivateJWK.generate(.es256))
        for text in [stranger.compact, "a.b.c", ""] {
            let path = try log.tampered("t.db") {
                try $0.execute(sql: "UPDATE audit_feed SET position = 9, compact = ?", arguments: [text])
            }
            let findings = try log.verify(path).findings
            #expect(findings.map(\.place) == [.feed("siem")] && findings.map(\.fault) == [.forged])
        }
    }

    @Test(.verifies("audit@cursors-signed")) func `a cursor never goes back, and begins anew only when told`() throws {
        let sink = try AuditSQLiteSink(path: "\(folder.path)/audit.db")
        let keys = JWKSet([key.publicKey])
        #expect(try sink.delivered(by: "f", of: .records, keys: keys) == 0)
        for position: Int64 in [3, 7, 5] {
            try sink.advance(SignedAuditFeedCursor(feed: "f", source: .records, position: position, signedWith: key))
        }
        #expect(try sink.delivered(by: "f", of: .records, keys: keys) == 7)
        try sink.restart("f")
        #expect(try sink.delivered(by: "f", of: .records, keys: keys) == 0)
    }

    /// Records as they were before they had the parts of a hold: their words are compared.
    @Test(.verifies("audit@holds-follow-chain")) func `holds of older logs are compared by their words`() throws {
        func old(_ kind: AuthorizationRecord.Kind, _ detail: String) throws -> AuditEntry {
            let statement = AuditStatement(
                event: .authorization(
                    AuthorizationRecord(id: DecisionID("e"), kind: kind, outcome: .succeeded, detail: detail, at: 1)),
                phase: .whole)
            return AuditEntry(
                node: "n", sequence: 1, recordedAt: 1, previous: .origin, hash: .origin, body: statement.encoded,
                index: AuditIndex(statement))
        }
        let ledger = try LegalHoldLedger([
            try old(.holdPlaced, "hold h by admin-a: patient p, client c: claim 17: big"),
            try old(.holdLifted, "hold h lifted by admin-b"),
        ])
        func findings(patient: String = "p", reason: String = "claim 17: big", liftedBy: String? = "admin-b")
            -> [String]
        {
            let hold = LegalHold(
                id: "h", patient: patient, client: "c", reason: reason, placedBy: "admin-a", placedAt: 1)
            return ledger.findings(comparing: [
                StoredLegalHold(hold, liftedBy: liftedBy, liftedAt: liftedBy.map { _ in 5 })
            ]).map(\.description)
        }

        #expect(findings() == [])
        #expect(findings(patient: "q") == ["hold h: changed: entry n/1 has other words"])
        #expect(findings(reason: "x") == ["hold h: changed: entry n/1 has other words"])
        #expect(findings(liftedBy: "x") == ["hold h: changed: entry n/1 says otherwise who lifted it, or when"])
        #expect(findings(liftedBy: nil) == ["hold h: changed: entry n/1 lifted it, and it is in force"])
    }
}
