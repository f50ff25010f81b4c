import FHIRCore
import Testing

@testable import SandboxFHIR

@Suite struct `Batches and transactions` {
    private let fixture: SandboxFixture

    init() throws { fixture = try SandboxFixture() }

    private func submit(_ type: String, _ entries: [String], prefer: String? = nil) -> SandboxResponse {
        fixture.send(
            "POST", "", headers: prefer.map { ["prefer": $0] } ?? [:],
            body: #"{"resourceType":"Bundle","type":"\#(type)","entry":[\#(entries.joined(separator: ","))]}"#)
    }

    private func statuses(_ response: SandboxResponse) throws -> [String] {
        try fixture.json(response)["entry"]?.array?.compactMap { $0["response"]?["status"]?.string } ?? []
    }

    private static let good = #"""
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","gender":"unknown"},
        "request":{"method":"POST","url":"Patient"}}
        """#

    @Test(arguments: [
        #"{"request":{"method":"GET","url":"Patient/nobody"}}"#,
        #"{"request":{"method":"DELETE","url":"Patient/nobody"}}"#,
        #"{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a","ifMatch":"W/\"9\""}}"#,
        #"{"resource":{"resourceType":"Patient","id":"x"},"request":{"method":"PUT","url":"Patient/y"}}"#,
        #"{"resource":{"resourceType":"Nobody"},"request":{"method":"POST","url":"Nobody"}}"#,
        #"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Observation"}}"#,
        #"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=111"}}"#,
        #"{"request":{"method":"POST","url":"Patient"}}"#, #"{"resource":{"resourceType":"Patient"}}"#,
        #"{"resource":{"resourceType":"Patient"},"request":{"method":"POST"}}"#,
        #"{"request":{"method":"PATCH","url":"Patient/a"},"resource":{"resourceType":"Patient","id":"a"}}"#,
        #"{"request":{"method":"GET","url":"metadata"}}"#,
        #"{"resource":{"resourceType":"Observation","subject":{"reference":"Patient?identifier=999"}},"request":{"method":"POST","url":"Observation"}}"#,
        #"{"resource":{"resourceType":"Observation","subject":{"reference":"Patient?identifier=111"}},"request":{"method":"POST","url":"Observation"}}"#,
        #"{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}"#,
        #"{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}},{"request":{"method":"DELETE","url":"Patient/a"}}"#,
    ])
    func `one entry that fails undoes the whole transaction`(_ bad: String) throws {
        let before = try fixture.store.counts()

        let response = submit("transaction", [Self.good, bad])

        #expect((400..<500).contains(response.status))
        #expect(try fixture.json(response)["resourceType"] == "OperationOutcome")
        #expect(try fixture.store.counts() == before)
        #expect(try fixture.matches("Patient?gender=unknown").isEmpty)
        #expect(try fixture.store.current(try #require(InstanceKey("Patient/a")))?.version == 1)
    }

    @Test func `in a batch the other entries stand`() throws {
        let response = submit(
            "batch",
            [
                Self.good, #"{"request":{"method":"GET","url":"Patient/nobody"}}"#,
                #"{"request":{"method":"GET","url":"Patient?gender=female"}}"#,
                #"{"request":{"method":"DELETE","url":"Patient/c"}}"#,
                #"{"resource":{"resourceType":"Nobody"},"request":{"method":"POST","url":"Nobody"}}"#, #"{}"#,
            ])

        #expect(response.status == 200)
        #expect(
            try statuses(response) == [
                "201 Created", "404 Not Found", "200 OK", "204 No Content", "404 Not Found", "400 Bad Request",
            ])
        let entries = try #require(try fixture.json(response)["entry"]?.array)
        #expect(entries[1]["response"]?["outcome"]?["resourceType"] == "OperationOutcome")
        #expect(entries[2]["resource"]?["total"] == 1)
        #expect(try fixture.matches("Patient?gender=unknown").count == 1)
    }

    @Test func `references between entries lead to what was written`() throws {
        let response = submit(
            "transaction",
            [
                #"""
                {"fullUrl":"urn:uuid:o","resource":{"resourceType":"Observation","status":"final","code":{},
                "identifier":[{"value":"urn:uuid:p"}],"subject":{"reference":"urn:uuid:p"},
                "hasMember":[{"reference":"urn:uuid:q"}],"performer":[{"reference":"Practitioner/pr1"}]},
                "request":{"method":"POST","url":"Observation"}}
                """#,
                #"""
                {"fullUrl":"urn:uuid:p","resource":{"resourceType":"Patient","id":"mine"},
                "request":{"method":"POST","url":"Patient"}}
                """#,
                #"""
                {"fullUrl":"urn:uuid:q","resource":{"resourceType":"Observation","id":"fixed","status":"final","code":{},
                "subject":{"reference":"urn:uuid:existing"}},"request":{"method":"PUT","url":"Observation/fixed"}}
                """#,
                #"""
                {"fullUrl":"urn:uuid:existing","resource":{"resourceType":"Patient"},
                "request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=http://mrn|333"}}
                """#,
                #"""
                {"fullUrl":"http://old.example.org/Practitioner/pr1","resource":{"resourceType":"Practitioner"},
                "request":{"method":"POST","url":"Practitioner"}}
                """#,
            ])

        #expect(try statuses(response) == ["201 Created", "201 Created", "201 Created", "200 OK", "201 Created"])
        let written = try #require(try fixture.json(response)["entry"]?.array).map { $0["resource"] }
        let patient = try #require(written[1]?["id"]?.string)
        let practitioner = try #require(written[4]?["id"]?.string)
        #expect(patient != "mine")
        #expect(practitioner != "pr1")
        #expect(written[0]?["subject"]?["reference"]?.string == "Patient/\(patient)")
        #expect(written[0]?["identifier"]?.array?.first?["value"] == "urn:uuid:p")
        #expect(written[0]?["hasMember"]?.array?.first?["reference"] == "Observation/fixed")
        #expect(written[0]?["performer"]?.array?.first?["reference"]?.string == "Practitioner/\(practitioner)")
        #expect(written[2]?["subject"]?["reference"] == "Patient/c")
        #expect(try fixture.matches("Observation?subject=Patient/\(patient)").count == 1)
    }

    @Test func `a conditional reference finds what the store or the transaction has`() throws {
        let response = submit(
            "transaction",
            [
                #"""
                {"resource":{"resourceType":"Observation","status":"final","code":{},
                "subject":{"reference":"Patient?identifier=http://new|1"}},
                "request":{"method":"POST","url":"Observation"}}
                """#,
                #"""
                {"resource":{"resourceType":"Patient","id":"later","identifier":[{"system":"http://new","value":"1"}],
                "link":[{"other":{"reference":"Patient?identifier=http://mrn|333"},"type":"seealso"}]},
                "request":{"method":"PUT","url":"Patient/later"}}
                """#,
            ])

        #expect(response.status == 200)
        #expect(try fixture.matches("Observation?patient=later").count == 1)
        let later = try fixture.json(fixture.send("GET", "Patient/later"))
        #expect(later["link"]?.array?.first?["other"]?["reference"] == "Patient/c")
        #expect(later["meta"]?["versionId"] == "1")
    }

    @Test func `reads in a transaction see its writes, whatever their place`() throws {
        let response = submit(
            "transaction",
            [
                #"{"request":{"method":"GET","url":"Patient?gender=unknown"}}"#, Self.good,
                #"{"request":{"method":"DELETE","url":"Patient/c"}}"#,
            ])

        #expect(try statuses(response) == ["200 OK", "201 Created", "204 No Content"])
        #expect(try fixture.json(response)["entry"]?.array?[0]["resource"]?["total"] == 1)
    }

    @Test func `minimal answers have no resources`() throws {
        let response = submit("transaction", [Self.good], prefer: "return=minimal")

        let entry = try #require(try fixture.json(response)["entry"]?.array?.first)
        #expect(entry["resource"] == nil)
        #expect(entry["response"]?["location"] != nil)
        #expect(entry["response"]?["etag"] == "W/\"1\"")
    }

    @Test(arguments: ["collection", "searchset", "history", "document"])
    func `other Bundles cannot be submitted`(_ type: String) {
        #expect(submit(type, [Self.good]).status == 400)
    }

    @Test func `a transaction takes an If-Match that holds`() throws {
        let response = submit(
            "transaction",
            [
                #"""
                {"resource":{"resourceType":"Patient","id":"a","gender":"other"},
                "request":{"method":"PUT","url":"http://127.0.0.1:9/fhir/Patient/a","ifMatch":"W/\"1\""}}
                """#
            ])

        #expect(try statuses(response) == ["200 OK"])
        #expect(try fixture.matches("Patient?gender=other") == ["Patient/a"])
    }
}
