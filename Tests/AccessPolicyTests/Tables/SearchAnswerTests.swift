import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// What is left of an upstream's searchset.
@Suite(.underMutation) struct SearchAnswerTests {
    typealias Entry = Records.Entry

    @Test(arguments: [
        "", "null", "[]", "{}", "<html></html>", #"{"resourceType":"Bundle"}"#,
        #"{"resourceType":"Bundle","type":"searchset","entry":{}}"#,
        #"{"resourceType":"Bundle","type":"searchset","total":-1}"#,
        #"{"resourceType":"Bundle","type":"searchset","total":1,"total":2}"#,
        #"{"resourceType":"Bundle","type":"history"}"#, #"{"resourceType":"Bundle","type":"collection"}"#,
        #"{"resourceType":"OperationOutcome"}"#, #"{"resourceType":"Bundle","type":"searchset""#,
        #"{"resourceType":"Bundle","type":"searchset"}}"#, Records.patient("pA"),
    ])
    func `an answer that is no searchset is refused whole`(json: String) throws {
        let permit = try Exchange.permit("GET /Observation", .p)

        #expect(try Exchange.refused(Exchange.answer(json), permit) == Denial(.upstreamUnverifiable))
    }

    @Test(arguments: ["text/html", "application/fhir+xml", "", nil])
    func `an answer that does not say it is JSON is refused whole`(type: String?) throws {
        let permit = try Exchange.permit("GET /Observation", .p)
        let answer = UpstreamAnswer(status: 200, contentType: type, body: Array(Records.searchset([Entry]()).utf8))

        #expect(try Exchange.refused(answer, permit).status == 502)
    }

    @Test(.verifies("attack@ATK-015", "attack@ATK-044"))
    func `entries of other patients are dropped, reported, and their number is not told`() throws {
        let permit = try Exchange.permit("GET /Observation?code=1-8", .p)
        let json = Records.searchset(
            [Records.observation("a"), Records.observation("b", of: "Patient/pB"), Records.observation("c", of: nil)],
            total: 3)

        let answer = try Exchange.released(Exchange.answer(json), permit)

        #expect(answer.ids == ["a"])
        #expect(answer.json["total"] == nil)
        #expect(answer.counts.withheld == [.outsideBoundary: 2])
        #expect(answer.counts.types == [.observation: 1])
        #expect(answer.securityEvents == ["a match is outside the search that was asked for"])
        #expect(answer.patients.map(\.text) == ["pA"])
        #expect(answer.determining.map(\.text) == ["patient/*.rs"])
    }

    @Test func `resources pass byte for byte inside an envelope of ours`() throws {
        let permit = try Exchange.permit("GET /Observation?code=1-8", .p)
        let spaced = Records.observation("a").replacing("\"status\":\"final\"", with: "\"status\" :\n \"fin\\u0061l\"")
        let json = Records.searchset(
            [Entry(json: spaced)], total: 1,
            links: [("self", "http://upstream.internal:9090/r4/Observation?x"), ("first", "x"), ("last", "y")])

        let answer = try Exchange.released(Exchange.answer(json), permit)

        #expect(
            String(decoding: answer.body.bytes, as: UTF8.self)
                == #"{"resourceType":"Bundle","type":"searchset","entry":[{"fullUrl":"https://gw.example/fhir/Observation/a","resource":"#
                + spaced
                + #","search":{"mode":"match"}}],"total":1,"link":[{"relation":"self","url":"https://gw.example/fhir/Observation?code=1-8&patient=Patient/pA"}]}"#
        )
        #expect(answer.etag == nil)
    }

    @Test func `wrong types, doubles, nameless and outcome entries do not pass`() throws {
        let permit = try Exchange.permit("GET /Observation", .p)
        let outcome = #"{"resourceType":"OperationOutcome","issue":[{"diagnostics":"Observation/b removed"}]}"#
        let json = Records.searchset(
            [
                Entry(json: Records.observation("a")), Entry(json: Records.observation("a")),
                Entry(json: Records.patient("pA")), Entry(json: outcome, mode: "outcome"), Entry(json: outcome),
                Entry(json: Records.observation("x", extra: "").replacing("\"id\":\"x\",", with: "")),
                Entry(json: #"{"resourceType":"Nonsense"}"#), Entry(json: Records.patient("pA"), mode: "include"),
                Entry(json: Records.observation("y"), mode: "strange"),
            ], total: 9)

        let answer = try Exchange.released(Exchange.answer(json), permit)

        #expect(answer.ids == ["a"])
        #expect(answer.json["total"] == nil)
        #expect(answer.securityEvents.count == 6)
    }

    @Test(.verifies("attack@ATK-076"))
    func `a total passes only when it counts exactly what may be seen`() throws {
        let json = Records.searchset([Records.observation("a", category: "laboratory")], total: 7)
        let exact = try Exchange.released(Exchange.answer(json), Exchange.permit("GET /Observation", .g))
        let list = #"{"resourceType":"List","id":"a","subject":{"reference":"Patient/pA"}}"#
        let inexact = try Exchange.released(
            Exchange.answer(Records.searchset([list], total: 7)), Exchange.permit("GET /List", .p))
        let lying = try Exchange.released(
            Exchange.answer(Records.searchset([Records.observation("a")], total: 0)),
            Exchange.permit("GET /Observation", .p))

        #expect(exact.json["total"]?.int == 7)
        #expect(inexact.ids == ["a"])
        #expect(inexact.json["total"] == nil)
        #expect(lying.json["total"] == nil)
    }

    @Test(.verifies("attack@ATK-077"))
    func `a count is a count, and an upstream that shows hidden rows beside it is not believed`() throws {
        let permit = try Exchange.permit("GET /Observation?_count=0", .p)
        let counted = try Exchange.released(Exchange.answer(Records.searchset([Entry](), total: 4)), permit)
        let hostile = Records.searchset([Records.observation("b", of: "Patient/pB")], total: 4)

        #expect(counted.json["total"]?.int == 4)
        #expect(counted.json["entry"] == nil)
        #expect(counted.link("self") == "https://gw.example/fhir/Observation?patient=Patient/pA&_summary=count")
        #expect(try Exchange.refused(Exchange.answer(hostile), permit).status == 502)
        #expect(try Exchange.refused(Exchange.answer(Records.searchset([Entry]())), permit).status == 502)
    }

    @Test(.verifies("attack@ATK-275", "attack@ATK-272", "attack@ATK-273"))
    func `a category that is wider than the grant gives the granted rows alone`() throws {
        let permit = try Exchange.permit("GET /Observation?category=laboratory,vital-signs", .g)
        let json = Records.searchset([
            Records.observation("l", category: "laboratory"), Records.observation("v", category: "vital-signs"),
            Records.observation("n"),
        ])

        #expect(try Exchange.released(Exchange.answer(json), permit).ids == ["l"])
    }

    // MARK: - what comes along

    struct Joined: Sendable, CustomTestStringConvertible {
        let line: String
        let token: Token
        let match: String
        let included: [String]
        let ids: [String]
        var testDescription: String { "\(line) under \(token.scopes)" }
        init(_ line: String, _ token: Token, _ match: String, _ included: [String], _ ids: [String]) {
            self.line = line
            self.token = token
            self.match = match
            self.included = included
            self.ids = ids
        }
    }

    static let withB = Records.observation("o", extra: #","performer":[{"reference":"Patient/pB"}]"#)
    static let report =
        #"{"resourceType":"DiagnosticReport","id":"d","subject":{"reference":"Patient/pA"},"result":[{"reference":"Observation/o"}]}"#

    @Test(
        .verifies(
            "attack@ATK-054", "attack@ATK-055", "attack@ATK-056", "attack@ATK-057", "attack@ATK-058", "attack@ATK-060",
            "attack@ATK-062"),
        arguments: [
            Joined(
                "GET /Observation?_include=Observation:performer", .p, withB, [Records.patient("pB")], ["o", "outcome"]),
            Joined(
                "GET /Coverage?_include=Coverage:subscriber", .p,
                #"{"resourceType":"Coverage","id":"c","beneficiary":{"reference":"Patient/pA"},"subscriber":{"reference":"Patient/pB"}}"#,
                [Records.patient("pB")], ["c", "outcome"]),
            Joined(
                "GET /Patient?_id=pA&_revinclude=Observation:focus", .p, Records.patient("pA"),
                [Records.observation("b", of: "Patient/pB", extra: #","focus":[{"reference":"Patient/pA"}]"#)], ["pA"]),
            Joined(
                "GET /Observation?_id=o&_revinclude=DiagnosticReport:result", .p, Records.observation("o"),
                [report.replacing("Patient/pA", with: "Patient/pB")], ["o"]),
            // through something withheld
            Joined(
                "GET /DiagnosticReport?_include=DiagnosticReport:result&_include:iterate=Observation:performer", .p,
                report,
                [
                    Records.observation(
                        "o", of: "Patient/pB", extra: #","performer":[{"reference":"Organization/g"}]"#),
                    #"{"resourceType":"Organization","id":"g"}"#,
                ], ["d", "outcome"]),
            // not granted, not asked for
            Joined(
                "GET /MedicationRequest?_include=MedicationRequest:medication",
                .patient("patient/MedicationRequest.rs"),
                #"{"resourceType":"MedicationRequest","id":"m","subject":{"reference":"Patient/pA"},"medicationReference":{"reference":"Medication/x"}}"#,
                [#"{"resourceType":"Medication","id":"x"}"#], ["m", "outcome"]),
            Joined(
                "GET /Observation?_include=Observation:subject", .p, Records.observation("o"),
                [#"{"resourceType":"Organization","id":"g"}"#], ["o", "outcome"]),
            Joined(
                "GET /Observation?_include=Observation:encounter", .p, Records.observation("o"),
                [#"{"resourceType":"Encounter","id":"other","subject":{"reference":"Patient/pA"}}"#], ["o"]),
            // a constraint holds for what comes along too
            Joined(
                "GET /DiagnosticReport?_include=DiagnosticReport:result",
                .patient("patient/DiagnosticReport.rs patient/Observation.rs?\(Token.lab)"), report,
                [Records.observation("o", category: "vital-signs")], ["d", "outcome"]),
            // a Provenance of something else
            Joined(
                "GET /Observation?_revinclude=Provenance:target", .p, Records.observation("o"),
                [
                    #"{"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/o"},{"reference":"Observation/hidden"}]}"#
                ], ["o"]),
        ])
    func `what comes along must be granted, inside the boundary, and hang on something released`(row: Joined) throws {
        let permit = try Exchange.permit(row.line, row.token)
        let json = Records.searchset(
            [Entry(json: row.match)] + row.included.map { Entry(json: $0, mode: "include") }, total: 1)

        let answer = try Exchange.released(Exchange.answer(json), permit)

        #expect(answer.ids == row.ids)
    }

    @Test(arguments: [
        Joined(
            "GET /Observation?_include=Observation:subject", .p, Records.observation("o"), [Records.patient("pA")],
            ["o", "pA"]),
        Joined(
            "GET /DiagnosticReport?_include=DiagnosticReport:result&_include:iterate=Observation:subject", .p, report,
            [Records.patient("pA"), Records.observation("o")], ["d", "pA", "o"]),
        Joined(
            "GET /Observation?_revinclude=Provenance:target", .p, Records.observation("o"),
            [#"{"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/o"}]}"#], ["o", "v"]),
        Joined(
            "GET /MedicationRequest?_include=MedicationRequest:medication", .p,
            #"{"resourceType":"MedicationRequest","id":"m","subject":{"reference":"Patient/pA"},"medicationReference":{"reference":"Medication/x"}}"#,
            [#"{"resourceType":"Medication","id":"x"}"#], ["m", "x"]),
    ])
    func `what comes along and may be seen passes`(row: Joined) throws {
        let permit = try Exchange.permit(row.line, row.token)
        let json = Records.searchset([Entry(json: row.match)] + row.included.map { Entry(json: $0, mode: "include") })

        #expect(try Exchange.released(Exchange.answer(json), permit).ids == row.ids)
    }

    @Test(.verifies("attack@ATK-054"))
    func `whether a hidden resource exists makes no difference to the answer`() throws {
        let permit = try Exchange.permit("GET /Observation?_include=Observation:performer", .p)
        let there = Records.searchset(
            [Entry(json: SearchAnswerTests.withB), Entry(json: Records.patient("pB"), mode: "include")])
        let absent = Records.searchset([SearchAnswerTests.withB])

        #expect(
            try Exchange.released(Exchange.answer(there), permit).body
                == Exchange.released(Exchange.answer(absent), permit).body)
    }

    // MARK: - pages and projection

    @Test func `the next page is an address of ours or none`() throws {
        let permit = try Exchange.permit("GET /Observation", .p)
        func next(_ links: [(String, String)]) throws -> ReleasedAnswer {
            try Exchange.released(
                Exchange.answer(Records.searchset([Entry(json: Records.observation("a"))], links: links)), permit,
                pageLink: { "https://gw.example/fhir/_page/" + String($0.utf8.count) })
        }

        let good = try next([("next", "http://upstream.internal:9090/r4?_getpages=1")])
        let none = try next([("self", "http://upstream.internal:9090/r4?_getpages=1")])

        #expect(good.link("next") == "https://gw.example/fhir/_page/44")
        #expect(none.link("next") == nil)
    }

    @Test(.verifies("attack@ATK-079", "attack@ATK-080"))
    func `elements are chosen after the judgement`() throws {
        let json = Records.searchset([
            Records.observation("l", category: "laboratory"), Records.observation("v", category: "vital-signs"),
        ])
        let answer = try Exchange.released(
            Exchange.answer(json), Exchange.permit("GET /Observation?_elements=code", .g))

        let resource = try #require(answer.json["entry"]?.array?.first?["resource"])
        #expect(answer.ids == ["l"])
        #expect(resource.object?.map(\.name) == ["resourceType", "id", "meta", "status", "code"])
        #expect(resource["meta"]?["tag"]?.array?.first?["code"]?.string == "SUBSETTED")
        #expect(answer.link("self")?.hasSuffix("&_elements=code") == true)
    }

    @Test(arguments: ["text", "data", "true", "false"])
    func `a summary is made by us and is still JSON`(summary: String) throws {
        let observation = Records.observation(
            "o", extra: #","text":{"status":"generated","div":"<div/>"},"_note":[{"id":"n"}]"#)
        let answer = try Exchange.released(
            Exchange.answer(Records.searchset([observation])),
            Exchange.permit("GET /Observation?_summary=\(summary)", .p))

        let names = try #require(answer.json["entry"]?.array?.first?["resource"]?.object?.map(\.name))
        switch summary {
        case "text": #expect(names == ["resourceType", "id", "meta", "status", "text"])
        case "data": #expect(names == ["resourceType", "id", "meta", "status", "code", "subject", "_note"])
        default: #expect(names.count == 8)
        }
    }
}
