import FHIRCore
import Foundation
import RequirementTraits
import SyntheticRecords
import Testing

@Suite struct SyntheticRecordSetTests {
    private static let set = SyntheticRecordSet()
    private static let bundles = set.bundles()
    private static let resources: [JSONValue] = bundles.flatMap { bundle in
        (bundle.bundle["entry"]?.array ?? []).compactMap { $0["resource"] }
    }

    private static func key(_ resource: JSONValue) -> String {
        "\(resource["resourceType"]?.string ?? "")/\(resource["id"]?.string ?? "")"
    }

    private static func references(in value: JSONValue) -> [String] {
        switch value {
        case .object(let members):
            members.flatMap { $0.name == "reference" ? [$0.value.string ?? ""] : references(in: $0.value) }
        case .array(let elements): elements.flatMap(references)
        default: []
        }
    }

    @Test func `the same seed gives the same bytes`() {
        #expect(SyntheticRecordSet(seed: 7).bundles().map(\.json) == SyntheticRecordSet(seed: 7).bundles().map(\.json))
        #expect(SyntheticRecordSet(seed: 7).bundles().map(\.json) != SyntheticRecordSet(seed: 8).bundles().map(\.json))
    }

    @Test func `there are twelve members and the people of the demo are among them`() {
        #expect(Self.set.memberIDs.count == 12)
        #expect(Set(["patient-a", "patient-b", "patient-c"]).isSubset(of: Set(Self.set.memberIDs)))
        let keys = Set(Self.resources.map(Self.key))
        #expect(
            keys.isSuperset(of: ["RelatedPerson/parent-a", "Practitioner/clinician-a", "Organization/payer-meadow"]))
    }

    @Test func `no two records share a type and id`() {
        let keys = Self.resources.map(Self.key)
        #expect(keys.count == Set(keys).count)
        #expect(keys.count > 700)
    }

    @Test func `every record is a FHIR resource that the scanner accepts`() throws {
        for bundle in Self.bundles {
            let document = try JSONDocument(bundle.json)
            let view = try #require(try BundleView(ResourceView(document.root)))
            for entry in view.entries {
                let resource = try ResourceView(#require(entry.resource))
                #expect(resource.id != nil)
            }
        }
    }

    @Test func `every reference leads to a record of the set`() {
        let keys = Set(Self.resources.map(Self.key))
        let dangling = Self.resources.flatMap(Self.references).filter { !keys.contains($0) }
        #expect(dangling.isEmpty)
    }

    @Test func `a member's records name that member only`() throws {
        for bundle in Self.bundles where bundle.name != "shared" {
            let named = Set(Self.references(in: bundle.bundle).filter { $0.hasPrefix("Patient/") })
            #expect(named == ["Patient/\(bundle.name)"])
        }
    }

    @Test(arguments: [
        "Condition", "Observation", "MedicationRequest", "AllergyIntolerance", "Immunization", "Procedure", "Encounter",
        "DiagnosticReport", "DocumentReference", "Binary", "CarePlan", "CareTeam", "Goal", "Coverage",
        "ExplanationOfBenefit", "Claim", "ClaimResponse", "Provenance", "Device", "ServiceRequest",
    ])
    func `every member has records of each kind`(type: String) {
        for bundle in Self.bundles where bundle.name != "shared" {
            let entries = bundle.bundle["entry"]?.array ?? []
            #expect(entries.contains { $0["resource"]?["resourceType"]?.string == type }, "\(bundle.name)")
        }
    }

    @Test func `one member has two plans`() {
        let payors = Self.resources.filter { $0["resourceType"]?.string == "Coverage" }.map {
            ($0["beneficiary"]?["reference"]?.string ?? "", $0["payor"]?.array?.first?["reference"]?.string ?? "")
        }
        let plans = Dictionary(grouping: payors, by: \.0).mapValues { Set($0.map(\.1)).count }
        #expect(plans.values.sorted() == Array(repeating: 1, count: 11) + [2])
    }

    @Test func `prior authorizations are approved, denied and pending`() {
        let answers = Self.resources.filter { $0["resourceType"]?.string == "ClaimResponse" }
        #expect(Set(answers.compactMap { $0["use"]?.string }) == ["preauthorization"])
        #expect(answers.filter { $0["outcome"]?.string == "queued" }.count == 12)
        #expect(answers.filter { $0["preAuthRef"] != nil }.count == 12)
        #expect(answers.filter { $0["disposition"] != nil }.count == 12)
    }

    @Test func `claims carry cost-sharing and remittance amounts`() {
        let claims = Self.resources.filter { $0["resourceType"]?.string == "ExplanationOfBenefit" }
        let codes = claims.flatMap { $0["item"]?.array ?? [] }.flatMap { $0["adjudication"]?.array ?? [] }
            .compactMap { $0["category"]?["coding"]?.array?.first?["code"]?.string }
        #expect(Set(codes).isSuperset(of: ["copay", "deductible", "paidtoprovider", "paidbypatient", "benefit"]))
        #expect(claims.allSatisfy { $0["payment"]?["amount"]?["value"] != nil })
    }

    @Test func `the committed fixtures are what the generator makes`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../fixtures/members")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".json") }
        #expect(Set(names) == Set(Self.bundles.map { "\($0.name).json" }))
        for bundle in Self.bundles {
            let committed = try Data(contentsOf: folder.appending(path: "\(bundle.name).json"))
            #expect(
                Array(committed) == bundle.json,
                "\(bundle.name): renew with `chaperone sandbox generate fixtures/members`")
        }
    }
}
