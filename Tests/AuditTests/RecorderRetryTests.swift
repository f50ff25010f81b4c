import AccessPolicy
import Audit
import ChaperoneTesting
import RequirementTraits
import Testing

/// A node that says it cannot record is sent nothing, so it finds out by itself when it can again.
@Suite(.verifies("audit@ready-again"), .timeLimit(.minutes(1))) struct RecorderRetryTests {
    let sink = InMemoryAuditSink()

    func recorder(retry: Int) throws -> AuditRecorder {
        try AuditRecorder(sink: sink, node: "n", clock: stillClock, limits: AuditQueueLimits(retry: retry))
    }

    private func fail(_ recorder: AuditRecorder, _ id: String) async {
        await #expect(throws: AuditFailure.self) { _ = try await recorder.record(sampleRecord(id)).decisionID }
        #expect(recorder.health.lastFailure != nil)
    }

    @Test func `a writer that nobody asks writes a record of its own, and is ready again`() async throws {
        let recorder = try recorder(retry: 2)
        sink.behave(.fails)
        // The record, and then some attempts of the writer's own.
        sink.behave(.works, after: 4)
        await fail(recorder, "d-1")

        while !recorder.health.canRecord { await Task.yield() }

        let entries = sink.entries
        #expect(entries.map(\.index.kind) == ["recording-resumed"])
        guard case .authorization(let record)? = try entries.first?.statement().event else {
            Issue.record("no record of a step")
            return
        }
        #expect(record.detail == "nothing could be recorded since 2025-10-09T08:53:20.500Z")
        #expect(recorder.health.lastFailure != nil)
        _ = try await recorder.record(sampleRecord("d-2")).decisionID
        #expect(try AuditVerifier.verify("n", in: sink).finding == nil)
    }

    @Test func `what failures left over is what it tries with`() async throws {
        let recorder = try recorder(retry: 2)
        let receipt = try await recorder.open(sampleRecord("d-1"))
        sink.behave(.fails)
        do throws(AuditFailure) {
            _ = try await recorder.close(receipt, sampleRecord("d-1")).decisionID
            Issue.record("it was closed")
        } catch {
            #expect(error == .notWritten(detail: "Broken()"))
        }
        sink.behave(.works)

        while !recorder.health.canRecord { await Task.yield() }

        #expect(sink.entries.map(\.index.phase) == [.opening, .interrupted])
    }

    @Test func `a record that was there before shows nothing of whether records can be written`() async throws {
        let recorder = try recorder(retry: 600_000)
        let step = AuthorizationRecord(id: DecisionID("e"), kind: .login, outcome: .succeeded, at: 1)
        try await recorder.recordOnce(step)
        let appends = recorder.health.appends
        sink.behave(.fails)
        await fail(recorder, "d-1")

        try await recorder.recordOnce(step)

        #expect(!recorder.health.canRecord)
        #expect(recorder.health.appends == appends + 1)
        #expect(recorder.health.recorded == 1)
    }

    @Test func `an attempt that stored though it seemed to fail is one, and the node is ready`() async throws {
        let recorder = try recorder(retry: 2)
        sink.behave(.fails)
        // The record, then an attempt of the writer's own that is stored all the same.
        sink.behave(.storesButThrows, after: 1)
        sink.behave(.works, after: 2)
        await fail(recorder, "d-1")

        while !recorder.health.canRecord { await Task.yield() }

        #expect(sink.entries.map(\.index.kind) == ["recording-resumed"])
        #expect(try AuditVerifier.verify("n", in: sink).finding == nil)
    }

    @Test func `while it cannot write it is not ready, however often it tries`() async throws {
        let recorder = try recorder(retry: 1)
        sink.behave(.fails)
        await fail(recorder, "d-1")

        while recorder.health.appends < 6 { await Task.yield() }

        #expect(!recorder.health.canRecord)
        #expect(sink.entries.isEmpty)
    }
}
