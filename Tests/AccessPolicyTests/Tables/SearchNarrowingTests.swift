import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// What a permitted search is turned into.
@Suite(.underMutation) struct SearchNarrowingTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let line: String
        let token: Token
        let upstream: String
        let isExact: Bool
        var testDescription: String { "\(line) under \(token.scopes)" }
        init(_ line: String, _ token: Token, _ upstream: String, exact: Bool = true) {
            self.line = line
            self.token = token
            self.upstream = upstream
            isExact = exact
        }
    }

    static let lab = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    static let vitals = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"
    static let g = Token.g
    static let three = Token.user("user/*.rs", panel: ["pA", "pB", "pC"])
    static let many = Token.user("user/*.rs", panel: (0..<60).map { "p\($0)" })

    static let rows = [
        // own patient added or recognised
        Row("GET /Observation", .p, "patient=Patient/pA"),
        Row("GET /Observation?patient=pA", .p, "patient=Patient/pA"),
        Row("GET /Observation?patient:Patient=pA", .p, "patient=Patient/pA"),
        // several namings come to what all of them name
        Row("GET /Observation?patient=pA,pB&subject=Patient/pA,Patient/pC", three, "patient=Patient/pA"),
        Row("GET /Observation?patient=pA,pB&subject=Patient/pB", three, "patient=Patient/pB"),
        Row("GET /Observation?subject=Patient/pA&patient=pA", .p, "patient=Patient/pA"),
        Row("GET /Observation?patient=https://gw.example/fhir/Patient/pA", .p, "patient=Patient/pA"),
        Row("GET /Observation?code=1-8&patient=pA", .p, "code=1-8&patient=Patient/pA"),
        Row("GET /Patient/pA/Observation?code=1-8", .p, "code=1-8&patient=Patient/pA"),
        Row("GET /Patient", .p, "_id=pA"), Row("GET /Patient?_id=pA", .p, "_id=pA"),
        Row("GET /Patient?name=Smith&birthdate=1970-01-01", .p, "name=Smith&birthdate=1970-01-01&_id=pA"),
        Row("GET /Patient?identifier=http://ssn%7C999", .p, "identifier=http://ssn|999&_id=pA"),
        Row("GET /Patient?link=Patient/pA", .p, "link=Patient/pA&_id=pA"),
        Row("GET /AdverseEvent", .p, "subject=Patient/pA"), Row("GET /SupplyRequest", .p, "subject=Patient/pA"),
        Row("GET /Schedule", .p, "actor=Patient/pA", exact: false), Row("GET /Device", .p, "patient=Patient/pA"),
        Row("GET /Task", .p, "patient=Patient/pA"), Row("GET /List", .p, "patient=Patient/pA", exact: false),
        Row("GET /Organization?name=x", .p, "name=x"), Row("GET /Practitioner", .p, ""),
        // other parameters
        Row("GET /Observation?performer=Practitioner/dr1", .p, "performer=Practitioner/dr1&patient=Patient/pA"),
        Row(
            "GET /Observation?performer:Practitioner.name=Jones", .p,
            "performer:Practitioner.name=Jones&patient=Patient/pA"),
        Row("GET /Observation?date=ge2020&status:not=final", .p, "date=ge2020&status:not=final&patient=Patient/pA"),
        Row("GET /Observation?_count=1000000", .p, "patient=Patient/pA&_count=1000"),
        Row("GET /Observation?_sort=-date,code", .p, "patient=Patient/pA&_sort=-date,code"),
        Row("GET /Observation?_total=accurate", .p, "patient=Patient/pA&_total=accurate"),
        Row("GET /Observation?_total=none", .p, "patient=Patient/pA"),
        Row("GET /Observation?_elements=code&_summary=false&_format=json", .p, "patient=Patient/pA"),
        Row("GET /Observation?_summary=true", .g, "patient=Patient/pA&category=\(lab)"),
        Row("GET /Observation?_summary=count", .p, "patient=Patient/pA&_summary=count"),
        Row("GET /Observation?_count=0&_sort=date", .p, "patient=Patient/pA&_summary=count"),
        // constraints
        Row("GET /Observation", .g, "patient=Patient/pA&category=\(lab)"),
        Row("GET /Observation?category=vital-signs", .g, "category=vital-signs&patient=Patient/pA&category=\(lab)"),
        Row("GET /Observation?_summary=count", .g, "patient=Patient/pA&category=\(lab)&_summary=count"),
        Row("GET /Observation", .g2, "patient=Patient/pA&category=\(lab),\(vitals)"),
        Row("GET /Observation?category=vital-signs", .gx, "category=vital-signs&patient=Patient/pA&category=\(lab)"),
        Row(
            "GET /Observation", .patient("patient/Observation.rs patient/Observation.rs?category=x"),
            "patient=Patient/pA"),
        Row(
            "GET /Observation", .patient("patient/Observation.rs?category=a&status=final"),
            "patient=Patient/pA&category=a&status=final"),
        Row(
            "GET /Condition", .patient("patient/*.rs?category=a patient/Observation.rs"),
            "patient=Patient/pA&category=a"),
        // user and system
        Row("GET /Observation", .u, "patient=Patient/pA"),
        Row("GET /Observation", .user("user/*.rs", panel: ["pB", "pA"]), "patient=Patient/pA,Patient/pB"),
        Row("GET /Observation?patient=pB", .user("user/*.rs", panel: ["pB", "pA"]), "patient=Patient/pB"),
        Row("GET /Observation", .user("user/*.rs", panel: []), "patient=Patient/no-patient-in-panel", exact: false),
        Row("GET /Observation?patient=p7", many, "patient=Patient/p7"),
        Row("GET /Observation?patient=pB", .s, "patient=pB"), Row("GET /Group", .s, ""),
        Row("GET /Observation", .sg, "category=\(lab)"),
        Row("GET /Patient?_id=pB", .m, "_id=pB"),
        Row("GET /Observation", .m, "patient=Patient/pA"),
        Row(
            "GET /Observation",
            Token(
                scopes: "patient/Observation.rs user/Observation.rs", fhirUser: "Practitioner/d",
                userPanel: Token.panel(["pB"])), "patient=Patient/pA,Patient/pB"),
        // includes
        Row(
            "GET /Observation?_include=Observation:performer", .p,
            "patient=Patient/pA&_include=Observation:performer"),
        Row(
            "GET /Observation?_include=Observation:performer", .po,
            "patient=Patient/pA&_include=Observation:performer:Patient"),
        Row(
            "GET /MedicationRequest?_include=MedicationRequest:medication", .patient("patient/MedicationRequest.rs"),
            "patient=Patient/pA"),
        Row("GET /Patient?_revinclude=Provenance:target", .p, "_id=pA&_revinclude=Provenance:target"),
        Row("GET /Patient?_revinclude=Provenance:target", .po, "_id=pA"),
        Row(
            "GET /DiagnosticReport?_include=DiagnosticReport:result&_include:iterate=Observation:subject", .p,
            "patient=Patient/pA&_include=DiagnosticReport:result&_include:iterate=Observation:subject:Device"
                + "&_include:iterate=Observation:subject:Location&_include:iterate=Observation:subject:Patient"),
    ]

    @Test(
        .verifies(
            "attack@ATK-015", "attack@ATK-025", "attack@ATK-029", "attack@ATK-044", "attack@ATK-046", "attack@ATK-047",
            "attack@ATK-048", "attack@ATK-052", "attack@ATK-062", "attack@ATK-070", "attack@ATK-076", "attack@ATK-077",
            "attack@ATK-079", "attack@ATK-080", "attack@ATK-081", "attack@ATK-088", "attack@ATK-113", "attack@ATK-272",
            "attack@ATK-278"),
        arguments: SearchNarrowingTests.rows)
    func `a search is forwarded narrowed, and nothing of the client's own text is`(row: Row) throws {
        let permit = try Exchange.permit(row.line, row.token)

        let sent = (permit.upstreamQuery?.terms ?? []).map { "\($0.fullName)=\($0.rawValue)" }.joined(separator: "&")
        #expect(sent == row.upstream)
        #expect(permit.narrowingIsExact == row.isExact)
        #expect(!permit.determining.isEmpty)
    }

    @Test func `a search by POST is the same search`() throws {
        let get = try Exchange.permit("GET /Observation?code=1-8&patient=pA", .p)
        let post = try Exchange.permit("POST /Observation/_search?code=1-8", .p, body: "patient=pA")

        #expect(get.upstreamQuery == post.upstreamQuery)
        #expect(try Exchange.refusal("POST /Observation/_search", .p, body: "patient=pB") == 403)
    }

    @Test func `a search through the compartment becomes a search of its type`() throws {
        let permit = try Exchange.permit("GET /Patient/pA/Condition", .p)

        #expect(permit.upstreamInteraction == .search(.condition))
    }

    @Test(.verifies("attack@ATK-039"))
    func `lenient handling drops what nobody knows and nothing else`() throws {
        let permit = try Exchange.permit("GET /Observation?foo=bar&code=1", .p, prefer: "handling=lenient")
        let other = try Exchange.refusal("GET /Observation?foo=bar&patient=pB", .p, prefer: "handling=lenient")
        let filter = try Exchange.refusal("GET /Observation?_filter=x", .p, prefer: "handling=lenient")

        #expect(permit.upstreamQuery?.encoded == "code=1&patient=Patient/pA")
        #expect(other == 403)
        #expect(filter == 400)
    }

    @Test func `a count is refused where it would count hidden rows`() throws {
        let token = Token.patient("patient/Observation.rs?category=a patient/Observation.rs?code=b")

        #expect(try Exchange.refusal("GET /Observation?_summary=count", token) == 400)
        #expect(try Exchange.refusal("GET /Schedule?_count=0", .p) == 400)
        #expect(try Exchange.permit("GET /Schedule?_total=accurate", .p).upstreamQuery?.encoded == "actor=Patient/pA")
    }

    @Test func `what the upstream does not list is not searched by`() throws {
        let narrow = ServerPolicy(
            publicBase: Exchange.publicBase + "/", upstreamBase: Exchange.upstreamBase, types: try TypeTable.r4(),
            supportedParameters: [.observation: ["code"]], maxCount: 10)

        guard case .deny(let denial) = try Exchange.decide("GET /Observation?status=final", .p, policy: narrow) else {
            Issue.record("expected a refusal")
            return
        }
        #expect(denial == Denial(.parameterNotSupported, parameter: "status"))
        let permit = try Exchange.permit("GET /Observation?code=1&_count=99", .p, policy: narrow)
        #expect(permit.upstreamQuery?.encoded == "code=1&patient=Patient/pA&_count=10")
    }

    @Test func `the determining scopes are those that allowed the request`() throws {
        let token = Token.patient("patient/Patient.rs patient/Observation.rs?category=a patient/Observation.r openid")

        #expect(try Exchange.permit("GET /Patient/pA", token).determining.map(\.text) == ["patient/Patient.rs"])
        #expect(
            try Exchange.permit("GET /Observation", token).determining.map(\.text)
                == ["patient/Observation.rs?category=a"])
        #expect(
            try Exchange.permit("GET /Observation/x", token).determining.map(\.text)
                == ["patient/Observation.rs?category=a", "patient/Observation.r"])
    }

    @Test(arguments: [
        "http://upstream.internal:9090/r4?_getpages=x&_getpagesoffset=20",
        "http://upstream.internal:9090/r4/Observation?page=2",
    ])
    func `a page is continued only below the upstream's base`(url: String) throws {
        let permit = try Exchange.permit("GET /Observation", .p)

        #expect(permit.continuing(at: url)?.continuation == url)
        #expect(try Exchange.permit("GET /Observation/x", .p).continuing(at: url) == nil)
    }

    @Test(arguments: [
        "http://upstream.internal:9090/r4x/Observation?page=2", "http://upstream.internal:9090/r4",
        "http://upstream.internal:9090/r4/../admin?x", "http://upstream.internal:9090/r4/%2e%2e/admin",
        "http://upstream.internal:9090@evil.example/r4/x", "https://upstream.internal:9090/r4/x", "/Observation?page=2",
        "http://upstream.internal:9090/r4/x y", "http://upstream.internal:9090/r4/x\r\nHost: evil", "",
        "http://upstream.internal:9090/r4/x\\y", "http://upstream.internal:9090/r4/x#y",
    ])
    func `a page elsewhere is not continued`(url: String) throws {
        #expect(try Exchange.permit("GET /Observation", .p).continuing(at: url) == nil)
    }
}
