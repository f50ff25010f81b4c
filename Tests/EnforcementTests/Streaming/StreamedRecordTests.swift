import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Whom the records of a streamed answer name, and of whom they say that nothing was given: as if it had been judged whole.
@Suite(.verifies("audit@patients-asked")) struct StreamedRecordTests {
    private static let doctor = "Practitioner/dr1"
    private static let head = UpstreamHead(status: 200, contentType: "application/fhir+json")
    private static let category = "category=\(GatheredAnswerTests.system)"

    private func search(
        _ bundle: String, _ target: String, _ scope: String, patient: String?, limits: Enforcer.Limits,
        pieces: @escaping @Sendable ([UInt8]) -> [[UInt8]] = { [$0] }
    ) async throws -> GatewayHarness.Answer {
        let users = [try #require(InstanceKey(Self.doctor)): PatientPanel.everyone]
        let harness = try GatewayHarness(
            upstream: ScriptedUpstream { _ in .answer(Self.head, Array(bundle.utf8)) }, panels: .table(users: users),
            limits: limits, pieces: pieces)
        let token = try harness.token(scope: scope, patient: patient, fhirUser: Self.doctor)
        return await harness.send("GET", target, token: token)
    }

    private static func bundle(_ rows: [String]) -> String {
        let entries = rows.map { #"{"resource":\#($0),"search":{"mode":"match"}}"# }.joined(separator: ",")
        return #"{"resourceType":"Bundle","type":"searchset","entry":[\#(entries)]}"#
    }

    /// What all records of an answer but the opening one say of patients.
    private struct Told: Hashable, CustomStringConvertible {
        var patients: Set<String> = []
        var askedOnly: Set<String> = []
        var description: String { "\(patients.sorted()), only asked for \(askedOnly.sorted())" }

        init(_ answer: GatewayHarness.Answer) throws {
            for entry in answer.records where entry.index.phase != .opening {
                guard case .access(let record) = try entry.statement().event else { continue }
                patients.formUnion(record.patients)
                askedOnly.formUnion(record.askedOnly)
            }
        }
    }

    /// SplitMix64: every bit of what it gives is mixed.
    private struct Mixer: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }

        mutating func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: elements.indices, using: &self)]
        }
    }

    /// Targets, scopes and the patient in context.
    private static let requests: [(target: String, scope: String, patient: String?)] = [
        ("/Observation", "user/*.rs", nil), ("/Observation?performer=Patient/pA", "user/*.rs", nil),
        ("/Observation?performer=Patient/pA,Patient/pC", "user/*.rs", "pB"),
        ("/Observation?performer=Patient/pA", "patient/*.rs user/*.rs", "pB"),
        ("/Observation", "patient/Observation.rs?\(category)|vital-signs user/*.rs", "pA"),
        ("/Observation?performer=Patient/pC", "patient/Observation.rs?\(category)|vital-signs user/*.rs", "pA"),
        (
            "/Observation?performer=\((0..<205).map { "Patient/\($0 == 203 ? "pA" : "x\($0)")" }.joined(separator: ","))",
            "patient/Observation.rs?\(category)|vital-signs user/*.rs", "pB"
        ),
    ]

    @Test(arguments: requests.indices)
    func `records of a streamed answer name whom those of the whole name, and say the same of who got nothing`(
        place: Int
    ) async throws {
        let (target, scope, patient) = Self.requests[place]
        var streamed = 0
        var indexed = 0
        var kinds: Set<Told> = []
        for seed in 0..<40 {
            var random = Mixer(state: UInt64(place * 1_000 + seed))
            let patients = random.pick([["pA"], ["pB", "pC"], ["pA", "pB", "pC", "pD"], ["pD", "pE"]])
            let rows = (0..<Int.random(in: 1...8, using: &random)).map { number in
                BulkStreamTests.line(
                    "o\(number)", of: random.pick(patients), category: random.pick(["laboratory", "vital-signs"]))
            }
            let bundle = Self.bundle(rows)
            let gathered = random.pick([0, 300, 1 << 20])
            let lengths = [random.pick([7, 63, 400, 4_000])]

            let whole = try await search(
                bundle, target, scope, patient: patient, limits: BulkStreamTests.limits(8 << 20))
            let parts = try await search(
                bundle, target, scope, patient: patient, limits: BulkStreamTests.limits(20, gathered: gathered),
                pieces: BulkStreamTests.cutting(lengths))

            #expect(whole.status == 200 && whole.parts == 0 && parts.status == 200 && !parts.isCut, "\(whole.text)")
            if parts.parts > 0 { streamed += 1 }
            if parts.records.count > 2 { indexed += 1 }
            let told = try Told(whole)
            #expect(try Told(parts) == told, "\(target) \(bundle)")
            kinds.insert(told)
        }
        #expect(streamed == 40 && indexed > 0 && kinds.count > 3, "\(streamed) \(indexed) \(kinds.count)")
    }

    @Test func `who is named by a search and had data leave is not said to have been only asked for`() async throws {
        let rows = ["pA", "pQ"].map { BulkStreamTests.line("o-\($0)", of: $0) }

        let answer = try await search(
            Self.bundle(rows), "/Observation?performer=Patient/pA", "user/*.rs", patient: nil,
            limits: BulkStreamTests.limits(20, gathered: 0), pieces: BulkStreamTests.cutting([100]))

        let record = try #require(try RecordedPatientsTests.records(answer).last)
        #expect(answer.parts > 0 && Set(answer.keys) == ["Observation/o-pA", "Observation/o-pQ"])
        #expect(record.patients.contains("pA") && record.askedOnly == [])
    }

    @Test func `a patient in context whose data left by another scope is named by a record`() async throws {
        let rows = [BulkStreamTests.line("o-pA", of: "pA"), BulkStreamTests.line("o-pQ", of: "pQ")]

        let answer = try await search(
            Self.bundle(rows), "/Observation", Self.requests[4].scope, patient: "pA",
            limits: BulkStreamTests.limits(20, gathered: 0), pieces: BulkStreamTests.cutting([100]))

        let record = try #require(try RecordedPatientsTests.records(answer).last)
        #expect(answer.parts > 0 && record.askedOnly == [])
        #expect(try Told(answer).patients == ["pA", "pQ"])
    }

    @Test func `an answer that was cut says of nobody whose data left that they were only asked for`() async throws {
        let rows = ["pA", "pQ", "pA"].map { BulkStreamTests.line("o-\($0)", of: $0) }
        let broken = Self.bundle(rows).dropLast(2) + ",]}"

        let answer = try await search(
            String(broken), "/Observation?performer=Patient/pA,Patient/pC", "user/*.rs", patient: nil,
            limits: BulkStreamTests.limits(20, gathered: 0), pieces: BulkStreamTests.cutting([100]))

        let record = try #require(try RecordedPatientsTests.records(answer).last)
        #expect(answer.isCut && answer.text.contains("o-pA"))
        #expect(record.patients.contains("pA") && record.askedOnly == ["pC"])
    }
}
