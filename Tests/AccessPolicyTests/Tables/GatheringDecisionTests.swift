import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// Searches over several types, through compartments and under limits that no one query says; histories of many.
@Suite(.underMutation) struct GatheringDecisionTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let line: String
        let token: Token
        let upstream: [String]
        var testDescription: String { "\(line) under \(token.scopes)" }
        init(_ line: String, _ token: Token, _ upstream: [String]) {
            self.line = line
            self.token = token
            self.upstream = upstream
        }
    }

    static let lab = SearchNarrowingTests.lab
    static let drOne = Token(
        scopes: "user/*.rs", patient: nil, fhirUser: "Practitioner/dr1", userPanel: Token.panel(["pA"]))

    static let refused: [(line: String, token: Token, status: Int)] = [
        // a type that is not granted, or named in a way that says nothing
        ("GET /?_type=Condition", .po, 403), ("GET /?_type=Observation,Condition", .po, 403),
        ("GET /?_type=Nothing", .po, 400), ("GET /?_type=observation", .po, 400), ("GET /?_type=", .po, 400),
        ("GET /?_type=Observation&_type=Patient", .po, 400), ("GET /?_type:not=Observation", .po, 400),
        ("GET /?_type=Bundle", .s, 403), ("GET /?_type=Group", .p, 403), ("GET /?_type=Observation", .pr, 403),
        // more than one request may cost
        ("GET /", .p, 403), ("GET /?_id=obsB", .p, 403), ("GET /?_id=obsB", .po, 403), ("GET /Patient/pA/*", .p, 403),
        // a parameter that one of the types does not have, or that names somebody else
        ("GET /?_type=Patient,Observation&code=x", .po, 400), ("GET /?_type=Observation&patient=pB", .po, 403),
        ("GET /?_type=Patient,Observation&_summary=count", .po, 400),
        ("GET /?_type=Patient,Observation&_sort=_lastUpdated", .po, 400), ("GET /?_getpages=x", .po, 400),
        ("POST /_search?_type=Observation", .po, 403),
        // compartments
        ("GET /Patient/pB/Observation", .p, 403), ("GET /Patient/pB/*", .po, 403),
        ("GET /Patient/pA/*?_type=Condition", .po, 403), ("GET /Patient/pA/Condition", .po, 403),
        ("GET /Patient/pA/*?_type=Organization", .p, 403), ("GET /Encounter/encA/*", .p, 403),
        ("GET /Encounter/encA/Observation", .po, 403), ("GET /Encounter/encA/Patient", .p, 403),
        ("GET /Practitioner/dr1/Observation", .p, 403), ("GET /Practitioner/dr2/Observation", drOne, 403),
        ("GET /RelatedPerson/rp1/Observation", drOne, 403), ("GET /Device/d1/Observation", drOne, 403),
        ("GET /Practitioner/dr1/Observation?patient=pB", drOne, 403),
        // histories
        ("GET /Observation/_history", .p, 403), ("GET /_history", .p, 403), ("GET /_history", .u, 403),
        ("GET /Observation/_history", .pr, 403), ("GET /Observation/_history?patient=pA", .s, 400),
        ("GET /Observation/_history?_count=0", .s, 400), ("GET /_history?_count=x", .s, 400),
        ("GET /Observation/_history", .system("system/Patient.rs"), 403),
    ]

    @Test(
        .verifies(
            "attack@ATK-091", "attack@ATK-092", "attack@ATK-093", "attack@ATK-094", "attack@ATK-101"),
        arguments: refused.indices)
    func `what the rows do not offer is refused before anything is asked`(place: Int) throws {
        let row = Self.refused[place]
        let body = row.line.hasPrefix("POST") ? "patient=pB" : nil

        #expect(try Exchange.refusal(row.line, row.token, body: body) == row.status, "\(row.line) \(row.token.scopes)")
    }

    static let permitted = [
        Row("GET /?_type=Observation", .p, ["Observation?patient=Patient/pA"]),
        Row(
            "GET /?_type=Observation,Patient,Observation", .po,
            ["Observation?patient=Patient/pA", "Patient?_id=pA"]),
        Row("GET /", .po, ["Observation?patient=Patient/pA", "Patient?_id=pA"]),
        Row("GET /?_type=Observation&_id=obsB", .po, ["Observation?_id=obsB&patient=Patient/pA"]),
        Row("GET /?_type=Organization,Observation&_lastUpdated=ge2020", .g, []),
        Row("GET /?_type=Observation&code=1-8", .g, ["Observation?code=1-8&patient=Patient/pA&category=\(lab)"]),
        Row("POST /_search?_type=Observation", .s, ["Observation?patient=pB"]),
        Row("GET /Patient/pA/*", .po, ["Observation?patient=Patient/pA", "Patient?_id=pA"]),
        Row("GET /Patient/pA/*?_type=Condition", .p, ["Condition?patient=Patient/pA"]),
        Row(
            "GET /Encounter/encA/Observation", .p, ["Observation?encounter=Encounter/encA&patient=Patient/pA"]),
        Row(
            "GET /Practitioner/dr1/AllergyIntolerance", drOne,
            [
                "AllergyIntolerance?recorder=Practitioner/dr1&patient=Patient/pA",
                "AllergyIntolerance?asserter=Practitioner/dr1&patient=Patient/pA",
            ]),
        Row("GET /Practitioner/dr2/Observation?code=1-8", .s, ["Observation?code=1-8&performer=Practitioner/dr2"]),
        Row("GET /Device/d1/Observation", .s, ["Observation?subject=Device/d1", "Observation?device=Device/d1"]),
        Row("GET /Observation/_history?_since=2020&_count=9", .s, ["Observation?_since=2020&_count=9"]),
        Row("GET /Observation/_history", .u, ["Observation"]), Row("GET /_history", .s, [""]),
        Row(
            "GET /Observation", .patient("patient/Observation.rs?category=a patient/Observation.rs?code=b"),
            ["Observation?patient=Patient/pA&category=a", "Observation?patient=Patient/pA&code=b"]),
        Row("GET /List", .p, ["List?patient=Patient/pA"]),
    ]

    @Test(.verifies("attack@ATK-076", "attack@ATK-093"), arguments: permitted)
    func `each upstream search of a gathered answer is narrowed by itself`(row: Row) throws {
        guard !row.upstream.isEmpty else {
            #expect(try Exchange.refusal(row.line, row.token) == 403)
            return
        }
        let body = row.line.hasPrefix("POST") ? "patient=pB" : nil
        let permit = try Exchange.permit(row.line, row.token, body: body)

        #expect(permit.isGathered)
        let sent = (permit.recordedQuery ?? "").replacing("%7C", with: "|").split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(sent.map(String.init) == row.upstream)
        #expect(!permit.determining.isEmpty)
    }

    @Test func `a search that one query says stays one request`() throws {
        for line in ["GET /Observation", "GET /Patient/pA/Observation", "GET /Organization"] {
            #expect(try !Exchange.permit(line, .p).isGathered)
        }
    }

    @Test func `an encounter's compartment hangs on reading the encounter`() throws {
        let permit = try Exchange.permit("GET /Encounter/encA/Observation", .p)

        #expect(
            permit.proof?.upstreamInteraction
                == .read(InstanceKey(type: .encounter, id: try #require(ResourceID("encA")))))
        #expect(try Exchange.permit("GET /?_type=Patient", .p).proof == nil)
    }

    // MARK: - large panels

    @Test(.verifies("attack@ATK-044"))
    func `a panel that is too large for a query is searched in parts that together are the panel`() throws {
        let ids = (0..<120).map { "p\($0)" }
        let permit = try Exchange.permit("GET /Observation?code=1-8", .user("user/*.rs", panel: ids))
        let lines = (permit.recordedQuery ?? "").split(separator: "\n").map(String.init)
        let named = lines.flatMap { line in
            (line.split(separator: "=").last ?? "").split(separator: ",").map { String($0.dropFirst(8)) }
        }

        #expect(lines.count == 3)
        #expect(named.sorted() == ids.sorted())
        #expect(permit.narrowingIsExact)
        #expect(lines.allSatisfy { $0.hasPrefix("Observation?code=1-8&patient=Patient/") })
    }

    @Test func `a panel beyond all bounds still has to name a patient`() throws {
        let token = Token.user("user/*.rs", panel: (0..<4_000).map { "p\($0)" })

        let denial = try Exchange.denial("GET /Observation", token)

        #expect(denial.detailsCode == "patient-required" && denial.parameter == "patient")
        #expect(
            try Exchange.permit("GET /Observation?patient=p7", token).upstreamQuery?.encoded == "patient=Patient/p7")
    }

    @Test func `rows of several searches are not sorted, and that is said`() throws {
        let token = Token.patient("patient/Observation.rs?category=a patient/Observation.rs?code=b")

        #expect(try Exchange.denial("GET /Observation?_sort=date", token).parameter == "_sort")
        let lenient = try Exchange.permit("GET /Observation?_sort=date", token, prefer: "handling=lenient")
        #expect(lenient.recordedQuery?.contains("_sort") == false)
    }

    // MARK: - formal members

    static func policy() throws -> ServerPolicy {
        ServerPolicy(
            publicBase: Exchange.publicBase, upstreamBase: Exchange.upstreamBase,
            types: try TypeTable.r4().choosing(formalMembers: [.coverage]))
    }

    @Test(.verifies("attack@ATK-224"))
    func `a type of which formal members count is searched by each of them`() throws {
        let permit = try Exchange.permit("GET /Coverage", .p, policy: try Self.policy())
        let named = try Exchange.permit("GET /Coverage?patient=pA", .p, policy: try Self.policy())

        #expect(
            permit.recordedQuery?.split(separator: "\n").map(String.init) == [
                "Coverage?patient=Patient/pA", "Coverage?policy-holder=Patient/pA", "Coverage?subscriber=Patient/pA",
                "Coverage?beneficiary=Patient/pA", "Coverage?payor=Patient/pA",
            ])
        #expect(named.recordedQuery == "patient=Patient/pA")
    }

    @Test(.verifies("attack@ATK-224", "attack@ATK-225"))
    func `a formal member's record is readable where the site says so, and never writable`() throws {
        let coverage = try Exchange.view(
            #"{"resourceType":"Coverage","id":"covB","meta":{"versionId":"1"},"status":"active","beneficiary":{"reference":"Patient/pB"},"subscriber":{"reference":"Patient/pA"}}"#
        )
        let full = try Self.policy()

        #expect(admit(coverage, as: .match, under: try Exchange.permit("GET /Coverage/covB", .p)).released == nil)
        #expect(
            admit(coverage, as: .match, under: try Exchange.permit("GET /Coverage/covB", .p, policy: full)).released
                != nil)
        #expect(
            admit(coverage, as: .stored, under: try Exchange.permit("DELETE /Coverage/covB", .pw, policy: full))
                .released == nil)
    }

    @Test func `a choice for a type that does not have it is no table`() throws {
        #expect(throws: TypeTable.Unfit(type: .organization)) {
            try TypeTable.r4().choosing(formalMembers: [.organization])
        }
        #expect(throws: TypeTable.Unfit(type: .group)) {
            try TypeTable.r4().choosing(multiPatient: [.group: .allow])
        }
    }
}

/// Joins that test rows which are not in the answer (enforcer digest b.5).
@Suite(.underMutation) struct ReverseChainTests {
    static func policy() throws -> ServerPolicy {
        var policy = ServerPolicy(
            publicBase: Exchange.publicBase, upstreamBase: Exchange.upstreamBase, types: try TypeTable.r4())
        policy.allowsReverseChaining = true
        return policy
    }

    static let refused: [(line: String, token: Token, status: Int)] = [
        ("GET /Patient?_has:Observation:patient:code=1", .patient("patient/Patient.rs"), 403),
        ("GET /Patient?_has:Observation:patient:code=1", .g, 403),
        ("GET /Patient?_has:Observation:patient:code=1", Token.m, 400),
        ("GET /Patient?_has:Observation:performer:code=1", .po, 400),
        ("GET /Patient?_has:Observation:subject:code=1", .po, 400),
        ("GET /Patient?_has:Observation:patient:performer=Practitioner/x", .po, 400),
        ("GET /Patient?_has:Observation:patient:patient=pA", .po, 400),
        ("GET /Patient?_has:Observation:patient:_has:Provenance:target:agent=x", .p, 400),
        ("GET /Patient?_has:Group:member:_id=trial7", .p, 403), ("GET /Patient?_has:List:patient:code=1", .p, 400),
        ("GET /Patient?_has:Practitioner:name:name=x", .p, 400),
        ("GET /Observation?_has:Provenance:target:agent=Practitioner/x", .p, 400),
        ("GET /Patient?_has:Observation:patient:code:exact=1", .po, 400),
    ]

    @Test(
        .verifies("attack@ATK-064", "attack@ATK-065", "attack@ATK-066", "attack@ATK-067"), arguments: refused.indices)
    func `a reverse chain that could test hidden rows is refused even where the site allows reverse chains`(
        place: Int
    ) throws {
        let row = Self.refused[place]
        guard case .deny(let denial) = try Exchange.decide(row.line, row.token, policy: try Self.policy()) else {
            Issue.record("expected a refusal of \(row.line)")
            return
        }

        #expect(denial.status == row.status, "\(row.line)")
    }

    @Test func `a reverse chain over the patient's own rows is forwarded beside what narrows it, where it is allowed`()
        throws
    {
        let line = "GET /Patient?_has:Observation:patient:code=1-8"

        #expect(
            try Exchange.permit(line, .po, policy: try Self.policy()).upstreamQuery?.encoded
                == "_has:Observation:patient:code=1-8&_id=pA")
        #expect(try Exchange.refusal(line, .po) == 400)
    }
}
