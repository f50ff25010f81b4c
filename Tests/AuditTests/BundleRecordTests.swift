import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

/// The records of batches and transactions: one of the whole, one of each entry.
@Suite struct BundleRecordTests {
    let sink = InMemoryAuditSink()

    private func bundle() -> AccessRecord {
        sampleRecord("d-1") { record in
            (record.interaction, record.method, record.path) = (.transaction, "POST", "")
            (record.resourceType, record.resourceID) = (nil, nil)
            record.targets = ["POST Observation", "DELETE Condition/c-1"]
            record.entries = (1...2).map { number in
                sampleRecord("d-1.\(number)") { $0.parent = DecisionID("d-1") }
            }
        }
    }

    @Test(.verifies("house@bundle-records"))
    func `the entries' records are durable before the one that closes the whole`() async throws {
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: stillClock)

        let receipt = try await recorder.open(bundle())
        _ = try await recorder.close(receipt, bundle()).decisionID

        #expect(sink.entries.map(\.index.eventID.text) == ["d-1", "d-1.1", "d-1.2", "d-1"])
        #expect(sink.entries.map(\.index.phase) == [.opening, .whole, .whole, .closing])
        #expect(try AuditVerifier.verify("n", in: sink).finding == nil)
    }

    @Test func `the callback's way writes the same`() throws {
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: stillClock)
        let answers = Answers()

        recorder.record(bundle(), then: answers.closing)

        #expect(answers.wait(for: 1) == [.receipt("d-1")])
        #expect(sink.entries.map(\.index.eventID.text) == ["d-1.1", "d-1.2", "d-1"])
    }

    @Test(.verifies("audit@one-closed-record")) func `whole and parts are stored together or not at all`() async throws
    {
        let recorder = try AuditRecorder(
            sink: sink, node: "n", clock: stillClock, limits: AuditQueueLimits(records: 8, bytes: 1 << 20, batch: 1))

        _ = try await recorder.record(bundle()).decisionID

        // A batch of one submission, and so one transaction of three entries.
        #expect(sink.batches == [3])
    }

    @Test(.verifies("audit@one-closed-record"))
    func `parts that were stored with a whole that was not answered are marked like it`() async throws {
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: stillClock)
        let answers = Answers()
        sink.behave(.storesButThrows)
        recorder.record(bundle(), then: answers.closing)
        _ = answers.wait(for: 1)
        sink.behave(.works)
        recorder.shutdown()

        let ends = sink.entries.filter { $0.index.phase == .interrupted }
        #expect(ends.map(\.index.eventID.text) == ["d-1.1", "d-1.2", "d-1"])
        #expect(ends.map(\.index.closes) == [1, 2, 3])
        #expect(try AuditVerifier.verify("n", in: sink).finding == nil)
    }

    @Test func `without its entries' records the whole is not closed`() async throws {
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: stillClock)
        let answers = Answers()
        sink.behave(.fails)

        recorder.record(bundle(), then: answers.closing)

        #expect(answers.wait(for: 1) == [.failure(.notWritten(detail: "Broken()"))])
        #expect(sink.entries.isEmpty)
    }

    @Test func `parent and targets are kept and told`() async throws {
        let recorder = try AuditRecorder(sink: sink, node: "n", clock: stillClock)
        _ = try await recorder.record(bundle()).decisionID

        let records = try sink.entries.compactMap { entry -> AccessRecord? in
            guard case .access(let record) = try entry.statement().event else { return nil }
            return record
        }
        #expect(records.map(\.parent?.text) == ["d-1", "d-1", nil])
        #expect(records.last?.targets == ["POST Observation", "DELETE Condition/c-1"])
        #expect(records.flatMap(\.entries).isEmpty)
        let system = AuditSystem(name: "chaperone", fhirBase: "https://gw.example/fhir", issuer: "https://gw.example")
        let part = try AuditEventResource.json(try #require(sink.entries.first), system: system).text
        let whole = try AuditEventResource.json(try #require(sink.entries.last), system: system).text
        #expect(part.contains(#"{"type":"batch","valueString":"d-1"}"#))
        #expect(whole.contains(#"{"type":"changes","valueString":"DELETE Condition/c-1"}"#))
    }
}
