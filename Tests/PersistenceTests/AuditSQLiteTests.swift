import AccessPolicy
import Audit
import ChaperoneTesting
import Foundation
import GRDB
import Persistence
import RequirementTraits
import Testing

/// A folder that is removed with the test that made it.
private final class ScratchFolder: Sendable {
    let url = FileManager.default.temporaryDirectory.appending(path: "chaperone-audit-\(UUID().uuidString)")
    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }
    var log: String { url.appending(path: "audit.db").path }
}

/// The audit log in SQLite.
@Suite struct AuditSQLiteTests {
    private let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    private func record(_ id: String) -> AccessRecord {
        AccessRecord(
            decisionID: DecisionID(id), clientID: ClientID("app"), subject: SubjectID("patient-a"),
            scopes: ["patient/Observation.rs"], patients: ["patient-a", "patient-b"], interaction: .read,
            resourceType: "Observation", resourceID: "o", method: "GET", path: "/Observation/o", outcome: .permitted,
            status: 200, released: 1, startedAt: 0)
    }

    @Test func `a second writer is refused while the first has the log`() throws {
        let first = try AuditSQLiteSink(path: folder.log)
        #expect(throws: AuditFailure.heldElsewhere(detail: "`\(folder.log).writer` is locked")) {
            _ = try AuditSQLiteSink(path: folder.log)
        }
        #expect(try first.nodes() == [])
    }

    @Test func `the lock ends with the writer`() throws {
        do { _ = try AuditSQLiteSink(path: folder.log) }
        _ = try AuditSQLiteSink(path: folder.log)
    }

    @Test func `a reader of a log that is not there is refused`() {
        #expect(throws: (any Error).self) { _ = try AuditSQLiteReader(path: folder.log) }
    }

    @Test func `the writing connection synchronises fully`() throws {
        #expect(try AuditSQLiteSink(path: folder.log).synchronousLevel() == 2)
    }

    @Test func `only its owner can read the file`() throws {
        _ = try AuditSQLiteSink(path: folder.log)
        for path in [folder.log, folder.log + ".writer"] {
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test(arguments: AuditSinkContract.allCases)
    func `the log in SQLite keeps the contract of sinks`(_ promise: AuditSinkContract) throws {
        try promise.check(try AuditSQLiteSink(path: folder.log))
    }

    @Test func `a chain goes on in the next process and verifies whole`() async throws {
        for run in 1...3 {
            let sink = try AuditSQLiteSink(path: folder.log)
            let recorder = try AuditRecorder(sink: sink, node: "n")
            try recorder.recover()
            _ = try await recorder.record(record("d-\(run)")).decisionID
            let opening = try await recorder.open(record("o-\(run)"))
            #expect(opening.decisionID == DecisionID("o-\(run)"))
            recorder.shutdown()
            try sink.close()
        }
        let reader = try AuditSQLiteReader(path: folder.log)
        let report = try AuditVerifier.verify("n", in: reader)
        #expect(report.finding == nil)
        #expect(report.verified == 8)
        let interrupted = try reader.search(AuditQuery(outcomes: ["interrupted"])).entries
        #expect(interrupted.map(\.index.eventID.text) == ["o-2", "o-1"])
    }

    @Test func `a reader sees what was answered while the writer is at work`() async throws {
        let recorder = try AuditRecorder(sink: try AuditSQLiteSink(path: folder.log), node: "n")
        let reader = try AuditSQLiteReader(path: folder.log)
        for number in 1...20 {
            _ = try await recorder.record(record("d-\(number)")).decisionID
            #expect(try reader.search(AuditQuery(eventID: DecisionID("d-\(number)"))).entries.count == 1)
        }
    }

    @Test func `many at once share commits`() async throws {
        let recorder = try AuditRecorder(sink: try AuditSQLiteSink(path: folder.log), node: "n")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<256 {
                group.addTask { _ = try await recorder.record(record("d-\(number)")).decisionID }
            }
            try await group.waitForAll()
        }
        #expect(recorder.health.recorded == 256)
        #expect(recorder.health.appends < 256)
        #expect(try AuditVerifier.verify("n", in: AuditSQLiteReader(path: folder.log)).verified == 256)
    }

    @Test(
        .verifies("oauth-attack@G-13"),
        arguments: [
            ("DELETE FROM audit_entry WHERE sequence = 3", 3, AuditVerifier.Fault.missing),
            (
                "UPDATE audit_entry SET body = CAST(replace(body, 'permitted', 'refused') AS BLOB) WHERE sequence = 2",
                2, .changed
            ),
            ("UPDATE audit_entry SET client_id = 'other' WHERE sequence = 4", 4, .changed),
            ("DELETE FROM audit_patient WHERE patient = 'patient-b' AND position = 5", 5, .changed),
            ("UPDATE audit_entry SET recorded_at = recorded_at + 1 WHERE sequence = 1", 1, .changed),
            ("UPDATE audit_entry SET node = 'm' WHERE sequence = 5", 5, .missing),
            ("UPDATE audit_entry SET position = 100 WHERE sequence = 3", 3, .reordered),
        ])
    func `what is done to the file behind our back is found`(sql: String, sequence: Int64, fault: AuditVerifier.Fault)
        async throws
    {
        let recorder = try AuditRecorder(sink: try AuditSQLiteSink(path: folder.log), node: "n")
        for number in 1...6 { _ = try await recorder.record(record("d-\(number)")).decisionID }
        recorder.shutdown()
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        let queue = try DatabaseQueue(path: folder.log, configuration: configuration)
        let isEntry = sql.contains("audit_entry")
        if isEntry {
            await #expect(throws: DatabaseError.self) { try await queue.write { try $0.execute(sql: sql) } }
        }

        try await queue.write { database in
            try database.execute(sql: "DROP TRIGGER audit_entry_kept; DROP TRIGGER audit_entry_fixed")
            try database.execute(sql: sql)
        }

        let finding = try AuditVerifier.verify("n", in: AuditSQLiteReader(path: folder.log)).finding
        #expect(finding?.fault == fault)
        #expect(finding?.sequence == sequence)
    }
}
