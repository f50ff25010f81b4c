import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import FHIRXML
import RequirementTraits
import Testing

/// XML at the door: what is refused there, and what comes out.
@Suite(.underMutation) struct FormatTests {
    private static let body =
        "<Observation xmlns=\"http://hl7.org/fhir\"><status value=\"final\"/><code><text value=\"a\"/></code>"
        + "<subject><reference value=\"Patient/pA\"/></subject></Observation>"

    private func harness() throws -> GatewayHarness {
        try GatewayHarness(upstream: try AttackCatalogue.shared.get().store(.obedient).upstream)
    }

    private func token(_ harness: GatewayHarness) throws -> String {
        try harness.token(scope: "patient/*.cruds", patient: "pA")
    }

    @Test(
        .verifies("attack@ATK-208"),
        arguments: [
            "<!DOCTYPE Observation [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
            "<!DOCTYPE Observation SYSTEM \"http://127.0.0.1:1/x.dtd\">",
            "<!DOCTYPE Observation [<!ENTITY a \"&b;&b;\"><!ENTITY b \"&c;&c;\"><!ENTITY c \"x\">]>",
            "<!DOCTYPE Observation [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\"> %p;]>",
            "<?xml-stylesheet href=\"http://127.0.0.1:1/\"?>",
        ]) func `a body with a DTD is refused before anything is asked`(prolog: String) async throws
    {
        let harness = try harness()
        for text in [prolog + Self.body, prolog + Self.body.replacing("value=\"a\"", with: "value=\"&x;\"")] {
            let answer = await harness.send(
                "POST", "/Observation", token: try token(harness),
                headers: [(name: "Content-Type", value: "application/fhir+xml")], body: Array(text.utf8))

            #expect(answer.status == 400)
            #expect(answer.upstream.isEmpty)
            #expect(answer.field("content-type") == "application/fhir+json; charset=utf-8")
            #expect(answer.json?["issue"]?.array?.first?["code"]?.string == "invalid")
            #expect(!answer.text.contains("root:"))
            try expectNoLeak(answer)
        }
    }

    @Test(
        .verifies("attack@ATK-201"),
        arguments: [
            ("PUT", "/Observation/obsA", "application/fhir+xml", #"{"resourceType":"Observation","id":"obsA"}"#, 400),
            ("PUT", "/Observation/obsA", "application/xml", #"{"resourceType":"Observation","id":"obsA"}"#, 400),
            ("PUT", "/Observation/obsA", "application/fhir+json", body, 400),
            ("POST", "/Observation", "application/fhir+json", body, 400),
            ("POST", "/Observation", "text/xml", "", 400),
            ("POST", "/Observation", "application/fhir+xml; charset=iso-8859-1", body, 415),
            ("POST", "/Observation", "application/fhir+xml; fhirVersion=3.0", body, 415),
            ("POST", "/Observation", "text/html", body, 415), ("POST", "/Observation", "image/svg+xml", body, 415),
            ("POST", "/Observation/_search", "application/fhir+xml", body, 415),
            ("PATCH", "/Observation/obsA", "application/fhir+xml", body, 415),
            ("PATCH", "/Observation/obsA", "application/xml-patch+xml", "<diff/>", 415),
            ("POST", "/Patient", "application/fhir+xml", body, 400),
            ("PUT", "/Observation/obsA", "application/fhir+xml", body, 400),
            ("DELETE", "/Observation/obsA", "application/fhir+xml", body, 400),
        ]) func `a body of another form than it claims is refused`(
            method: String, target: String, type: String, body: String, status: Int
        ) async throws
    {
        let harness = try harness()

        let answer = await harness.send(
            method, target, token: try token(harness), headers: [(name: "Content-Type", value: type)],
            body: Array(body.utf8))

        #expect(answer.status == status, "\(answer.text)")
        #expect(answer.upstream.isEmpty)
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-201"))
    func `an encoded body is not looked into`() async throws {
        let harness = try harness()
        let answer = await harness.send(
            "POST", "/Observation", token: try token(harness),
            headers: [
                (name: "Content-Type", value: "application/fhir+xml"), (name: "Content-Encoding", value: "gzip"),
            ],
            body: Array(Self.body.utf8))
        #expect(answer.status == 415)
    }

    @Test func `a body is not converted for somebody without a token`() async throws {
        let harness = try harness()
        let answer = await harness.send(
            "POST", "/Observation", token: nil,
            headers: [(name: "Content-Type", value: "application/fhir+xml"), (name: "Accept", value: "text/xml")],
            body: Array("<!DOCTYPE x>".utf8))

        #expect(answer.status == 401)
        #expect(answer.field("www-authenticate") != nil)
        #expect(answer.field("content-type") == "text/xml; charset=utf-8")
        #expect(try JSONValue(parsing: ResourceXML.json(fromXML: answer.body))["resourceType"] == "OperationOutcome")
    }

    @Test func `what is wrong with a body is said in the format that was asked for, and where`() async throws {
        let harness = try harness()
        let answer = await harness.send(
            "POST", "/Observation", token: try token(harness),
            headers: [
                (name: "Content-Type", value: "application/fhir+xml"), (name: "Accept", value: "application/fhir+xml"),
            ],
            body: Array(
                Self.body.replacing("<status value=\"final\"/>", with: "").replacing(
                    "</code>", with: "</code><status value=\"final\"/>"
                ).utf8))

        #expect(answer.status == 400)
        let outcome = try JSONValue(parsing: ResourceXML.json(fromXML: answer.body))
        let diagnostics = try #require(outcome["issue"]?.array?.first?["diagnostics"]?.string)
        #expect(diagnostics.contains("wrongOrder in `Observation.status`"))
    }

    @Test(
        .verifies("attack@ATK-198"),
        arguments: ["xml", "application/fhir%2Bxml", "application/fhir+xml", "text/xml", "application/xml"])
    func `an answer in XML is one that was judged`(format: String) async throws {
        let harness = try harness()
        let token = try token(harness)

        let own = await harness.send("GET", "/Patient/pA?_format=\(format)", token: token)
        let foreign = await harness.send("GET", "/Patient/pB?_format=\(format)", token: token)

        #expect(own.status == 200)
        #expect(own.field("content-type")?.hasSuffix("xml; charset=utf-8") == true)
        let patient = try JSONValue(parsing: ResourceXML.json(fromXML: own.body))
        #expect(patient["id"] == "pA")
        #expect(foreign.status == 404)
        #expect(try JSONValue(parsing: ResourceXML.json(fromXML: foreign.body))["resourceType"] == "OperationOutcome")
        // Nothing of the format reaches the protected server.
        #expect(own.upstream.allSatisfy { $0.query == nil })
        try expectNoLeak(own)
        try expectNoLeak(foreign)
    }

    @Test(
        .verifies("attack@ATK-200"),
        arguments: ["html", "text/html", "ttl", "application/fhir%2Bxml%3BfhirVersion%3D3.0"])
    func `a format that we do not write is refused in one that we do`(format: String) async throws {
        let harness = try harness()
        let answer = await harness.send(
            "GET", "/Patient/pA?_format=\(format)", token: try token(harness),
            headers: [(name: "Accept", value: "application/fhir+xml")])

        #expect(answer.status == 406)
        #expect(answer.upstream.isEmpty)
        #expect(try JSONValue(parsing: ResourceXML.json(fromXML: answer.body))["resourceType"] == "OperationOutcome")
    }

    @Test(.verifies("attack@ATK-209"))
    func `XML from the protected server is not passed on to a client that wants XML`() async throws {
        let resource = "<Observation xmlns=\"http://hl7.org/fhir\"><id value=\"obsA\"/></Observation>"
        let harness = try GatewayHarness(
            upstream: ScriptedUpstream { _ in
                .answer(UpstreamHead(status: 200, contentType: "application/fhir+xml"), Array(resource.utf8))
            })
        let answer = await harness.send(
            "GET", "/Observation?code=x", token: try token(harness),
            headers: [(name: "Accept", value: "application/fhir+xml")])
        #expect(answer.status == 502)
    }

    @Test(.verifies("house@xml-same-content"))
    func `what XML cannot say is not sent, and recorded as not sent`() async throws {
        let odd =
            #"{"resourceType":"Observation","id":"obsA","status":"final","code":{"text":"a"},"subject":{"reference":"Patient/pA"},"ours":1}"#
        let harness = try GatewayHarness(
            upstream: ScriptedUpstream { _ in
                .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), Array(odd.utf8))
            })
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let json = await harness.send("GET", "/Observation/obsA", token: token)
        let xml = await harness.send(
            "GET", "/Observation/obsA", token: token, headers: [(name: "Accept", value: "application/fhir+xml")])

        #expect(json.status == 200)
        #expect(xml.status == 406)
        #expect(xml.records.count == 1)
        guard case .access(let record) = try AuditStatement(decoding: try #require(xml.records.first).body).event else {
            Issue.record("no access was recorded")
            return
        }
        #expect(record.outcome == .failed(reason: "answer-unwritable"))
        #expect(record.status == 406)
        #expect(record.released == 0)
    }

    @Test(.verifies("house@xml-same-content"))
    func `a batch with something in it that XML cannot say is not sent, and none of its entries counts`() async throws {
        let odd =
            #"{"resourceType":"Observation","id":"obsA","status":"final","code":{"text":"a"},"subject":{"reference":"Patient/pA"},"ours":1}"#
        let harness = try GatewayHarness(
            upstream: ScriptedUpstream { _ in
                .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), Array(odd.utf8))
            })
        let batch =
            #"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Observation/obsA"}}]}"#

        let answer = await harness.send(
            "POST", "", token: try token(harness),
            headers: [
                (name: "Accept", value: "application/fhir+xml"), (name: "Content-Type", value: "application/fhir+xml"),
            ], body: try ResourceXML.xml(fromJSON: Array(batch.utf8)))

        #expect(answer.status == 406)
        let records = try answer.records.compactMap { entry -> AccessRecord? in
            guard case .access(let record) = try AuditStatement(decoding: entry.body).event else { return nil }
            return record
        }
        #expect(records.contains { $0.parent != nil })
        #expect(records.allSatisfy { $0.released == 0 })
        #expect(records.contains { $0.parent == nil && $0.outcome == .failed(reason: "answer-unwritable") })
    }

    @Test func `the links of a page asked for by parameter ask for the same`() async throws {
        let harness = try harness()
        let token = try token(harness)
        func next(_ answer: GatewayHarness.Answer) throws -> String? {
            let xml = answer.field("content-type")?.contains("xml") == true
            let bundle = try JSONValue(parsing: xml ? ResourceXML.json(fromXML: answer.body) : answer.body)
            let link = bundle["link"]?.array?.first { $0["relation"] == "next" }?["url"]?.string
            return link.map { String($0.dropFirst(GatewayHarness.publicBase.count)) }
        }

        let first = await harness.send("GET", "/Observation?_count=1&_format=xml", token: token)
        let link = try #require(try next(first))
        let second = await harness.send("GET", link, token: token)
        let plain = await harness.send("GET", "/Observation?_count=1", token: token)

        #expect(link.hasSuffix("?_format=xml"))
        #expect(second.status == 200)
        #expect(second.field("content-type") == "application/fhir+xml; charset=utf-8")
        #expect(try next(second)?.hasSuffix("?_format=xml") == true)
        #expect(try next(plain)?.contains("_format") == false)
    }
}
