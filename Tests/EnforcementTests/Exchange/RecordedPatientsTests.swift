import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Under whom an access is filed: whoever was asked for, whether anything was got or not, and nobody beside.
@Suite struct RecordedPatientsTests {
    private static let doctor = "Practitioner/dr1"

    private func harness() throws -> GatewayHarness {
        let panel = Set(["pA", "pB"].compactMap { ResourceID($0) })
        let users = [try #require(InstanceKey(Self.doctor)): PatientPanel.patients(panel)]
        return try GatewayHarness(
            upstream: try AttackCatalogue.shared.get().store(.obedient).upstream, panels: .table(users: users))
    }

    /// The records of accesses that an answer has left, in order.
    static func records(_ answer: GatewayHarness.Answer) throws -> [AccessRecord] {
        try answer.records.map { entry in
            guard case .access(let record) = try entry.statement().event else {
                Issue.record("expected the record of an access")
                throw NoAccess()
            }
            #expect(entry.index.patients == record.patients)
            return record
        }
    }

    private struct NoAccess: Error {}

    /// What somebody's app tries and does not get.
    static let attempts: [(method: String, target: String, body: String)] = [
        ("GET", "/Patient/pB", ""), ("GET", "/Patient/pB/_history", ""), ("GET", "/Patient/pB/_history/1", ""),
        ("GET", "/Observation?patient=pB", ""), ("GET", "/Observation?patient=Patient/pB", ""),
        ("GET", "/Observation?subject=Patient/pB", ""), ("GET", "/Observation?subject:Patient=pB", ""),
        ("GET", "/Observation?patient=https://gw.example/fhir/Patient/pB", ""),
        ("GET", "/Observation?patient._id=pB", ""), ("GET", "/Patient?_id=pB", ""),
        ("GET", "/Patient/pB/Observation", ""), ("GET", "/Patient/pB/*", ""), ("GET", "/Patient/pB/$everything", ""),
        ("GET", "/DocumentReference/$docref?patient=pB", ""),
        (
            "POST", "/DocumentReference/$docref",
            #"{"resourceType":"Parameters","parameter":[{"name":"patient","valueId":"pB"}]}"#
        ),
        ("PUT", "/Patient/pB", #"{"resourceType":"Patient","id":"pB"}"#), ("DELETE", "/Patient/pB", ""),
        ("PATCH", "/Patient/pB", "[]"),
    ]

    @Test(.verifies("audit@patients-asked"), arguments: attempts.indices)
    func `who was tried is in the record, and nothing is said to have left`(place: Int) async throws {
        let (method, target, body) = Self.attempts[place]
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.cruds", patient: "pA")
        let type = method == "PATCH" ? "application/json-patch+json" : "application/fhir+json"

        let answer = await harness.send(
            method, target, token: token, headers: body.isEmpty ? [] : [(name: "Content-Type", value: type)],
            body: Array(body.utf8))

        let record = try #require(try Self.records(answer).last)
        #expect(record.patients.contains("pB"), "\(target) \(record.patients)")
        #expect(record.released == 0 || record.askedOnly.contains("pB"))
        #expect(!AccessReport.isDisclosure(record, of: "pB"))
        // The record may know it; the answer says what it says to everybody.
        #expect(!answer.text.contains("SECRET-B"))
        if method != "PUT" { #expect(record.askedOnly.contains("pB")) }
        let event = try AuditEventResource.json(try #require(answer.records.last), system: Self.system)
        let entity = event["entity"]?.array?.first { $0["what"]?["reference"]?.string == "Patient/pB" }
        #expect(entity != nil)
        if method != "PUT" { #expect(entity?["detail"]?.array?.first?["type"]?.string == "asked-only") }
    }

    private static let system = AuditSystem(
        name: "gateway", fhirBase: GatewayHarness.publicBase, issuer: GatewayHarness.issuer)

    @Test(.verifies("audit@patients-asked"))
    func `a user's token launched on one patient reads another's chart under that one's name alone`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "user/*.rs", patient: "pA", fhirUser: Self.doctor)

        for target in ["/Patient/pB", "/Observation/obsB", "/Observation?patient=pB"] {
            let answer = await harness.send("GET", target, token: token)
            let record = try #require(try Self.records(answer).last)
            #expect(answer.status == 200)
            #expect(record.patients == ["pB"], "\(target)")
            #expect(record.askedOnly.isEmpty, "\(target)")
        }
    }

    @Test func `a patient's own access is filed under the patient, found or not`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let found = try #require(try Self.records(await harness.send("GET", "/Observation/obsA", token: token)).last)
        let none = try #require(
            try Self.records(await harness.send("GET", "/Observation?code=nothing", token: token)).last)

        #expect(found.patients == ["pA"] && found.askedOnly.isEmpty)
        #expect(none.patients == ["pA"] && none.askedOnly == ["pA"] && none.released == 0)
    }

    @Test(.verifies("audit@patients-asked"))
    func `a search across a panel is filed under all of it and says of whom nothing was found`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "user/*.rs", fhirUser: Self.doctor)

        let answer = await harness.send("GET", "/Observation?_id=obsB", token: token)

        let record = try #require(try Self.records(answer).last)
        #expect(answer.keys == ["Observation/obsB"])
        #expect(Set(record.patients) == ["pA", "pB"])
        #expect(record.askedOnly == ["pA"])
    }

    @Test func `a client cannot make the index without end`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        let ids = (0..<900).map { "x\($0)" }.joined(separator: ",")

        let record = try #require(
            try Self.records(await harness.send("GET", "/Observation?patient=\(ids)", token: token)).last)

        #expect(record.patients.count == 200)
        #expect(record.securityEvents.contains("asked-patients-not-named:701"), "\(record.securityEvents)")
    }

    // MARK: - scopes

    @Test(.verifies("audit@scopes-of-what-left"))
    func `everything names the scopes under which its records left beside the one that opened it`() async throws {
        let harness = try harness()
        let token = try harness.token(
            scope: "patient/Patient.rs patient/Observation.rs patient/Immunization.rs", patient: "pA")

        let answer = await harness.send("GET", "/Patient/pA/$everything", token: token)

        #expect(answer.keys.contains { $0.hasPrefix("Observation/") })
        let record = try #require(try Self.records(answer).last)
        #expect(Set(record.scopes) == ["patient/Patient.rs", "patient/Observation.rs"])
    }

    // MARK: - compartments

    @Test(arguments: [("/Patient/pA/Observation", "Patient/pA"), ("/Practitioner/dr1/Observation", "Practitioner/dr1")])
    func `a compartment is not recorded as a resource of the type that was searched`(
        target: String, compartment: String
    ) async throws {
        let harness = try harness()
        let token = try harness.token(scope: "user/*.rs", fhirUser: Self.doctor)

        let answer = await harness.send("GET", target, token: token)

        let entry = try #require(answer.records.last)
        let record = try #require(try Self.records(answer).last)
        #expect(record.resourceType == "Observation" && record.resourceID == nil)
        #expect(record.compartment == compartment)
        var filter = AuditContentFilter()
        filter.resources = [compartment]
        #expect(try filter.matches(entry))
        filter.resources = ["Observation/\(compartment.split(separator: "/")[1])"]
        #expect(try !filter.matches(entry))
        let event = try AuditEventResource.json(entry, system: Self.system)
        #expect(event.text.contains(compartment))
        #expect(!event.text.contains("Observation/pA\"") && !event.text.contains("Observation/dr1\""))
    }

    // MARK: - batches

    @Test(.verifies("house@bundle-records"))
    func `the whole of a batch has released what its entries have`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.cruds", patient: "pA")

        let answer = await harness.send(
            "POST", "", token: token, headers: BundleBuilder.json,
            body: BundleBuilder.bundle(
                "batch",
                [
                    BundleBuilder.entry("GET", "Observation/obsA"), BundleBuilder.entry("GET", "Observation/obsB"),
                    BundleBuilder.entry("GET", "Patient/pB"), BundleBuilder.entry("GET", "Patient/pA"),
                ]))

        let records = try Self.records(answer)
        let whole = try #require(records.last)
        #expect(whole.released == 2)
        #expect(whole.released == records.filter { $0.parent != nil }.reduce(0) { $0 + $1.released })
        #expect(Set(whole.patients) == ["pA", "pB"])
        #expect(whole.askedOnly == ["pB"])
        #expect(records.first { $0.path == "/Patient/pB" }?.patients == ["pA", "pB"])
    }

    @Test(.verifies("house@bundle-records"))
    func `what there was no room for is in no record as released`() async throws {
        var limits = GatewayHarness.limits
        limits.answerBytes = 1_200
        let harness = try GatewayHarness(
            upstream: try AttackCatalogue.shared.get().store(.obedient).upstream, limits: limits)
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let answer = await harness.send(
            "POST", "", token: token, headers: BundleBuilder.json,
            body: BundleBuilder.bundle(
                "batch", (0..<12).map { _ in BundleBuilder.entry("GET", "Observation/obsA") }))

        let records = try Self.records(answer)
        let whole = try #require(records.last)
        let left = answer.json?["entry"]?.array?.count { $0["resource"] != nil } ?? 0
        #expect(left > 0 && left < 12, "\(answer.entryStatuses)")
        #expect(whole.released == left)
    }
}
