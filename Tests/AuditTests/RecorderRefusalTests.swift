import AccessPolicy
import Audit
import ChaperoneTesting
import RequirementTraits
import Testing

/// What the recorder refuses, and what it leaves behind when the store fails.
@Suite struct RecorderRefusalTests {
    let sink = InMemoryAuditSink()

    /// A recorder that makes no attempts of its own while the tests look.
    func recorder() throws -> AuditRecorder {
        try AuditRecorder(sink: sink, node: "n", clock: stillClock, limits: AuditQueueLimits(retry: 600_000))
    }

    /// How a close fails; nil when it does not.
    func closeFails(_ recorder: AuditRecorder, _ receipt: consuming OpeningReceipt, _ record: AccessRecord) async
        -> AuditFailure?
    {
        do throws(AuditFailure) {
            _ = try await recorder.close(receipt, record).decisionID
            return nil
        } catch {
            return error
        }
    }

    func verify() throws -> AuditVerifier.Report { try AuditVerifier.verify("n", in: sink) }

    @Test(.verifies("oauth-attack@G-14")) func `a failing sink gives nobody a receipt`() throws {
        let recorder = try recorder()
        let answers = Answers()
        sink.behave(.fails)

        for number in 1...5 { recorder.record(sampleRecord("d-\(number)"), then: answers.closing) }

        let expected = Answers.Answer.failure(.notWritten(detail: "Broken()"))
        #expect(answers.wait(for: 5) == Array(repeating: expected, count: 5))
        #expect(sink.entries.isEmpty)
        #expect(!recorder.health.canRecord)
        #expect(recorder.health.lastFailure?.failure == .notWritten(detail: "Broken()"))
    }

    @Test(.verifies("oauth-attack@G-14")) func `a failing sink fails the async forms`() async throws {
        let recorder = try recorder()
        sink.behave(.fails)

        await #expect(throws: AuditFailure.self) { _ = try await recorder.record(sampleRecord()).decisionID }
        await #expect(throws: AuditFailure.self) { _ = try await recorder.open(sampleRecord()).decisionID }
        await #expect(throws: AuditFailure.self) {
            try await recorder.record(
                AuthorizationRecord(id: DecisionID("e"), kind: .login, outcome: .succeeded, at: 1))
        }
        #expect(sink.entries.isEmpty)
    }

    @Test(.verifies("oauth-attack@G-14")) func `a full queue refuses at once and loses nothing that waits`() throws {
        let gate = AppendGate()
        let sink = InMemoryAuditSink(gate: gate.hold)
        let recorder = try AuditRecorder(
            sink: sink, node: "n", clock: stillClock, limits: AuditQueueLimits(records: 3))
        let answers = Answers()

        recorder.record(sampleRecord("d-1"), then: answers.closing)
        gate.awaitAppend()
        for number in 2...5 { recorder.record(sampleRecord("d-\(number)"), then: answers.closing) }

        #expect(answers.wait(for: 2) == [.failure(.busy), .failure(.busy)])
        gate.open()
        #expect(answers.wait(for: 3).suffix(3) == [.receipt("d-1"), .receipt("d-2"), .receipt("d-3")])
    }

    @Test func `bytes that wait are bounded too`() throws {
        let gate = AppendGate()
        let recorder = try AuditRecorder(
            sink: InMemoryAuditSink(gate: gate.hold), node: "n", limits: AuditQueueLimits(bytes: 600))
        let answers = Answers()
        recorder.record(sampleRecord("d-1"), then: answers.closing)
        gate.awaitAppend()

        recorder.record(
            sampleRecord("d-2") { $0.queryAsked = String(repeating: "a", count: 600) }, then: answers.closing)

        #expect(answers.wait(for: 1) == [.failure(.busy)])
        gate.open()
    }

    @Test func `a closing record has room in a full queue`() async throws {
        let gate = AppendGate()
        let sink = InMemoryAuditSink()
        let opening = try await AuditRecorder(sink: sink, node: "m").open(sampleRecord("d-0"))
        #expect(opening.decisionID == DecisionID("d-0"))
        let gated = InMemoryAuditSink(gate: gate.hold)
        let recorder = try AuditRecorder(sink: gated, node: "n", limits: AuditQueueLimits(records: 1))
        let answers = Answers()
        recorder.record(sampleRecord("d-1"), then: answers.closing)
        gate.awaitAppend()

        recorder.close(opening, sampleRecord("d-0"), then: answers.closing)
        recorder.record(sampleRecord("d-2"), then: answers.closing)

        #expect(answers.wait(for: 1) == [.failure(.busy)])
        gate.open()
        #expect(Set(answers.wait(for: 2).suffix(2)) == [.receipt("d-1"), .receipt("d-0")])
    }

    @Test func `a receipt closes no other decision than its own`() async throws {
        let recorder = try recorder()
        let receipt = try await recorder.open(sampleRecord("d-1"))

        let refused = await closeFails(recorder, receipt, sampleRecord("d-2"))

        #expect(refused == .receiptOfAnotherDecision)
        #expect(sink.entries.map(\.index.phase) == [.opening])
    }

    @Test func `a receipt closes no other decision by callback either`() async throws {
        let recorder = try recorder()
        let receipt = try await recorder.open(sampleRecord("d-1"))
        let answers = Answers()

        recorder.close(receipt, sampleRecord("d-2"), then: answers.closing)

        #expect(answers.wait(for: 1) == [.failure(.receiptOfAnotherDecision)])
    }

    @Test func `after shutdown nothing is recorded`() throws {
        let recorder = try recorder()
        recorder.shutdown()
        let answers = Answers()

        recorder.record(sampleRecord(), then: answers.closing)

        #expect(answers.wait(for: 1) == [.failure(.closed)])
        #expect(!recorder.health.canRecord)
    }

    @Test func `the chain goes on intact after a failed append`() async throws {
        let recorder = try recorder()
        _ = try await recorder.record(sampleRecord("d-1")).decisionID
        sink.behave(.fails)
        await #expect(throws: AuditFailure.self) { _ = try await recorder.record(sampleRecord("d-2")).decisionID }
        sink.behave(.works)

        _ = try await recorder.record(sampleRecord("d-3")).decisionID

        #expect(sink.entries.map(\.index.eventID.text) == ["d-1", "d-3"])
        #expect(try verify().finding == nil)
        #expect(recorder.health.canRecord)
    }

    @Test func `an append that stored and threw is marked, and the chain goes on`() async throws {
        let recorder = try recorder()
        sink.behave(.storesButThrows)
        await #expect(throws: AuditFailure.self) { _ = try await recorder.record(sampleRecord("d-1")).decisionID }
        sink.behave(.works)

        _ = try await recorder.record(sampleRecord("d-2")).decisionID

        #expect(sink.entries.map(\.index.phase) == [.whole, .interrupted, .whole])
        #expect(sink.entries.map(\.index.closes) == [nil, 1, nil])
        #expect(try verify().finding == nil)
    }

    @Test func `a closing that could not be written is made up for as interrupted`() async throws {
        let recorder = try recorder()
        let receipt = try await recorder.open(sampleRecord("d-1"))
        sink.behave(.fails)
        let failure = await closeFails(recorder, receipt, sampleRecord("d-1"))
        #expect(failure != nil)
        sink.behave(.works)

        recorder.shutdown()

        #expect(sink.entries.map(\.index.phase) == [.opening, .interrupted])
        #expect(sink.entries.last?.index.closes == 1)
        #expect(try verify().finding == nil)
    }

    @Test(.verifies("oauth-attack@G-13")) func `a chain that somebody else continued is not continued`() async throws {
        let recorder = try recorder()
        _ = try await recorder.record(sampleRecord("d-1")).decisionID
        let other = try AuditRecorder(sink: sink, node: "n", clock: stillClock)
        _ = try await other.record(sampleRecord("d-2")).decisionID

        await #expect(throws: AuditFailure.self) { _ = try await recorder.record(sampleRecord("d-3")).decisionID }
        await #expect(throws: AuditFailure.chainBroken(detail: "node `n` ends at 2, expected 1")) {
            _ = try await recorder.record(sampleRecord("d-4")).decisionID
        }

        #expect(sink.entries.count == 2)
    }

    @Test(.verifies("oauth-attack@G-13")) func `a chain whose last entry was changed is not continued`() async throws {
        let first = try recorder()
        _ = try await first.record(sampleRecord("d-1")).decisionID
        sink.tamper { entries in
            let last = entries.removeLast()
            entries.append(
                AuditEntry(
                    node: last.node, sequence: last.sequence, recordedAt: last.recordedAt + 1,
                    previous: last.previous, hash: last.hash, body: last.body, index: last.index))
        }

        #expect(throws: AuditFailure.chainBroken(detail: "entry 1 of node `n` was changed")) { _ = try recorder() }
    }
}
