import FHIRCore
import RequirementTraits
import Testing

@Suite struct RequestHeaderTests {
    @Test(
        .verifies("attack@ATK-185"),
        arguments: ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x-http-method-override"])
    func `a method override is refused`(name: String) {
        #expect(Ask.refusal("POST", "/Observation", [(name, "DELETE")])?.status == 400)
        #expect(
            Ask.refusal(
                "POST", "/Observation?_method=DELETE", [("Content-Type", Ask.json)],
                body: #"{"resourceType":"Observation"}"#)?.status == 400)
    }

    @Test(.verifies("attack@ATK-138"))
    func `a second resource in a header is refused`() {
        let fields = [(name: "X-Provenance", value: "{}"), (name: "Content-Type", value: Ask.json)]
        #expect(Ask.refusal("POST", "/Observation", fields, body: #"{"resourceType":"Observation"}"#)?.status == 400)
    }

    @Test(arguments: ["Content-Type", "If-Match", "If-None-Exist", "if-none-match"])
    func `a field that stands once is refused twice`(name: String) {
        #expect(Ask.refusal("GET", "/Patient/pA", [(name, "a"), (name.uppercased(), "a")])?.status == 400)
    }

    @Test(arguments: ["*", "1", "W/1", "W/\"\"", "\"a b\"", "W/\"1\", W/\"2\"", "w/\"1\"", "\"..\"", "", "W/\"1"])
    func `an If-Match that is not one version is refused`(value: String) {
        #expect(
            Ask.refusal("DELETE", "/Patient/pA", [("If-Match", value)])?.status == 400)
    }

    @Test(arguments: ["W/\"3\"", "\"3\"", " W/\"3\" "])
    func `an If-Match names the version that is meant`(value: String) throws {
        #expect(try Ask.canonical("DELETE", "/Patient/pA", [("If-Match", value)]).ifMatch == VersionID("3"))
    }

    @Test(arguments: [
        ("GET", "/Patient/pA", "If-Match", "W/\"1\""), ("GET", "/Patient", "If-None-Exist", "a=b"),
        ("DELETE", "/Patient/pA", "If-None-Match", "*"), ("DELETE", "/Patient/pA", "If-Unmodified-Since", "x"),
    ])
    func `a condition that an interaction has not is refused, not passed over`(
        method: String, target: String, name: String, value: String
    ) {
        #expect(Ask.refusal(method, target, [(name, value)])?.status == 400)
    }

    @Test func `the conditions of a read are kept for us to evaluate`() throws {
        let tags = try Ask.canonical(
            "GET", "/Patient/pA", [("If-None-Match", "W/\"1\", \"2\""), ("If-Modified-Since", "x")])
        #expect(tags.readCondition.ifNoneMatch.map(\.text) == ["1", "2"])
        #expect(try Ask.canonical("GET", "/Patient/pA", [("If-None-Match", "*")]).readCondition.ifNoneMatchAny)
        let date = try Ask.canonical("GET", "/Patient/pA", [("If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT")])
        #expect(date.readCondition == ReadCondition())
        #expect(try Ask.canonical("GET", "/Patient", [("If-None-Match", "*")]).readCondition == ReadCondition())
    }

    @Test func `preferences are read and unknown ones are not`() {
        let prefer = Prefer(
            parsing: "return=minimal, handling=\"lenient\"; x=1 , respond-async, foo=bar, return=representation")
        #expect(prefer.answer == .minimal)
        #expect(prefer.handling == .lenient)
        #expect(Prefer(parsing: "return=all, handling=") == Prefer())
        #expect(Prefer(parsing: "return=OperationOutcome").answer == .operationOutcome)
    }
}

@Suite struct ResultOptionTests {
    @Test(.verifies("attack@ATK-200"), arguments: ["html", "text/html", "ttl", "foo", ""])
    func `an answer in another format is refused`(format: String) {
        #expect(Ask.refusal("GET", "/Patient/pA?_format=\(format)")?.status == 406)
    }

    @Test(arguments: [
        "text/html", "application/fhir+json;q=0", "application/fhir+json; fhirVersion=3.0",
        "application/pdf, text/plain", "application/fhir+xml; fhirVersion=5.0", "*/*;q=0", "text/*;q=0.0",
    ])
    func `an Accept that no FHIR format answers is refused`(accept: String) {
        #expect(Ask.refusal("GET", "/Patient/pA", [("Accept", accept)])?.status == 406)
    }

    @Test(arguments: [
        "*/*", "application/json", "application/fhir+json; charset=utf-8; fhirVersion=4.0", "text/html, */*;q=0.1",
        "application/*", "application/fhir+xml", "text/xml", "",
    ])
    func `an Accept that a FHIR format answers is served`(accept: String) throws {
        #expect(try Ask.canonical("GET", "/Patient/pA", [("Accept", accept)]).options.content == .resource)
    }

    @Test func `a format that is named in the query goes before Accept`() throws {
        for format in ["json", "xml"] {
            let request = try Ask.canonical("GET", "/Patient/pA?_format=\(format)", [("Accept", "text/html")])
            #expect(request.options.content == .resource)
            #expect(request.query.terms.isEmpty)
        }
        #expect(Ask.refusal("GET", "/Patient/pA?_format=html", [("Accept", "application/fhir+json")])?.status == 406)
    }

    @Test func `a body that could not be converted is refused where it would have been read`() throws {
        var request = FHIRRequest(method: .post, path: "/Observation")
        request.headers.contentType = "application/fhir+json"
        let fault = RequestRefusal(status: 413, issueCode: "too-long", diagnostics: "x")
        request.bodyFault = fault
        #expect(throws: fault) { try CanonicalRequest(request) }
        request.path = "/Nothing"
        #expect(throws: RequestRefusal.self) { try CanonicalRequest(request) }
        request.headers.contentType = "text/plain"
        request.path = "/Observation"
        #expect { try CanonicalRequest(request) } throws: { ($0 as? RequestRefusal)?.status == 415 }
    }

    @Test func `a Binary can be asked for as it is`() throws {
        #expect(try Ask.canonical("GET", "/Binary/b", [("Accept", "application/pdf")]).options.content == .rawBinary)
        #expect(
            try Ask.canonical("GET", "/Binary/b", [("Accept", "application/fhir+json")]).options.content == .resource)
        #expect(
            try Ask.canonical("GET", "/Binary/b", [("Accept", "application/fhir+xml")]).options.content == .resource)
    }

    @Test(
        .verifies("attack@ATK-082"),
        arguments: [
            "_elements:exclude=subject", "_elements=a&_elements=b", "_elements=", "_elements=a,,b", "_elements=a/b",
            "_summary=foo",
            "_summary:x=true", "_pretty=1", "_format=json&_format=json", "_format.a=json",
            "_summary=true&_summary=text",
        ])
    func `an option in another form is refused`(query: String) {
        #expect(Ask.refusal("GET", "/Observation?\(query)")?.status == 400)
    }

    @Test func `options are ours and are not in the query`() throws {
        let request = try Ask.canonical(
            "GET",
            "/Observation?_format=application/fhir+json&code=1&_summary=count&_elements=code,value.unit&_pretty=true")

        #expect(request.query.encoded == "code=1")
        #expect(request.options.summary == .count)
        #expect(request.options.elements == ["code", "value.unit"])
    }
}

@Suite struct PostSearchTests {
    private let form = "application/x-www-form-urlencoded"

    @Test(
        .verifies("attack@ATK-183"),
        arguments: [
            "multipart/form-data; boundary=x", "application/fhir+json", "text/plain",
            "application/x-www-form-urlencoded; charset=utf-16", "x",
        ])
    func `a search in another form encoding is refused`(type: String) {
        #expect(
            Ask.refusal("POST", "/Observation/_search", [("Content-Type", type)], body: "patient=pA")?.status == 415)
    }

    @Test func `a search body without content type is refused`() {
        #expect(Ask.refusal("POST", "/Observation/_search", body: "patient=pA")?.status == 415)
    }

    @Test(arguments: ["patient[]=pB", "a=1;b=2", "a=%00", "a", "a=1&", "a=1\n"])
    func `a form is held to the grammar of a query`(body: String) {
        #expect(Ask.refusal("POST", "/Observation/_search", [("Content-Type", form)], body: body)?.status == 400)
    }

    @Test func `parameters of URL and form are merged, both kept`() throws {
        let request = try Ask.send(
            "POST", "/Observation/_search?patient=pB&_summary=text", "patient=pA&code=a+b", type: form)

        #expect(request.query.terms.map(\.rawValue) == ["pB", "pA", "a b"])
        #expect(request.options.summary == .text)
    }

    @Test func `a POST search is the value that the same GET is`() throws {
        let get = try Ask.canonical("GET", "/Observation?patient=pA&code=x%7Cy")
        let post = try Ask.send("POST", "/Observation/_search", "patient=pA&code=x|y", type: form)
        let half = try Ask.send("POST", "/Observation/_search?patient=pA", "code=x|y", type: "\(form); charset=UTF-8")

        for request in [post, half] {
            #expect(request.interaction == get.interaction)
            #expect(request.query == get.query)
            #expect(request.method == get.method)
            #expect(request.options == get.options)
            #expect(request.body == get.body)
        }
        #expect(post.isPostSearch && !get.isPostSearch)
        #expect(try Ask.canonical("POST", "/Observation/_search?patient=pA").query.encoded == "patient=pA")
    }
}
