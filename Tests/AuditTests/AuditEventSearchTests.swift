import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

/// The FHIR search of the audit log.
@Suite struct AuditEventSearchTests {
    @Test(arguments: [
        "nonsense=1", "_include=AuditEvent:patient", "patient:missing=true", "patient=a&patient=b", "patient=a/b",
        "patient=", "entity=Observation", "outcome=12", "outcome=,", "action=X", "date=yesterday",
        "date=ap2026", "date=2026-13", "date=2026-02-30", "date=2026-01-01T25:00", "_count=0", "_count=x", "_after=1",
        "_format=xml", "type=login", "subtype=nothing", "subtype=login&type=rest",
        "client=a&agent:identifier=b", "client=%zz", "client=%ff", "date",
    ]) func `what is not understood is refused with an OperationOutcome`(query: String) throws {
        do throws(AuditEventSearch.Refusal) {
            _ = try AuditEventSearch(parsing: query)
            Issue.record("accepted")
        } catch {
            #expect(error.status == 400)
            let outcome = try JSONValue(parsing: error.outcome)
            #expect(outcome["resourceType"]?.string == "OperationOutcome")
        }
    }

    @Test func `every parameter becomes a condition`() throws {
        let search = try AuditEventSearch(
            parsing: "patient=Patient/p&agent:identifier=urn%3Ax%7Capp&user=u&grant=g&outcome=0,4&action=R"
                + "&type=rest&date=ge2026-01-01&date=lt2026-02&_count=5&_format=json"
        )
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
            let search = try AuditEventSearch(parsing: "outcome=\(code)")
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
        let query = try AuditEventSearch(parsing: "date=\(escaped)").query
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
            let search = try AuditEventSearch(parsing: String(url.dropFirst(base.count + 1)))
            let bundle = try search.bundle(sink.search(search.query), base: base, system: sampleSystem)
            #expect(bundle["type"]?.string == "searchset")
            seen += (bundle["entry"]?.array ?? []).compactMap { $0["resource"]?["id"]?.string }
            next = bundle["link"]?.array?.first { $0["relation"]?.string == "next" }?["url"]?.string
        }

        #expect(seen == sink.entries.reversed().map(\.hash.description))
    }

    @Test func `an empty searchset has no entry member`() throws {
        let search = try AuditEventSearch(parsing: "patient=nobody")
        let bundle = try search.bundle(AuditPage(entries: [], next: nil), base: "b", system: sampleSystem)
        #expect(bundle["entry"] == nil)
        #expect(bundle["link"]?.array?.count == 1)
    }

    @Test(.verifies("audit@fhir-search"), arguments: AuditEventSearch.parameters.map(\.name))
    func `what the capability statement lists can be searched by`(name: String) throws {
        let values = [
            "date": "2026", "outcome": "0", "action": "R", "type": "rest", "subtype": "read", "disclosures": "true",
            "agent": "Practitioner/p", "entity": "Observation/o",
        ]
        _ = try AuditEventSearch(parsing: "\(name)=\(values[name] ?? "x")")
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
        #expect(try AuditEventSearch(parsing: query).query.from == from)
    }

    @Test(
        .verifies("audit@fhir-search"),
        arguments: ["2023-02-29", "2100-02-29", "2026-02-30", "2026-00", "2026-13", "2026-11-31", "26-01-01"])
    func `a day that no calendar has is refused`(date: String) {
        #expect(throws: AuditEventSearch.Refusal.self) { _ = try AuditEventSearch(parsing: "date=\(date)") }
    }
}
