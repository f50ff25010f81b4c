import AccessPolicy
import Audit
import Foundation
import GRDB
import OAuthCore
import RequirementTraits
import Testing

@testable import Persistence

/// What the disk does to the log: full, held by another, back again. No receipt without a record, no record twice.
@Suite(.verifies("audit@cannot-be-written")) struct AuditFaultTests {
    private let folder: LogFolder
    private let key: PrivateJWK

    init() throws {
        folder = try LogFolder()
        key = try PrivateJWK.generate(.es256)
    }

    private var path: String { "\(folder.path)/audit.db" }

    private func record(_ id: String) -> AccessRecord {
        AccessRecord(
            decisionID: DecisionID(id), clientID: ClientID("app"), tokenID: TokenID("t"), patients: ["p"],
            interaction: .read, resourceType: "Observation", resourceID: "o", method: "GET", path: "/Observation/o",
            queryAsked: String(repeating: "x", count: 2000), outcome: .permitted, status: 200, released: 1, startedAt: 5
        )
    }

    /// Writes until something is refused, and says which were acknowledged.
    private func writeUntilRefused(_ recorder: AuditRecorder, most: Int) async -> (
        received: [String], failure: AuditFailure?
    ) {
        var received: [String] = []
        for number in 0..<most {
            do throws(AuditFailure) {
                let receipt = try await recorder.record(record("d-\(number)"))
                received.append(receipt.decisionID.text)
            } catch {
                return (received, error)
            }
        }
        return (received, nil)
    }

    /// Each acknowledged record stands there once as closed, and the whole log verifies.
    private func demand(_ received: [String]) throws {
        let reader = try AuditSQLiteReader(path: path)
        for id in received {
            let entries = try reader.search(AuditQuery(eventID: DecisionID(id))).entries
            #expect(entries.filter { $0.index.phase == .whole }.count == 1, "\(id)")
        }
        let verification = try AuditSQLiteVerification.verify(path: path, keys: JWKSet([key.publicKey]))
        #expect(verification.findings == [])
    }

    @Test func `a full disk refuses, and when there is room again the chain goes on`() async throws {
        let sink = try AuditSQLiteSink(path: path)
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let pages = try await sink.pool.write { try Int.fetchOne($0, sql: "PRAGMA page_count") ?? 0 }
        try await sink.pool.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA max_page_count = \(pages + 30)")
        }

        let (received, failure) = await writeUntilRefused(recorder, most: 500)
        let isHealthyWhenFull = recorder.health.canRecord
        try await sink.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        let later = try await recorder.record(record("later")).decisionID
        let isHealthyAgain = recorder.health.canRecord
        recorder.shutdown()

        #expect(received.count > 3)
        guard case .notWritten(let detail) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(detail.contains("full"))
        #expect(!isHealthyWhenFull)
        #expect(isHealthyAgain)
        try demand(received + [later.text])
    }

    @Test(.verifies("audit@ready-again"), .timeLimit(.minutes(1)))
    func `when there is room again a node that nobody asks is ready by itself`() async throws {
        let sink = try AuditSQLiteSink(path: path)
        let recorder = try AuditRecorder(sink: sink, node: "n", limits: AuditQueueLimits(retry: 20))
        let pages = try await sink.pool.write { try Int.fetchOne($0, sql: "PRAGMA page_count") ?? 0 }
        try await sink.pool.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA max_page_count = \(pages + 30)")
        }
        let (received, failure) = await writeUntilRefused(recorder, most: 500)
        #expect(failure != nil)

        try await sink.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        while !recorder.health.canRecord { await Task.yield() }

        recorder.shutdown()
        try demand(received)
    }

    @Test func `a log that another process holds refuses, and afterwards the chain goes on`() async throws {
        let sink = try AuditSQLiteSink(path: path)
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let before = try await recorder.record(record("before")).decisionID
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let holder = try DatabaseQueue(path: path, configuration: configuration)
        try await holder.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }

        let refused: AuditFailure?
        do throws(AuditFailure) {
            _ = try await recorder.record(record("refused")).decisionID
            refused = nil
        } catch {
            refused = error
        }
        try await holder.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        let after = try await recorder.record(record("after")).decisionID
        recorder.shutdown()
        try holder.close()

        guard case .notWritten = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        try demand([before.text, after.text])
        #expect(try AuditSQLiteReader(path: path).search(AuditQuery(eventID: DecisionID("refused"))).entries == [])
    }
}
