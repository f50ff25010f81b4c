import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

/// The FHIR search of the audit log.
@Suite struct AuditEventSearchTests {
    @Test(arguments: [
        ("nonsense=1", "not-supported"), ("_include=AuditEvent:patient", "not-supported"),
        ("_revinclude=Provenance:target", "not-supported"), ("_has:Provenance:target:agent=x", "not-supported"),
        ("patient:missing=true", "not-supported"), ("patient.identifier=x", "not-supported"),
        ("address:contains=1", "not-supported"), ("_elements=id", "not-supported"), ("_profile=x", "not-supported"),
        ("_text=x", "not-supported"), ("_sort=patient", "not-supported"), ("_sort=date,_id", "not-supported"),
        ("_summary=text", "not-supported"), ("_format=xml", "not-supported"), ("altid=x", "not-supported"),
        ("agent-name=x", "not-supported"), ("agent-role=x", "not-supported"), ("entity-name=x", "not-supported"),
        ("entity-role=1", "not-supported"), ("entity-type=2", "not-supported"), ("source=Device/d", "not-supported"),
        ("patient=a&patient=b", "invalid"), ("patient=a&entity=Patient/a", "invalid"), ("patient=a/b", "invalid"),
        ("patient=a,b", "invalid"), ("patient=", "invalid"), ("entity=Observation", "invalid"),
        ("entity=Patient/a,Patient/b", "invalid"), ("entity=Patient/a,Observation/b", "invalid"),
        ("outcome=12", "invalid"), ("outcome=,", "invalid"), ("outcome=http://x%7C0", "invalid"),
        ("action=X", "invalid"), ("action=R,", "invalid"), ("date=yesterday", "invalid"), ("date=ap2026", "invalid"),
        ("date=ne2026", "invalid"), ("date=2026-13", "invalid"), ("date=2026-02-30", "invalid"),
        ("date=2026-01-01T25:00", "invalid"), ("_lastUpdated=x", "invalid"), ("date=2026,2027", "invalid"),
        ("_count=-1", "invalid"), ("_count=x", "invalid"), ("_after=1", "invalid"), ("_after=1.2.3.4", "invalid"),
        ("_total=maybe", "invalid"), ("type=login", "invalid"), ("type=110107", "invalid"),
        ("type=http://x%7Crest", "invalid"), ("subtype=nothing", "invalid"), ("subtype=login&type=rest", "invalid"),
        ("subtype=read&type=110114", "invalid"), ("type=110114&subtype=started", "invalid"),
        ("site=http://x%7Cn", "invalid"), ("scope=,", "invalid"), ("scope=a,", "invalid"), ("scope=a%5Cb", "invalid"),
        ("purpose=http://x%7CTREAT", "invalid"), ("policy=,", "invalid"), ("agent=nobody", "invalid"),
        ("agent:identifier=a,b", "invalid"), ("agent:identifier=http://x%7Capp", "invalid"),
        ("agent:identifier=a&agent.identifier=b", "invalid"), ("client=a&agent:identifier=%7Cb", "invalid"),
        ("client=a,b", "invalid"), ("_id=a/b", "invalid"), ("_id=,", "invalid"), ("disclosures=yes", "invalid"),
        ("client=%zz", "invalid"), ("client=%ff", "invalid"), ("date", "invalid"),
    ]) func `what is not understood is refused with an OperationOutcome`(query: String, code: String) throws {
        do throws(AuditEventSearch.Refusal) {
            _ = try AuditEventSearch(parsing: query, of: sampleSystem)
            Issue.record("accepted")
        } catch {
            #expect(error.status == (query.hasPrefix("_format") ? 406 : 400))
            let outcome = try JSONValue(parsing: error.outcome)
            #expect(outcome["resourceType"]?.string == "OperationOutcome")
            #expect(outcome["issue"]?.array?.first?["code"]?.string == code)
        }
    }

    @Test(arguments: AuditEventSearch.parameters.map(\.name))
    func `no parameter takes a modifier that it does not have`(name: String) {
        for modifier in [":missing", ":not", ":text", ":above", ".name"] {
            #expect(throws: AuditEventSearch.Refusal.self) {
                _ = try AuditEventSearch(parsing: "\(name)\(modifier)=x", of: sampleSystem)
            }
        }
    }

    @Test func `every parameter becomes a condition`() throws {
        let search = try AuditEventSearch(
            parsing: "patient=Patient/p&agent:identifier=%7Capp&user=u&grant=g&outcome=0,4&action=R"
                + "&type=rest&date=ge2026-01-01&date=lt2026-02&_count=5&_format=json&_sort=date",
            of: sampleSystem)
        let query = search.query
        #expect(query.patient == "p")
        #expect(query.clientID == ClientID("app"))
        #expect(query.subject == SubjectID("u"))
        #expect(query.grantID == GrantID("g"))
        #expect(query.outcomes == ["permitted", "succeeded", "decision-given", "refused"])
        #expect(search.content.actions == ["R"])
        #expect(query.kinds == ["access"])
        #expect(query.from == 1_767_225_600_000)
        #expect(query.to == 1_769_904_000_000)
        #expect(query.limit == 5)
        #expect(query.order == .oldestFirst)
    }

    @Test(arguments: [
        AccessOutcome.pending, .permitted, .decisionGiven, .refused(reason: "r"), .failed(reason: "f"),
        .interrupted(reason: "i"),
    ])
    func `an event is found by the outcome that it shows`(outcome: AccessOutcome) async throws {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n")
        _ = try await recorder.record(sampleRecord { $0.outcome = outcome }).decisionID
        let event = try AuditEventResource.json(try #require(sink.entries.first), system: sampleSystem)
        let shown = event["outcome"]?.string

        for code in ["0", "4", "8"] {
            let search = try AuditEventSearch(parsing: "outcome=\(code)", of: sampleSystem)
            let isFound = search.query.outcomes.contains(outcome.code)
            #expect(isFound == (shown == code))
        }
    }

    @Test(arguments: [
        ("2026", 1_767_225_600_000, 1_798_761_600_000), ("2026-12", 1_796_083_200_000, 1_798_761_600_000),
        ("2024-02-29", 1_709_164_800_000, 1_709_251_200_000),
        ("2026-01-01T00:00:01Z", 1_767_225_601_000, 1_767_225_602_000),
        ("2026-01-01T01:00:00.5+01:00", 1_767_225_600_500, 1_767_225_600_501),
        ("eq1969-12-31", -86_400_000, 0),
    ]) func `a date is a span of its own precision`(text: String, from: Int64, to: Int64) throws {
        let escaped = text.split(separator: "+", omittingEmptySubsequences: false).joined(separator: "%2B")
        let query = try AuditEventSearch(parsing: "date=\(escaped)", of: sampleSystem).query
        #expect(query.from == from)
        #expect(query.to == to)
    }

    @Test func `a searchset pages to the end by its own links`() async throws {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "n")
        for number in 1...5 { _ = try await recorder.record(sampleRecord("d-\(number)")).decisionID }
        let base = "http://127.0.0.1:8081/audit/fhir/AuditEvent"
        var seen: [String] = []
        var next: String? = "\(base)?patient=patient-a&client=demo-app&_count=2"

        while let url = next {
            let search = try AuditEventSearch(parsing: String(url.dropFirst(base.count + 1)), of: sampleSystem)
            let bundle = try search.bundle(sink.search(search.query), base: base, system: sampleSystem)
            #expect(bundle["type"]?.string == "searchset")
            seen += (bundle["entry"]?.array ?? []).compactMap { $0["resource"]?["id"]?.string }
            next = bundle["link"]?.array?.first { $0["relation"]?.string == "next" }?["url"]?.string
        }

        #expect(seen == sink.entries.reversed().map(\.hash.description))
    }

    @Test func `an empty searchset has no entry member`() throws {
        let search = try AuditEventSearch(parsing: "patient=nobody", of: sampleSystem)
        let bundle = try search.bundle(.empty, base: "b", system: sampleSystem)
        #expect(bundle["entry"] == nil)
        #expect(bundle["link"]?.array?.count == 1)
    }

    @Test(.verifies("audit@fhir-search"), arguments: AuditEventSearch.parameters.map(\.name))
    func `what the capability statement lists can be searched by`(name: String) throws {
        let values = [
            "date": "2026", "outcome": "0", "action": "R", "type": "rest", "subtype": "read", "disclosures": "true",
            "agent": "Practitioner/p", "entity": "Observation/o", "_lastUpdated": "2026",
        ]
        let written = name == "source" ? "source:identifier" : name
        _ = try AuditEventSearch(parsing: "\(written)=\(values[name] ?? "x")", of: sampleSystem)
    }

    @Test(
        .verifies("audit@fhir-search"),
        arguments: [
            ("date=ge2026-11-01T00:00:00+01:00", Int64(1_793_487_600_000)),
            ("date=ge2026-11-01T00:00:00%2B01:00", 1_793_487_600_000),
            // The clocks of New York went back that night: the hour between one and two happened twice.
            ("date=ge2026-11-01T01:30:00-04:00", 1_793_511_000_000),
            ("date=ge2026-11-01T01:30:00-05:00", 1_793_514_600_000),
            ("date=ge2024-02-29", 1_709_164_800_000), ("date=gt2023-12-31", 1_704_067_200_000),
            ("date=ge2026-12-31T23:59:59.999Z&_format=application/fhir+json", 1_798_761_599_999),
        ]) func `an offset, a leap day and the end of a year mean the moment that they name`(query: String, from: Int64)
        throws
    {
        #expect(try AuditEventSearch(parsing: query, of: sampleSystem).query.from == from)
    }

    @Test(
        .verifies("audit@fhir-search"),
        arguments: ["2023-02-29", "2100-02-29", "2026-02-30", "2026-00", "2026-13", "2026-11-31", "26-01-01"])
    func `a day that no calendar has is refused`(date: String) {
        #expect(throws: AuditEventSearch.Refusal.self) {
            _ = try AuditEventSearch(parsing: "date=\(date)", of: sampleSystem)
        }
    }

    @Test(
        .verifies("audit@fhir-search"),
        arguments: [
            ("agent:identifier=\(sampleSystem.issuer)%7Cu", nil, "u"), ("agent.identifier=%7Capp", "app", nil),
            ("agent.identifier=app", nil, nil),
        ] as [(String, String?, String?)])
    func `an identifier with its system is looked up, and one without is anybody's`(
        query: String, client: String?, subject: String?
    ) throws {
        let search = try AuditEventSearch(parsing: query, of: sampleSystem)
        #expect(search.query.clientID?.text == client)
        #expect(search.query.subject?.text == subject)
        #expect(search.content.agents == (client == nil && subject == nil ? ["app"] : []))
    }

    @Test(.verifies("audit@fhir-search")) func `what no event of this system can be finds nothing`() throws {
        let id = String(repeating: "0a", count: 32)
        #expect(try AuditEventSearch(parsing: "_id=x", of: sampleSystem).findsNothing)
        #expect(try !AuditEventSearch(parsing: "_id=x,\(id)", of: sampleSystem).findsNothing)
        #expect(try AuditEventSearch(parsing: "source:identifier=https://x.example", of: sampleSystem).findsNothing)
        #expect(
            try !AuditEventSearch(parsing: "source:identifier=\(sampleSystem.issuer)", of: sampleSystem).findsNothing)
    }

    @Test(.verifies("audit@fhir-search"), arguments: ["_count=0", "_summary=count", "_summary=count&_count=5"])
    func `none asked for but their number`(query: String) throws {
        #expect(try AuditEventSearch(parsing: query, of: sampleSystem).onlyCount)
    }

    @Test(.verifies("audit@fhir-search")) func `a total that would take too long is said to be missing`() throws {
        let search = try AuditEventSearch(parsing: "_total=accurate&_count=1", of: sampleSystem)
        let next = AuditCursor(recordedAt: 1, position: 1, through: 9)
        let bundle = try search.bundle(
            AuditPage([], next: next, looked: 50_000, through: 9), base: "b", system: sampleSystem)

        #expect(bundle["total"] == nil)
        let entry = bundle["entry"]?.array?.first
        #expect(entry?["search"]?["mode"]?.string == "outcome")
        #expect(entry?["resource"]?["issue"]?.array?.first?["code"]?.string == "too-costly")
        #expect(bundle["link"]?.array?.last?["url"]?.string == "b?_total=accurate&_count=1&_after=1.1.9")
    }
}
