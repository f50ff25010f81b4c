import AccessPolicy
import Audit
import ChaperoneTesting
import Dispatch
import Foundation
import RequirementTraits
import Testing

/// Records whose answer was not given after all: what whoever reads the log sees of them.
@Suite(.timeLimit(.minutes(1))) struct WithdrawnRecordTests {
    let sink = InMemoryAuditSink()

    private func recorder() throws -> AuditRecorder { try AuditRecorder(sink: sink, node: "n", clock: stillClock) }

    private func rows() throws -> [AccessRecord] {
        try sink.search(AuditQuery(patient: "patient-a")).entries.reversed().compactMap { entry in
            guard case .access(let record) = try entry.statement().event else { return nil }
            return record
        }
    }

    private func disclosed(_ id: String, _ change: (inout AccessRecord) -> Void = { _ in }) -> AccessRecord {
        sampleRecord(id) {
            ($0.fhirUser, $0.released) = ("Practitioner/p", 5)
            change(&$0)
        }
    }

    // MARK: - what is seen

    @Test(.verifies("audit@withdrawn-once"))
    func `what was recorded and not given is one row that says so`() async throws {
        let recorder = try recorder()

        recorder.withdraw(try await recorder.record(disclosed("d-1")), disclosed("d-1"))
        recorder.shutdown()

        let rows = try rows()
        #expect(rows.map(\.outcome.code) == ["interrupted"])
        #expect(rows.map(\.released) == [0])
        #expect(!rows.contains { AccessReport.isDisclosure($0) })
        #expect(sink.search(AuditQuery(outcomes: ["permitted"])).entries.isEmpty)
        #expect(sink.entries.count == 2, "both stay in the log")
    }

    @Test(.verifies("audit@withdrawn-once"))
    func `the entries of a batch that was not given are one row each`() async throws {
        let recorder = try recorder()
        let batch = disclosed("d-1") { record in
            record.interaction = .batch
            record.entries = (1...2).map { number in
                disclosed("d-1.\(number)") { $0.parent = DecisionID("d-1") }
            }
        }

        recorder.withdraw(try await recorder.record(batch), batch)
        recorder.shutdown()

        let rows = try rows()
        #expect(rows.map(\.decisionID.text) == ["d-1.1", "d-1.2", "d-1"])
        #expect(rows.allSatisfy { $0.released == 0 && $0.outcome.code == "interrupted" })
    }

    private static let refusal = AccessOutcome.refused(reason: "not-permitted")

    @Test(
        .verifies("audit@withdrawn-once"),
        arguments: [refusal, .failed(reason: "gone"), .interrupted(reason: "done-not-answered: status-201")],
        [true, false])
    func `what a record says itself of nothing given no hang-up takes away`(
        _ outcome: AccessOutcome, _ isHandedOut: Bool
    ) async throws {
        let recorder = try recorder()
        func part(_ number: Int, _ outcome: AccessOutcome) -> AccessRecord {
            disclosed("d-1.\(number)") {
                $0.parent = DecisionID("d-1")
                $0.outcome = outcome
            }
        }
        let batch = disclosed("d-1") { record in
            record.interaction = .batch
            record.entries = [part(1, outcome), part(2, .permitted)]
        }

        let receipt = try await recorder.record(batch)
        if isHandedOut {
            recorder.notWritten(HandedAnswer(receipt), batch)
        } else {
            recorder.withdraw(receipt, batch)
        }
        let alone = disclosed("d-2") { $0.outcome = outcome }
        recorder.withdraw(try await recorder.record(alone), alone)
        recorder.shutdown()

        let rows = try rows()
        #expect(rows.map(\.decisionID.text).sorted() == ["d-1", "d-1.1", "d-1.2", "d-2"])
        for row in rows where ["d-1.1", "d-2"].contains(row.decisionID.text) { #expect(row.outcome == outcome) }
        for row in rows where ["d-1", "d-1.2"].contains(row.decisionID.text) {
            #expect(row.outcome.code == "interrupted" && row.outcome != outcome)
        }
    }

    @Test(.verifies("audit@withdrawn-once"))
    func `a stream that was cut behind its closing record counts what was sent`() async throws {
        let recorder = try recorder()
        let opening = try await recorder.open(disclosed("d-1") { $0.outcome = .pending })
        let record = disclosed("d-1") { $0.interaction = .searchType }
        let sent = disclosed("d-1") { ($0.interaction, $0.released) = (.searchType, 3) }

        recorder.withdraw(try await recorder.close(opening, record), record, sent: sent)
        recorder.shutdown()

        #expect(try rows().map(\.released) == [3])
        #expect(sink.entries.map(\.index.closes) == [nil, 1, 2])
    }

    @Test(
        .verifies("audit@withdrawn-once"),
        arguments: [
            (AccessInteraction.read, false, 0), (.update, true, 0), (.searchType, true, 5), (.operation, true, 5),
        ])
    func `what was stored though the log said no counts what may have left`(
        interaction: AccessInteraction, isOpened: Bool, released: Int
    ) async throws {
        let recorder = try recorder()
        let record = disclosed("d-1") { $0.interaction = interaction }
        let answers = Answers()

        if isOpened {
            let opening = try await recorder.open(disclosed("d-1") { $0.outcome = .pending })
            sink.behave(.storesButThrows)
            recorder.close(opening, record, then: answers.closing)
        } else {
            sink.behave(.storesButThrows)
            recorder.record(record, then: answers.closing)
        }
        _ = answers.wait(for: 1)
        sink.behave(.works)
        recorder.shutdown()

        let rows = try rows()
        #expect(rows.map(\.outcome.code) == ["interrupted"])
        #expect(rows.map(\.released) == [released])
    }

    // MARK: - at the end

    @Test(.verifies("audit@withdrawn-once"))
    func `a record that proves not to be given while the recorder ends is still marked`() throws {
        let recorder = try recorder()
        let loop = DispatchQueue(label: "loop")
        let (busy, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        loop.async { busy.wait() }
        let record = disclosed("d-1")
        recorder.record(record, on: AuditDelivery { work in loop.async(execute: work) }) { result in
            if case .success(let receipt) = consume result { recorder.withdraw(receipt, record) }
        }
        while sink.entries.isEmpty { Thread.sleep(forTimeInterval: 0.001) }

        DispatchQueue.global().async {
            recorder.shutdown()
            ended.signal()
        }
        while recorder.health.canRecord { Thread.sleep(forTimeInterval: 0.001) }
        busy.signal()
        ended.wait()

        #expect(sink.entries.map(\.index.phase) == [.whole, .interrupted])
        #expect(try rows().map(\.outcome.code) == ["interrupted"])
    }

    @Test func `when the recorder ends nothing new is taken, and after its end nothing at all`() async throws {
        let recorder = try recorder()
        let opening = try await recorder.open(disclosed("d-1"))
        let answers = Answers()
        recorder.shutdown()

        recorder.record(disclosed("d-2"), then: answers.closing)
        recorder.close(opening, disclosed("d-1"), then: answers.closing)

        #expect(answers.wait(for: 2) == [.failure(.closed), .failure(.closed)])
        #expect(sink.entries.count == 1)
    }

    @Test func `who never hears of a record does not keep the recorder from ending`() throws {
        let recorder = try recorder()
        recorder.record(disclosed("d-1"), on: AuditDelivery { _ in }) { _ in }

        recorder.shutdown()

        #expect(sink.entries.count == 1)
    }
}
