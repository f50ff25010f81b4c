import AccessPolicy
import Audit
import ChaperoneTesting
import RequirementTraits
import Testing

/// Whatever is done to a stored chain is found and located.
@Suite(.verifies("oauth-attack@G-13")) struct VerifierTests {
    /// A log of 40 entries of several kinds.
    static func log() async throws -> InMemoryAuditSink {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n")
        for number in 0..<10 {
            _ = try await recorder.record(sampleRecord("d-\(number)")).decisionID
            let opening = try await recorder.open(sampleRecord("o-\(number)") { $0.outcome = .pending })
            try await recorder.record(
                AuthorizationRecord(id: DecisionID("e-\(number)"), kind: .token, outcome: .succeeded, at: 7))
            _ = try await recorder.close(opening, sampleRecord("o-\(number)") { $0.patients = ["a", "b"] }).decisionID
        }
        recorder.shutdown()
        return sink
    }

    @Test func `an untouched chain is as written`() async throws {
        let sink = try await Self.log()
        let report = try AuditVerifier.verify("n", in: sink)
        #expect(report.finding == nil)
        #expect(report.verified == 40)
        #expect(report.end.hash == sink.entries.last?.hash)
    }

    /// 1,000 flips: 50 seeds of 20 places.
    @Test(arguments: UInt64(1)...50) func `a single changed bit is found where it is`(seed: UInt64) async throws {
        let sink = try await Self.log()
        let original = sink.entries
        var random = SeededRandom(state: seed)

        for _ in 0..<20 {
            let place = Int.random(in: 0..<original.count, using: &random)
            let changed = flip(original[place], using: &random)
            sink.tamper {
                $0 = original; $0[place] = changed
            }
            let finding = try AuditVerifier.verify("n", in: sink).finding
            #expect(finding?.sequence == original[place].sequence, "\(changed)")
        }
    }

    @Test(arguments: [0, 17, 38]) func `a removed entry is missing`(place: Int) async throws {
        let sink = try await Self.log()
        sink.tamper { $0.remove(at: place) }
        let finding = try AuditVerifier.verify("n", in: sink).finding
        #expect(finding?.fault == .missing)
        #expect(finding?.sequence == Int64(place + 1))
    }

    @Test(arguments: [0, 17, 38]) func `two entries exchanged are reordered`(place: Int) async throws {
        let sink = try await Self.log()
        sink.tamper { $0.swapAt(place, place + 1) }
        let finding = try AuditVerifier.verify("n", in: sink).finding
        #expect(finding?.fault == .reordered)
        #expect(finding?.sequence == Int64(place + 1))
    }

    @Test func `a tail cut off is found against an end that was kept`() async throws {
        let sink = try await Self.log()
        let end = try AuditVerifier.verify("n", in: sink).end
        sink.tamper { $0.removeLast(3) }

        #expect(try AuditVerifier.verify("n", in: sink).finding == nil)
        let finding = try AuditVerifier.verify("n", in: sink, expecting: end).finding
        #expect(finding?.fault == .truncated)
        #expect(finding?.sequence == 38)
    }

    @Test func `a chain written anew is found against an end that was kept`() async throws {
        let end = try AuditVerifier.verify("n", in: try await Self.log()).end
        let forged = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: forged, node: "n", clock: stillClock)
        for number in 1...40 { _ = try await recorder.record(sampleRecord("f-\(number)")).decisionID }

        #expect(try AuditVerifier.verify("n", in: forged).finding == nil)
        #expect(try AuditVerifier.verify("n", in: forged, expecting: end).finding?.sequence == 40)
    }

    /// The entry with one bit changed in a part drawn by lot.
    private func flip(_ entry: AuditEntry, using random: inout SeededRandom) -> AuditEntry {
        func flipped(_ bytes: [UInt8]) -> [UInt8] {
            var result = bytes
            result[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            return result
        }
        func flipped(_ hash: ChainHash) -> ChainHash { ChainHash(bytes: flipped(hash.bytes)) ?? .origin }
        let bit = Int64(1) << Int64.random(in: 0..<40, using: &random)
        let part = Int.random(in: 0..<7, using: &random)
        let index = entry.index
        return AuditEntry(
            node: entry.node, sequence: part == 0 ? entry.sequence ^ bit : entry.sequence,
            recordedAt: part == 1 ? entry.recordedAt ^ bit : entry.recordedAt,
            previous: part == 2 ? flipped(entry.previous) : entry.previous,
            hash: part == 3 ? flipped(entry.hash) : entry.hash,
            body: part == 4 ? flipped(entry.body) : entry.body,
            index: part < 5
                ? index
                : AuditIndex(
                    eventID: index.eventID, phase: index.phase, closes: index.closes, kind: index.kind,
                    interaction: index.interaction, resourceType: index.resourceType,
                    clientID: part == 5 ? ClientID("nobody") : index.clientID, subject: index.subject,
                    grantID: index.grantID, patients: part == 6 ? index.patients + ["x"] : index.patients,
                    outcome: index.outcome))
    }
}
