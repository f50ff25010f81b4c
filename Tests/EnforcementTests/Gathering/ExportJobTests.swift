import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// The jobs of bulk exports, kept in a store, through the whole gateway without sockets.
@Suite struct ExportJobTests {
    private static let base = GatewayHarness.upstreamBase
    private static let panels = PanelSource.table(users: [:], clients: [ClientID("backend"): .everyone])
    private static let scope = "system/Observation.rs"

    /// A server whose export is done at once and has one file; deletions are answered with a status.
    private static func upstream(deleting status: Int = 202) -> ScriptedUpstream {
        ScriptedUpstream { request in
            if request.method == .delete { return .answer(UpstreamHead(status: status), []) }
            if request.path.hasSuffix("$export") {
                return .answer(UpstreamHead(status: 202, contentLocation: "\(base)/jobs/7"), [])
            }
            guard request.pageTarget == "/fhir/jobs/7" else {
                let line = BulkStreamTests.line("o1", of: "pA")
                return .answer(UpstreamHead(status: 200, contentType: "application/fhir+ndjson"), Array(line.utf8))
            }
            let manifest: JSONValue = [
                "transactionTime": "2026-01-01T00:00:00Z",
                "output": [["type": "Observation", "url": .string("\(base)/files/1.ndjson")]],
            ]
            return .answer(UpstreamHead(status: 200, contentType: "application/json"), manifest.serialized)
        }
    }

    private func harness(_ jobs: ExportJobs, _ upstream: ScriptedUpstream = upstream()) throws -> GatewayHarness {
        try GatewayHarness(upstream: upstream, panels: Self.panels, jobs: jobs)
    }

    private func token(_ harness: GatewayHarness, grant: String = "grant-1") throws -> String {
        try harness.token(scope: Self.scope, client: "backend", grant: grant, subject: nil)
    }

    /// The paths of a new job and of its one file.
    private func export(_ harness: GatewayHarness) async throws -> (job: String, file: String) {
        func below(_ address: String?) throws -> String {
            String(try #require(address).dropFirst(GatewayHarness.publicBase.count))
        }
        let token = try token(harness)
        let job = try below(await harness.send("GET", "/$export", token: token).field("content-location"))
        let manifest = await harness.send("GET", job, token: token)
        return (job, try below(manifest.json?["output"]?.array?.first?["url"]?.string))
    }

    private func statuses(_ harness: GatewayHarness, _ paths: [String]) async throws -> [Int] {
        var statuses: [Int] = []
        for path in paths {
            let answer = await harness.send("GET", path, token: try token(harness, grant: "later"))
            if answer.status == 404 { #expect(answer.upstream.isEmpty) }
            statuses.append(answer.status)
        }
        return statuses
    }

    @Test(.verifies("house@EXPORT-JOBS"))
    func `a job and its files outlive the process that started it`() async throws {
        let store = InMemoryAuthorizationStore()
        let (job, file) = try await export(harness(.kept(in: store)))

        let later = try harness(.kept(in: store))

        #expect(try await statuses(later, [job, file]) == [200, 200])
        #expect(try await statuses(harness(.kept(in: InMemoryAuthorizationStore())), [job, file]) == [404, 404])
    }

    @Test(.verifies("house@EXPORT-JOBS", "attack@ATK-241"), arguments: ExportJob.Ending.allCases)
    func `a job that is over is not there any more, nor are its files`(ending: ExportJob.Ending) async throws {
        let store = InMemoryAuthorizationStore()
        let harness = try harness(.kept(in: store))
        let (job, file) = try await export(harness)
        #expect(try await statuses(harness, [job, file]) == [200, 200])

        #expect(try await store.end(String(job.dropFirst("/_bulk/".count)), because: ending))

        #expect(try await statuses(harness, [job, file]) == [404, 404])
        let nothing = await harness.send("GET", "/_bulk/nothing", token: try token(harness))
        let gone = await harness.send("DELETE", job, token: try token(harness))
        #expect(gone.status == 404 && gone.text == nothing.text && gone.upstream.isEmpty)
    }

    @Test(.verifies("house@EXPORT-JOBS"), arguments: [202, 404, 500])
    func `a client ends its job, and what the server did not delete stays due`(status: Int) async throws {
        let store = InMemoryAuthorizationStore()
        let harness = try harness(.kept(in: store), Self.upstream(deleting: status))
        let (job, file) = try await export(harness)

        let end = await harness.send("DELETE", job, token: try token(harness))

        #expect(end.status == 202 && end.upstream.map(\.method) == [.delete])
        #expect(end.records.map(\.index.phase) == [.opening, .closing])
        #expect(try await statuses(harness, [job, file]) == [404, 404])
        #expect(try await store.due(at: GatewayHarness.now, limit: 5).map(\.ending) == [.deleted])
    }

    /// A store in which one step comes to something else than it should.
    private static func jobs(
        in store: InMemoryAuthorizationStore, insert: ExportJobChange.Outcome = .done,
        locate: ExportJobChange.Outcome = .done
    ) -> ExportJobs {
        struct Broken: Error {}
        @Sendable func come(_ outcome: ExportJobChange.Outcome, _ change: @Sendable () async throws -> Bool)
            async throws -> Bool
        {
            guard outcome != .failed else { throw Broken() }
            return try await change() && outcome == .done
        }
        return ExportJobs(
            find: { try store.job($0) }, insert: { job in try await come(insert) { try await store.insert(job) } },
            locate: { id, target in try await come(locate) { try await store.locate(id, at: target) } },
            forget: { try await store.forget($0) }, end: { try await store.end($0, because: .deleted) })
    }

    @Test(.verifies("house@EXPORT-JOBS"), arguments: [ExportJobChange.Outcome.refused, .failed])
    func `nothing is asked of the server before the job is kept`(outcome: ExportJobChange.Outcome) async throws {
        let store = InMemoryAuthorizationStore()
        let harness = try harness(Self.jobs(in: store, insert: outcome))

        let answer = await harness.send("GET", "/$export", token: try token(harness))

        #expect(answer.status == 503 && answer.field("content-location") == nil)
        #expect(answer.upstream.isEmpty)
        #expect(answer.records.map(\.index.outcome) == ["pending", "failed"])
        #expect(try await store.unlocated() == [])
    }

    @Test(.verifies("house@EXPORT-JOBS"))
    func `while the server is asked, the job is known without its place, and nobody reaches it`() async throws {
        let store = InMemoryAuthorizationStore()
        let seen = Mutex<[ExportJob]>([])
        let upstream = Self.upstream()
        let harness = try harness(
            .kept(in: store),
            ScriptedUpstream { request in
                // What a process that dies at this moment leaves behind.
                if request.path.hasSuffix("$export") {
                    seen.withLock { $0 = store.exportJobsWithoutPlace }
                }
                return upstream.reply(to: request)
            })

        let answer = await harness.send("GET", "/$export", token: try token(harness))

        #expect(answer.status == 202)
        let job = try #require(seen.withLock { $0.first })
        #expect(answer.field("content-location")?.hasSuffix(job.id) == true)
        #expect(job.client == ClientID("backend") && job.path == "/$export" && !job.isLocated)
        #expect(try await store.unlocated() == [])
        let waiting = InMemoryAuthorizationStore()
        _ = try await waiting.insert(job)
        #expect(try await statuses(self.harness(.kept(in: waiting)), ["/_bulk/\(job.id)"]) == [404])
    }

    @Test(
        .verifies("house@EXPORT-JOBS"),
        arguments: [
            ScriptedUpstream.Reply.answer(UpstreamHead(status: 400), []), .answer(UpstreamHead(status: 500), []),
            .answer(UpstreamHead(status: 202), []),
            .answer(UpstreamHead(status: 202, contentLocation: "http://elsewhere.example/job"), []),
            .failure(.unreachable), .failure(.timedOut),
        ])
    func `of a job that has no place nothing stays but its record`(reply: ScriptedUpstream.Reply) async throws {
        let store = InMemoryAuthorizationStore()
        let harness = try harness(.kept(in: store), ScriptedUpstream { _ in reply })

        let answer = await harness.send("GET", "/$export", token: try token(harness))

        #expect(answer.status >= 400 && answer.upstream.count == 1)
        #expect(answer.records.count == 2)
        #expect(try await store.unlocated() == [])
        #expect(try await store.due(at: .max, limit: 5) == [])
    }

    @Test(.verifies("house@EXPORT-JOBS"), arguments: [ExportJobChange.Outcome.refused, .failed], [202, 500])
    func `a job whose place cannot be kept is deleted at the server and told to nobody`(
        outcome: ExportJobChange.Outcome, status: Int
    ) async throws {
        let store = InMemoryAuthorizationStore()
        let harness = try harness(Self.jobs(in: store, locate: outcome), Self.upstream(deleting: status))

        let answer = await harness.send("GET", "/$export", token: try token(harness))

        #expect(answer.status == 503 && answer.field("content-location") == nil)
        #expect(answer.upstream.map(\.method) == [.get, .delete])
        #expect(answer.upstream.last?.pageTarget == "/fhir/jobs/7")
        #expect(answer.records.map(\.index.outcome) == ["pending", "interrupted"])
        // What the server has not deleted, and has no place here, is reported at the next start.
        #expect(try await store.unlocated().count == (outcome == .failed && status == 500 ? 1 : 0))
    }

    @Test(.verifies("house@EXPORT-JOBS"), arguments: [202, 404, 500])
    func `a job whose token ends before it is kept is deleted at the server`(status: Int) async throws {
        let hasEnded = Mutex(false)
        let forgotten = Mutex(0)
        let upstream = Self.upstream(deleting: status)
        let harness = try GatewayHarness(
            upstream: ScriptedUpstream { request in
                // The fault: between the server's 202 and our row.
                if request.path.hasSuffix("$export") { hasEnded.withLock { $0 = true } }
                return upstream.reply(to: request)
            }, panels: Self.panels,
            jobs: ExportJobs(
                find: { _ in nil }, insert: { _ in true },
                locate: { _, _ in
                    Issue.record("a job of a token that has ended gets no place")
                    return true
                },
                forget: { _ in
                    forgotten.withLock { $0 += 1 }
                    return true
                }, end: { _ in false }),
            revocation: { _ in hasEnded.withLock { $0 } ? .revoked : .active })

        let answer = await harness.send("GET", "/$export", token: try token(harness))

        #expect(answer.status == 401 && answer.field("content-location") == nil)
        #expect(answer.upstream.map(\.method) == [.get, .delete])
        #expect(answer.upstream.last?.pageTarget == "/fhir/jobs/7")
        #expect(answer.records.map(\.index.phase) == [.opening, .interrupted])
        guard case .access(let record)? = try answer.records.last?.statement().event else { return }
        let isDeleted = status != 500
        #expect(forgotten.withLock { $0 } == (isDeleted ? 1 : 0))
        #expect(
            record.outcome
                == .interrupted(reason: isDeleted ? "export-not-kept" : "export-not-kept: not deleted, status-500"))
    }

    @Test(.verifies("house@EXPORT-JOBS", "audit@opening-before-change"))
    func `a job is not ended before there is a record of it`() async throws {
        let store = InMemoryAuthorizationStore()
        let (job, file) = try await export(harness(.kept(in: store)))
        let sink = InMemoryAuditSink()
        let harness = try GatewayHarness(
            upstream: Self.upstream(), panels: Self.panels, jobs: .kept(in: store), sink: sink)
        sink.behave(.fails)

        let end = await harness.send("DELETE", job, token: try token(harness))

        #expect(end.status == 503 && end.upstream.isEmpty)
        sink.behave(.works)
        #expect(try await statuses(harness, [job, file]) == [200, 200])
    }

    @Test(.verifies("house@EXPORT-JOBS"))
    func `without its store nothing is started and nothing is found`() async throws {
        struct Broken: Error {}
        let none = try harness(.none)
        let start = await none.send("GET", "/$export", token: try token(none))
        #expect(start.status == 503 && start.upstream.isEmpty)

        let broken = try harness(
            ExportJobs(
                find: { _ in throw Broken() }, insert: { _ in true }, locate: { _, _ in true }, forget: { _ in true },
                end: { _ in throw Broken() }))
        let look = await broken.send("GET", "/_bulk/some", token: try token(broken))
        #expect(look.status == 503 && look.upstream.isEmpty)
    }
}
