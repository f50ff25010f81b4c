import FHIRCore
import Foundation
import Testing

@testable import SandboxFHIR

@Suite struct `Operations that search` {
    private let fixture: SandboxFixture

    init() throws {
        fixture = try SandboxFixture(
            records: SandboxFixture.records + [
                #"""
                {"resourceType":"Observation","id":"h2","status":"final","subject":{"reference":"Patient/a"},
                "category":[{"coding":[{"system":"http://cat","code":"laboratory"}]}],
                "code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"effectiveDateTime":"2022-01-01"}
                """#,
                #"""
                {"resourceType":"Observation","id":"g1","status":"final","subject":{"reference":"Patient/a"},
                "category":[{"coding":[{"system":"http://cat","code":"laboratory"}]}],
                "code":{"text":"Glucose"},"effectiveDateTime":"2020-01-01"}
                """#,
                #"""
                {"resourceType":"DocumentReference","id":"d1","status":"current","subject":{"reference":"Patient/a"},
                "type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},"date":"2021-05-01T00:00:00Z",
                "content":[{"attachment":{"url":"Binary/x"},"format":{"code":"ccda"}}],
                "context":{"period":{"start":"2021-04-01","end":"2021-04-30"}}}
                """#,
                #"""
                {"resourceType":"DocumentReference","id":"d2","status":"current","subject":{"reference":"Patient/a"},
                "type":{"coding":[{"system":"http://loinc.org","code":"18842-5"}]},"date":"2022-05-01T00:00:00Z",
                "content":[{"attachment":{"url":"Binary/x"}}]}
                """#,
                #"""
                {"resourceType":"DocumentReference","id":"d3","status":"entered-in-error",
                "subject":{"reference":"Patient/a"},"content":[{"attachment":{"url":"Binary/x"}}]}
                """#,
                #"""
                {"resourceType":"DocumentReference","id":"d4","status":"current","subject":{"reference":"Patient/b"},
                "content":[{"attachment":{"url":"Binary/x"}}]}
                """#,
            ])
    }

    @Test(arguments: [
        "Observation/$lastn", "Observation/$lastn?patient=a", "Observation/$lastn?category=laboratory",
        "Observation/$lastn?patient=a&code=718-7&max=0", "Observation/$lastn?patient=a&code=718-7&max=x",
        "Observation/$lastn?patient=a&code=718-7&unheard=of", "Observation/$lastn?patient=a&code=718-7&_count=1",
        "DocumentReference/$docref", "DocumentReference/$docref?patient=a&start=soon",
        "DocumentReference/$docref?patient=a&unheard=of", "DocumentReference/$docref?patient=a&patient=b",
    ])
    func `a call that lacks or adds a parameter is refused`(_ url: String) {
        #expect(fixture.send("GET", url).status == 400)
    }

    @Test(arguments: [
        ("patient=a&category=laboratory", ["h2", "g1"]), ("patient=a&category=laboratory&max=2", ["h2", "o1", "g1"]),
        ("subject=Patient/a&code=718-7", ["h2"]), ("subject=Patient/b&code=718-7", ["o3"]),
        ("patient=a&category=laboratory&date=le2021", ["o1", "g1"]), ("patient=nobody&code=718-7", []),
    ])
    func `the newest of each code is found`(_ query: String, _ expected: [String]) throws {
        #expect(try fixture.matches("Observation/$lastn?\(query)") == expected.map { "Observation/\($0)" })
    }

    @Test(arguments: [
        ("patient=a", ["d2", "d1"]), ("patient=a&type=http://loinc.org|34133-9", ["d1"]),
        ("patient=a&start=2021-05-01", []), ("patient=a&start=2021-04-10&end=2021-04-20", ["d1"]),
        ("patient=a&profile=ccda", ["d1"]), ("patient=a&on-demand=true", []),
        ("patient=a&on-demand=false", ["d2", "d1"]),
        ("patient=b", ["d4"]), ("patient=c", []),
    ])
    func `the current documents of a patient are found`(_ query: String, _ expected: [String]) throws {
        #expect(
            try fixture.matches("DocumentReference/$docref?\(query)") == expected.map { "DocumentReference/\($0)" })
    }

    @Test func `a document type can be posted as a concept`() throws {
        let response = fixture.send(
            "POST", "DocumentReference/$docref",
            body: #"""
                {"resourceType":"Parameters","parameter":[{"name":"patient","valueId":"a"},{"name":"type",
                "valueCodeableConcept":{"coding":[{"system":"http://loinc.org","code":"18842-5"}]}}]}
                """#)

        #expect(try fixture.entries(response, mode: "match") == ["DocumentReference/d2"])
    }

    @Test func `what the CapabilityStatement names is served, and nothing else is`() throws {
        let statement = try fixture.json(fixture.send("GET", "metadata"))
        let rest = try #require(statement["rest"]?.array?.first)
        var named = Set<String>((rest["operation"]?.array ?? []).compactMap { $0["name"]?.string.map { "$\($0)" } })
        for resource in rest["resource"]?.array ?? [] {
            let type = resource["type"]?.string ?? "?"
            for operation in resource["operation"]?.array ?? [] {
                let name = operation["name"]?.string ?? "?"
                named.insert(type == "Group" ? "Group/x/$\(name)" : "\(type)/$\(name)")
            }
        }

        #expect(
            named == [
                "$export", "Patient/$everything", "Patient/$export", "Group/x/$export", "Observation/$lastn",
                "DocumentReference/$docref", "ValueSet/$expand", "ValueSet/$validate-code", "CodeSystem/$lookup",
            ])
        for url in named {
            let answer = try fixture.json(fixture.send("GET", url))
            #expect(answer["issue"]?.array?.first?["diagnostics"]?.string?.contains("not served") != true)
        }
        for resource in rest["resource"]?.array ?? [] {
            #expect(resource["interaction"]?.array?.contains(["code": "patch"]) == true)
        }
        #expect(statement["patchFormat"] == ["application/json-patch+json"])
    }
}

@Suite struct `Parts of resources and binary content` {
    private let fixture: SandboxFixture

    init() throws {
        fixture = try SandboxFixture(
            records: SandboxFixture.records + [
                #"""
                {"resourceType":"MedicationRequest","id":"m","status":"active","intent":"order",
                "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
                "medicationCodeableConcept":{"text":"aspirin"},"subject":{"reference":"Patient/a"},
                "note":[{"text":"secret"}],"_status":{"id":"s"}}
                """#,
                #"{"resourceType":"Binary","id":"pdf","contentType":"application/pdf","data":"aGVsbG8="}"#,
                #"{"resourceType":"Binary","id":"odd","contentType":"text/x\u000aEvil: 1","data":"aGVsbG8="}"#,
            ])
    }

    private func names(_ url: String) throws -> Set<String> {
        let answer = try fixture.json(fixture.send("GET", url))
        let resource = answer["entry"]?.array?.first?["resource"] ?? answer
        return Set((resource.object ?? []).map(\.name))
    }

    private static let always: Set<String> = ["resourceType", "id", "meta"]

    @Test(arguments: ["MedicationRequest/m", "MedicationRequest", "MedicationRequest/m/_history/1"])
    func `a summary leaves out what it is not made of`(_ url: String) throws {
        let mandatory: Set<String> = ["status", "_status", "intent", "medicationCodeableConcept", "subject"]

        #expect(try names("\(url)?_summary=text") == Self.always.union(mandatory).union(["text"]))
        #expect(try names("\(url)?_summary=data") == Self.always.union(mandatory).union(["note"]))
        #expect(try names("\(url)?_summary=true") == Self.always.union(mandatory))
        #expect(try names("\(url)?_summary=false") == Self.always.union(mandatory).union(["note", "text"]))
        #expect(try names("\(url)?_elements=note,status") == Self.always.union(["note", "status", "_status"]))
        #expect(fixture.send("GET", "\(url)?_summary=much").status == 400)
    }

    @Test func `a part is tagged as a part`() throws {
        let part = try fixture.json(fixture.send("GET", "Patient/a?_elements=gender"))

        let codes = part["meta"]?["tag"]?.array?.compactMap { $0["code"]?.string }
        #expect(codes == ["demo", "SUBSETTED"])
    }

    @Test(
        arguments: [
            (nil, "application/pdf"), ("*/*", "application/pdf"), ("application/pdf", "application/pdf"),
            ("application/fhir+json", "application/fhir+json"), ("application/json", "application/fhir+json"),
        ] as [(String?, String)])
    func `a Binary is served as its content unless FHIR is asked for`(_ accept: String?, _ type: String) throws {
        let response = fixture.send("GET", "Binary/pdf", headers: accept.map { ["accept": $0] } ?? [:])

        #expect(response.body.mediaType == type)
        #expect(try (response.body.bytes == Array("hello".utf8)) == (type == "application/pdf"))
        #expect(fixture.send("GET", "Binary/pdf?_format=json").body.mediaType == "application/fhir+json")
    }

    @Test func `a type that would split a header is not sent as one`() {
        #expect(fixture.send("GET", "Binary/odd").body.mediaType == "application/fhir+json")
    }

    @Test func `content that is posted becomes a Binary`() throws {
        let headers = ["content-type": "text/plain", "x-security-context": "Patient/a"]

        let created = try fixture.json(fixture.send("POST", "Binary", headers: headers, body: "hello"))

        #expect(created["contentType"] == "text/plain")
        #expect(created["data"] == "aGVsbG8=")
        #expect(created["securityContext"]?["reference"] == "Patient/a")
        #expect(fixture.send("PUT", "Binary/mine", headers: headers, body: "again").status == 201)
        #expect(try fixture.send("GET", "Binary/mine").body.bytes == Array("again".utf8))
        #expect(fixture.send("POST", "Patient", headers: headers, body: "hello").status == 415)
    }
}
