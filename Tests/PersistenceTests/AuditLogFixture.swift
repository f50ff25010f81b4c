import AccessPolicy
import Audit
import Foundation
import GRDB
import OAuthCore
import Persistence

/// A log on disk with every kind of entry, two nodes and checkpoints, closed, so that its file can be copied.
struct AuditLogFixture {
    let path: String
    let key: PrivateJWK
    let checkpoints: [StoredAuditCheckpoint]
    var keys: JWKSet { JWKSet([key.publicKey]) }

    static func make(in folder: String, rounds: Int = 6) async throws -> AuditLogFixture {
        let path = "\(folder)/audit.db"
        let key = try PrivateJWK.generate(.es256)
        let sink = try AuditSQLiteSink(path: path)
        for round in 0..<rounds {
            for node in ["n", "m"] {
                let recorder = try AuditRecorder(sink: sink, node: node)
                try await write(round, node, recorder)
                let checkpointer = AuditCheckpointer(node: node, store: sink, key: key) {
                    try await recorder.recordOnce($0)
                }
                try await checkpointer.make()
                recorder.shutdown()
            }
        }
        let checkpoints = try sink.checkpoints(after: 0, limit: 1000)
        try sink.close()
        let queue = try DatabaseQueue(path: path)
        try await queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
        try queue.close()
        return AuditLogFixture(path: path, key: key, checkpoints: checkpoints)
    }

    private static func write(_ round: Int, _ node: String, _ recorder: AuditRecorder) async throws {
        let id = "\(node)\(round)"
        _ = try await recorder.record(record("d-\(id)") { $0.queryAsked = "name=\"Zoë\"\\" }).decisionID
        let opening = try await recorder.open(record("o-\(id)") { $0.outcome = .pending })
        try await recorder.record(
            AuthorizationRecord(
                id: DecisionID("e-\(id)"), kind: round == 1 ? .userChanged : .token, clientID: ClientID("app-\(round)"),
                subject: SubjectID("zoë"),
                patient: "p-\(round)", grantID: GrantID("g-\(round)"), outcome: .succeeded, at: 7))
        _ = try await recorder.close(opening, record("o-\(id)") { $0.patients = ["a", "p-\(round)", "zz"] }).decisionID
        // Stays open.
        _ = try await recorder.open(record("u-\(id)") { $0.outcome = .pending }).decisionID
        _ = try await recorder.record(
            record("r-\(id)") {
                ($0.clientID, $0.subject, $0.grantID, $0.resourceType) = (nil, nil, nil, nil)
                ($0.patients, $0.outcome) = ([], .refused(reason: "no-token"))
            }
        ).decisionID
    }

    private static func record(_ id: String, _ change: (inout AccessRecord) -> Void) -> AccessRecord {
        var record = AccessRecord(
            decisionID: DecisionID(id), clientID: ClientID("app"), subject: SubjectID("patient-a"),
            fhirUser: "Patient/patient-a", grantID: GrantID("grant"), scopes: ["patient/Observation.rs"],
            patients: ["patient-a"], interaction: .read, resourceType: "Observation", resourceID: "o",
            method: "GET", path: "/Observation/o", outcome: .permitted, status: 200, released: 1, startedAt: 5)
        change(&record)
        return record
    }

    /// A copy of the file, at a path of its own.
    func copy(to name: String) throws -> String {
        let target = URL(fileURLWithPath: path).deletingLastPathComponent().appending(path: name).path
        for suffix in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: target + suffix) {
            try FileManager.default.removeItem(atPath: target + suffix)
        }
        try FileManager.default.copyItem(atPath: path, toPath: target)
        return target
    }

    func verify(_ path: String? = nil, anchors: [String] = []) throws -> AuditVerification {
        try AuditSQLiteVerification.verify(path: path ?? self.path, keys: keys, anchors: anchors)
    }

    /// Does something to a copy, with the triggers away while it is done.
    func tampered(_ name: String, _ work: (Database) throws -> Void) throws -> String {
        let path = try copy(to: name)
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA ignore_check_constraints = ON")
            try database.inTransaction {
                let triggers = try Row.fetchAll(
                    database, sql: "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
                for trigger in triggers { try database.execute(sql: "DROP TRIGGER \(trigger[0] as String)") }
                try work(database)
                for trigger in triggers { try database.execute(sql: trigger[1]) }
                return .commit
            }
            try database.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
        }
        try queue.close()
        return path
    }
}

/// A folder that is removed with the test that made it.
final class LogFolder: Sendable {
    let path: String
    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "chaperone-log-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}
