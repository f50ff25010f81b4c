import FHIRCore

/// Everything that is on file about one member.
struct MemberRecords {
    let member: MemberProfile
    var random: SplitMix64
    private(set) var resources: [JSONValue] = []

    /// The day that the records end; nothing is dated later.
    static let lastDay = CalendarDay(2026, 9, 30)
    /// The first day of the years on file: CMS asks for data since 2016, and the payer-to-payer window is five years.
    static let firstDay = CalendarDay(2019, 1, 7)

    init(member: MemberProfile, seed: UInt64) {
        self.member = member
        random = SplitMix64(seed: seed)
    }

    /// The records in an order in which each refers only to what stands before it or to shared records.
    static func all(of member: MemberProfile, seed: UInt64) -> [JSONValue] {
        var records = MemberRecords(member: member, seed: seed)
        records.addPerson()
        records.addClinicalRecords()
        records.addFinancialRecords()
        return records.resources
    }

    mutating func add(_ type: String, _ suffix: String, _ elements: [(String, JSONValue)]) -> String {
        let id = "\(member.id)-\(suffix)"
        resources.append(resource(type, id, elements))
        return id
    }

    mutating func addRaw(_ value: JSONValue) { resources.append(value) }

    var subject: JSONValue { reference("Patient", member.id, display: "\(member.given) \(member.family)") }
    var clinician: JSONValue { reference("Practitioner", "clinician-a") }

    /// A day within the years on file, at least `margin` days before their end.
    mutating func day(margin: Int = 0) -> CalendarDay {
        Self.firstDay + random.number(in: 0...(Self.lastDay.ordinal - Self.firstDay.ordinal - margin))
    }

    private mutating func addPerson() {
        let number = "M-\(random.number(in: 100_000...999_999))"
        addRaw(
            resource(
                "Patient", member.id,
                [
                    ("meta", ["profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]]),
                    (
                        "identifier",
                        .array([
                            identifier(CodeSystem.memberNumber, number),
                            identifier(CodeSystem.recordNumber, "R-\(random.number(in: 10_000...99_999))"),
                        ])
                    ),
                    ("active", .bool(true)),
                    (
                        "name",
                        .array([
                            [
                                "use": "official", "family": .string(member.family),
                                "given": .array([.string(member.given)]),
                            ]
                        ])
                    ),
                    (
                        "telecom",
                        .array([["system": "phone", "value": .string("555-01\(random.number(in: 10...99))")]])
                    ),
                    ("gender", .string(member.gender)),
                    ("birthDate", .string(member.birthDate.text)),
                    (
                        "address",
                        .array([["city": .string(member.city), "state": .string(member.state), "country": "US"]])
                    ),
                    ("generalPractitioner", .array([clinician])),
                    ("managingOrganization", reference("Organization", "clinic-oak")),
                ]))
        if member.id == "patient-c" {
            addRaw(
                resource(
                    "RelatedPerson", "parent-a",
                    [
                        ("active", .bool(true)),
                        ("patient", subject),
                        (
                            "relationship",
                            .array([
                                concept("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH", "mother")
                            ])
                        ),
                        ("name", .array([["family": "Castellan", "given": ["Paula"]]])),
                    ]))
        }
    }
}
