import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// What a row may not say of other people, its place among other rows must not say either (enforcer digest b.5, b.7).
@Suite(.underMutation) struct MaskedOrderTests {
    private static let patient = Token.patient("patient/*.rs")
    private static let clinician = Token.user("user/*.rs", panel: ["pA", "pC"])

    static let masked = [
        "Communication?_sort=recipient", "Communication?_sort=-recipient", "Communication?_sort=sent,sender",
        "Appointment?_sort=actor", "Appointment?_sort=patient", "Provenance?_sort=agent", "AuditEvent?_sort=entity",
        "Basic?_sort=author", "Composition?_sort=entry", "Task?_sort=focus", "Consent?_sort=consentor",
    ]

    @Test(.verifies("house@MASKED-ORDER"), arguments: masked)
    func `no order tells of people who are masked in a row`(line: String) throws {
        for token in [Self.patient, Self.clinician] {
            let denial = try Exchange.denial("GET /\(line)", token)
            #expect([.parameterNotSupported, .contextRefused].contains(denial.reason), "\(denial)")
        }
    }

    @Test(.verifies("house@MASKED-ORDER"))
    func `through a compartment and in a batch of types it is no different`() throws {
        for line in ["Patient/pA/Communication?_sort=recipient", "?_type=Communication&_sort=recipient"] {
            #expect(try Exchange.denial("GET /\(line)", Self.clinician).reason == .parameterNotSupported, "\(line)")
        }
    }

    static let open = [
        // whose the row is, and what no patient can stand in
        "Communication?_sort=subject", "Communication?_sort=-patient", "Encounter?_sort=participant",
        "Communication?_sort=sent", "Consent?_sort=patient", "ServiceRequest?_sort=subject",
        // where the reference stays as text, so does what an order says of it
        "Observation?_sort=performer",
    ]

    @Test(arguments: open) func `an order by what a row says stays`(line: String) throws {
        #expect(try Exchange.permit("GET /\(line)", Self.clinician).upstreamQuery?.terms(named: "_sort").count == 1)
    }

    @Test func `who sees everybody orders as they like`() throws {
        let everybody = Token(scopes: "user/*.rs", patient: nil, fhirUser: "Practitioner/dr1", userPanel: .everyone)

        let permit = try Exchange.permit("GET /Communication?_sort=recipient", everybody)

        #expect(permit.upstreamQuery?.terms(named: "_sort").count == 1)
    }
}
