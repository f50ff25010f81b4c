import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import ChaperoneServer

/// What becomes of exports that are over.
@Suite struct ExportJobUpkeepTests {
    private static let now: Int64 = 1_800_000_000

    private final class Bench: Sendable {
        let store = InMemoryAuthorizationStore()
        let sink = InMemoryAuditSink()
        let now = Mutex(ExportJobUpkeepTests.now)
        let asked = Mutex<[String]>([])
        let recorder: AuditRecorder

        init() throws { recorder = try AuditRecorder(sink: sink, node: "bench") }

        func upkeep(_ status: Int?) -> ExportJobUpkeep {
            ExportJobUpkeep(
                store: store, recorder: recorder, random: .system, clock: { self.now.withLock { $0 } * 1000 },
                delete: { job in
                    self.asked.withLock { $0.append(job.target) }
                    return status
                })
        }

        func add(_ id: String, ended: ExportJob.Ending?, target: String? = nil) async throws {
            _ = try await store.insert(
                ExportJob(
                    id: id, base: "https://gw.example/fhir", client: ClientID("c"), grant: GrantID("g"),
                    path: "/$export", query: "", target: target ?? "/jobs/\(id)",
                    startedAt: ExportJobUpkeepTests.now,
                    expiresAt: ExportJobUpkeepTests.now + 100))
            if let ended { _ = try await store.end(id, because: ended) }
        }
    }

    @Test(.verifies("house@EXPORT-JOBS"), arguments: [200, 202, 204, 404, 410])
    func `an export that is over is deleted at the server once, with a record before and after`(
        status: Int
    ) async throws {
        let bench = try Bench()
        try await bench.add("a", ended: .revoked)
        try await bench.add("b", ended: nil)

        for _ in 0..<2 { try await bench.upkeep(status).run() }

        #expect(bench.asked.withLock { $0 } == ["/jobs/a"])
        #expect(bench.sink.entries.map(\.index.phase) == [.opening, .closing])
        // What was done for a client is kept as its accesses are, and not as requests of nobody.
        #expect(try bench.sink.entries.map { AuditRecordClass(try $0.statement()) } == [.access, .access])
        #expect(try bench.store.job("a") == nil && bench.store.job("b")?.ending == nil)
    }

    @Test(.verifies("house@EXPORT-JOBS"), arguments: [nil, 500, 401, 302])
    func `a server that does not delete is asked again, later each time, and no deletion is lost`(
        status: Int?
    ) async throws {
        let bench = try Bench()
        try await bench.add("a", ended: .deleted)

        for _ in 0..<40 {
            try await bench.upkeep(status).run()
            bench.now.withLock { $0 += 1 }
        }
        #expect((3...6).contains(bench.asked.withLock { $0.count }))
        bench.now.withLock { $0 += 3_600 }
        try await bench.upkeep(204).run()

        #expect(try bench.store.job("a") == nil)
        #expect(bench.sink.entries.last?.index.outcome == "permitted")
    }

    @Test(.verifies("house@EXPORT-JOBS"))
    func
        `an export that was being asked for when the process ended is reported once, and nothing is deleted at a guess`()
        async throws
    {
        let bench = try Bench()
        try await bench.add("known", ended: nil)
        for (id, ended) in [("a", nil), ("b", ExportJob.Ending.revoked)] {
            try await bench.add(id, ended: ended, target: "")
        }

        #expect(try await bench.upkeep(204).reportUnlocated() == 2)
        #expect(try await bench.upkeep(204).reportUnlocated() == 0)
        try await bench.upkeep(204).run()

        #expect(bench.asked.withLock { $0 } == [])
        let records = try bench.sink.entries.compactMap { entry -> AccessRecord? in
            guard case .access(let record) = try entry.statement().event else { return nil }
            return record
        }
        #expect(records.map(\.outcome) == Array(repeating: .interrupted(reason: "export-address-unknown"), count: 2))
        #expect(records.allSatisfy { $0.clientID == ClientID("c") && $0.operation == "$export" })
        #expect(try bench.store.job("a") == nil && bench.store.job("known")?.ending == nil)
    }

    @Test(.verifies("house@EXPORT-JOBS"))
    func `an export that cannot be reported is reported at the next start`() async throws {
        let bench = try Bench()
        try await bench.add("a", ended: nil, target: "")
        bench.sink.behave(.fails)

        await #expect(throws: (any Error).self) { _ = try await bench.upkeep(204).reportUnlocated() }

        #expect(try await bench.store.unlocated().map(\.id) == ["a"])
    }

    @Test(.verifies("house@EXPORT-JOBS"))
    func `an export whose time is up ends, and is deleted`() async throws {
        let bench = try Bench()
        try await bench.add("a", ended: nil)
        bench.now.withLock { $0 += 100 }

        try await bench.upkeep(204).run()

        #expect(bench.asked.withLock { $0 } == ["/jobs/a"])
    }

    @Test(.verifies("house@EXPORT-JOBS"))
    func `what cannot be recorded is not done, and done later`() async throws {
        let bench = try Bench()
        try await bench.add("a", ended: .deleted)
        bench.sink.behave(.fails)

        await #expect(throws: (any Error).self) { try await bench.upkeep(204).run() }
        #expect(bench.asked.withLock { $0.isEmpty })

        bench.sink.behave(.works)
        #expect(try bench.store.job("a")?.ending == .deleted)
    }
}
