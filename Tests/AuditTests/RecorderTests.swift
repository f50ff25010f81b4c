import AccessPolicy
import Audit
import ChaperoneTesting
import Foundation
import RequirementTraits
import Testing

/// What the recorder does when all is well, and how it recovers.
@Suite struct RecorderTests {
    let sink = InMemoryAuditSink()

    func recorder() throws -> AuditRecorder { try AuditRecorder(sink: sink, node: "n", clock: stillClock) }

    @Test func `nobody is answered before the append returns`() throws {
        let gate = AppendGate()
        let sink = InMemoryAuditSink(gate: gate.hold)
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let answers = Answers()

        recorder.record(sampleRecord("d-1"), then: answers.closing)
        gate.awaitAppend()

        #expect(answers.all.isEmpty)
        #expect(recorder.health.queueDepth == 1)
        gate.open()
        #expect(answers.wait(for: 1) == [.receipt("d-1")])
        #expect(sink.entries.count == 1)
    }

    @Test func `64 at once share commits`() throws {
        let gate = AppendGate()
        let sink = InMemoryAuditSink(gate: gate.hold)
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let answers = Answers()

        DispatchQueue.concurrentPerform(iterations: 64) { number in
            recorder.record(sampleRecord("d-\(number)"), then: answers.closing)
        }
        gate.open()
        let given = answers.wait(for: 64)

        #expect(Set(given) == Set((0..<64).map { .receipt("d-\($0)") }))
        #expect(sink.batches.reduce(0, +) == 64)
        #expect(sink.batches.count <= 2)
        #expect(recorder.health.recorded == 64)
        #expect(recorder.health.appends == sink.batches.count)
        #expect(try AuditVerifier.verify("n", in: sink).verified == 64)
    }

    @Test func `no commit is larger than the limit`() throws {
        let gate = AppendGate()
        let sink = InMemoryAuditSink(gate: gate.hold)
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let answers = Answers()
        for number in 0..<200 { recorder.record(sampleRecord("d-\(number)"), then: answers.closing) }

        gate.open()
        _ = answers.wait(for: 200)

        #expect(sink.batches.reduce(0, +) == 200)
        #expect(sink.batches.allSatisfy { $0 <= 64 })
        #expect(sink.entries.map(\.index.eventID.text) == (0..<200).map { "d-\($0)" })
    }

    @Test func `opening and closing stand for one decision`() async throws {
        let recorder = try recorder()

        let opening = try await recorder.open(sampleRecord("d-1") { $0.outcome = .pending })
        #expect(opening.decisionID == DecisionID("d-1"))
        let closing = try await recorder.close(opening, sampleRecord("d-1"))

        #expect(closing.decisionID == DecisionID("d-1"))
        #expect(sink.entries.map(\.index.phase) == [.opening, .closing])
        #expect(sink.entries.map(\.index.closes) == [nil, 1])
    }

    @Test(
        .verifies("audit@one-closed-record"),
        arguments: [
            (AccessInteraction.searchType, "closed too late: the answer was cut off before its end"),
            (.operation, "closed too late: the answer was not given, or not to its end"),
            (.update, "stored, but the answer was not given"),
        ]) func `a closing that came late says what was given until then`(interaction: AccessInteraction, text: String)
        async throws
    {
        let record = sampleRecord("d-1") { $0.interaction = interaction }
        let recorder = try recorder()
        let opening = try await recorder.open(record)
        let late = try await recorder.close(opening, record)

        recorder.withdraw(late, record)
        recorder.shutdown()

        #expect(sink.entries.map(\.index.phase) == [.opening, .closing, .interrupted])
        #expect(try reason(sink.entries.last) == text)
    }

    @Test(.verifies("audit@one-closed-record"))
    func `a whole record that came late says that nothing was given, and one that was cut says so once`() async throws {
        let recorder = try recorder()
        recorder.withdraw(try await recorder.record(sampleRecord("d-1")), sampleRecord("d-1"))
        let opening = try await recorder.open(sampleRecord("d-2"))
        let cut = sampleRecord("d-2") { $0.outcome = .interrupted(reason: "cut") }
        recorder.withdraw(try await recorder.close(opening, cut), cut)
        recorder.shutdown()

        #expect(sink.entries.map(\.index.phase).filter { $0 == .interrupted }.count == 2)
        #expect(sink.entries.filter { $0.index.eventID.text == "d-2" }.map(\.index.phase) == [.opening, .interrupted])
        let mark = sink.entries.last { $0.index.eventID.text == "d-1" }
        #expect(try reason(mark) == "stored, but the answer was not given")
    }

    @Test(.verifies("audit@not-written", "audit@one-closed-record"))
    func `what did not go out to its end is marked with its parts, and what was cut says so once`() async throws {
        let recorder = try recorder()
        let whole = sampleRecord("d-1") { record in
            record.entries = ["d-1.1", "d-1.2"].map { id in sampleRecord(id) { $0.parent = DecisionID("d-1") } }
        }
        recorder.notWritten(HandedAnswer(try await recorder.record(whole)), whole)
        let opening = try await recorder.open(sampleRecord("d-2"))
        let cut = sampleRecord("d-2") { $0.outcome = .interrupted(reason: "cut") }
        recorder.notWritten(HandedAnswer(try await recorder.close(opening, cut)), cut)
        // A mark is for the record that it was made of.
        let other = try await recorder.record(sampleRecord("d-3"))
        recorder.notWritten(HandedAnswer(other), sampleRecord("d-4"))
        recorder.shutdown()

        let marks = sink.entries.filter { $0.index.phase == .interrupted && $0.index.eventID.text.hasPrefix("d-1") }
        #expect(marks.map(\.index.eventID.text) == ["d-1.1", "d-1.2", "d-1"])
        #expect(marks.map(\.index.closes) == [1, 2, 3])
        for mark in marks {
            #expect(try reason(mark) == "the connection ended before the answer was written to its end")
        }
        #expect(sink.entries.filter { $0.index.eventID.text == "d-2" }.map(\.index.phase) == [.opening, .interrupted])
        #expect(sink.entries.filter { $0.index.eventID.text == "d-3" }.map(\.index.phase) == [.whole])
    }

    private func reason(_ entry: AuditEntry?) throws -> String? {
        guard case .access(let record) = try entry?.statement().event else { return nil }
        return record.outcome.reason
    }

    @Test func `an answer that was cut is closed as interrupted`() async throws {
        let recorder = try recorder()
        let opening = try await recorder.open(sampleRecord("d-1"))

        _ = try await recorder.close(opening, sampleRecord("d-1") { $0.outcome = .interrupted(reason: "cut") })
            .decisionID

        #expect(sink.entries.last?.index.phase == .interrupted)
    }

    @Test func `completions run where the delivery puts them`() throws {
        let recorder = try recorder()
        let answers = Answers()
        let queue = DispatchQueue(label: "loop")
        let key = DispatchSpecificKey<Bool>()
        queue.setSpecific(key: key, value: true)

        recorder.record(sampleRecord("d-1"), on: AuditDelivery { work in queue.async(execute: work) }) { result in
            switch consume result {
            case .success: answers.add(.receipt(DispatchQueue.getSpecific(key: key) == true ? "on loop" : "elsewhere"))
            case .failure(let failure): answers.add(.failure(failure))
            }
        }

        #expect(answers.wait(for: 1) == [.receipt("on loop")])
    }

    @Test func `shutdown writes what waits`() throws {
        let gate = AppendGate()
        let sink = InMemoryAuditSink(gate: gate.hold)
        let recorder = try AuditRecorder(sink: sink, node: "n")
        let answers = Answers()
        for number in 0..<10 { recorder.record(sampleRecord("d-\(number)"), then: answers.closing) }
        gate.open()

        recorder.shutdown()

        #expect(sink.entries.count == 10)
        #expect(answers.all.count == 10)
    }

    @Test func `recovery marks what a crash left open exactly once`() async throws {
        let crashed = try recorder()
        let kept = try await crashed.open(sampleRecord("d-1"))
        let open = try await crashed.open(sampleRecord("d-2") { $0.outcome = .pending })
        _ = try await crashed.close(kept, sampleRecord("d-1")).decisionID
        #expect(open.decisionID == DecisionID("d-2"))

        let next = try recorder()
        #expect(try next.recover() == 1)
        #expect(try next.recover() == 0)
        #expect(try recorder().recover() == 0)

        let last = try #require(sink.entries.last)
        #expect(sink.entries.count == 4)
        #expect(last.index.phase == .interrupted)
        #expect(last.index.closes == 2)
        guard case .access(let record) = try last.statement().event else {
            Issue.record("not an access")
            return
        }
        #expect(record.outcome == .interrupted(reason: "outcome unknown"))
        #expect(record.decisionID == DecisionID("d-2"))
        #expect(try AuditVerifier.verify("n", in: sink).finding == nil)
    }

    @Test(.verifies("audit@one-closed-record"))
    func `recovery closes what a node of another name left open, in its own chain`() async throws {
        let former = try AuditRecorder(sink: sink, node: "former", clock: stillClock)
        let open = try await former.open(sampleRecord("d-1") { $0.outcome = .pending })
        #expect(open.decisionID == DecisionID("d-1"))
        former.shutdown()
        let next = try recorder()

        #expect(try next.recover() == 1)
        #expect(try recorder().recover() == 0)

        let last = try #require(sink.entries.last)
        #expect(last.node == "former" && last.sequence == 2 && last.index.closes == 1)
        #expect(last.index.phase == .interrupted)
        #expect(try AuditVerifier.verify("former", in: sink).finding == nil)
        // The old name can be taken up again.
        _ = try await AuditRecorder(sink: sink, node: "former").record(sampleRecord("d-2")).decisionID
        #expect(try AuditVerifier.verify("former", in: sink).finding == nil)
    }

    @Test func `recovery leaves alone what this process opened`() async throws {
        let recorder = try recorder()
        let opening = try await recorder.open(sampleRecord("d-1"))

        #expect(try recorder.recover() == 0)

        _ = try await recorder.close(opening, sampleRecord("d-1")).decisionID
        #expect(sink.entries.map(\.index.phase) == [.opening, .closing])
    }

    @Test func `a recovery that failed can be repeated`() async throws {
        let opening = try await recorder().open(sampleRecord("d-1"))
        #expect(opening.decisionID == DecisionID("d-1"))
        let next = try recorder()
        sink.behave(.fails)
        #expect(throws: AuditFailure.self) { try next.recover() }
        sink.behave(.works)

        // What failed is made up for by the writer itself or by the second call, never by both.
        _ = try next.recover()
        next.shutdown()

        #expect(sink.entries.map(\.index.closes) == [nil, 1])
    }

    @Test func `an outbox drained twice leaves one record`() async throws {
        let recorder = try recorder()
        let record = AuthorizationRecord(
            id: DecisionID("event-1"), kind: .revoke, grantID: GrantID("g"), outcome: .succeeded, at: 5)
        let fromOutbox = try AuthorizationRecord(decoding: record.encoded)

        try await recorder.recordOnce(fromOutbox)
        try await recorder.recordOnce(fromOutbox)

        #expect(fromOutbox == record)
        #expect(sink.entries.map(\.index.eventID.text) == ["event-1"])
    }

    @Test(arguments: AuditSinkContract.allCases)
    func `the log in memory keeps the contract of sinks`(_ promise: AuditSinkContract) throws {
        try promise.check(InMemoryAuditSink())
    }
}
