import FHIRCore
import RequirementTraits
import Testing

@Suite struct RequestPathRefusalTests {
    @Test(
        .verifies("attack@ATK-171"),
        arguments: [
            "/Patient/pA%2f..%2fpB", "/Patient/pA%2FpB", "/Patient%2fpB", "/Patient/pA%5CpB", "/Patient/pA\\pB",
        ])
    func `an encoded slash is refused`(path: String) {
        #expect(Ask.refusal("GET", path)?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-173"),
        arguments: [
            "/Patient/%2e%2e/Patient/pB", "/Patient/%252e%252e/Patient/pB", "/Patient/../Patient/pB", "/./Patient/pB",
            "/Patient/.", "/Patient/..", "/..", "/Patient/pA/../pB", "/Patient/.%2e/pB", "/Patient/pA/_history/..",
        ])
    func `a dot segment is refused, encoded once, twice or not`(path: String) {
        #expect(Ask.refusal("GET", path)?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-174"),
        arguments: ["//Patient/pB", "/Patient//pB", "/Patient/pB/", "//", "/Patient/", "///"])
    func `an empty segment is refused`(path: String) {
        #expect(Ask.refusal("GET", path)?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-175"),
        arguments: ["/Patient;x=1/pB", "/Patient/pB;jsessionid=1", "/;x/Patient/pB", "/Patient/pB%3Bx=1", "/Patient;"])
    func `a matrix parameter is refused`(path: String) {
        #expect(Ask.refusal("GET", path)?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-176"), arguments: ["/patient/pB", "/PATIENT/pB", "/pATIENT", "/patient", "/Patients/pB"])
    func `a type in another letter case is no type`(path: String) {
        #expect(Ask.refusal("GET", path)?.status == 404)
    }

    @Test(
        .verifies("attack@ATK-177"),
        arguments: [
            "/Patient/pB%00", "/Patient/pB%0d%0aX:1", "/Patient/pB%C0%AF", "/Patient/pB%FF", "/Patient/pB\u{0}",
            "/Patient/pB\r\nX:1", "/Patient/p\u{7F}", "/Patient/pB%20", "/Patient/p B", "/Patient/%70B",
        ])
    func `a control character or any escape but that of $ is refused`(path: String) {
        #expect(Ask.refusal("GET", path)?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-178"),
        arguments: ["/Patient/ｐＡ", "/Patient/é", "/Patient/\(String(repeating: "a", count: 65))", "/Ｐatient/pA"])
    func `an id outside its alphabet or longer than 64 is refused`(path: String) {
        #expect(Ask.refusal("GET", path)?.status == 400)
    }

    @Test(arguments: [
        "Patient/pA", "/Patient:x", "/Patient/pA_b", "/_foo", "/$", "/$9", "/$Match", "/$a b", "/%25match",
        "/%2524match",
        "/Patient/$a%2f", "/Patient/pA|1", "/Patient/pA'", "/Patient/pA#x", "/**", "/Patient/pA,pB", "/_page/a.b",
        "/_page/a%2fb", "/_search%20", "/_History",
    ])
    func `a segment outside the grammar is refused`(path: String) {
        #expect(Ask.refusal("GET", path)?.status == 400)
    }

    @Test(arguments: [
        "/Foo", "/Foo/1", "/metadata/x", "/metadata/Patient", "/Patient/pA/metadata", "/Patient/pA/foo", "/_history/1",
        "/Patient/_history/1", "/Patient/pA/_history/1/2", "/Patient/pA/_search", "/Patient/*", "/*",
        "/Observation/o/*",
        "/Observation/o/Patient", "/Patient/pA/Foo", "/Patient/pA/Observation/x", "/Patient/pA/Observation/_search",
        "/_page", "/_page/a/b", "/$a/b", "/$a/$b", "/Patient/$a/b", "/Patient/pA/_history/1/$a", "/_history/$a",
        "/.well-known/smart-configuration", "/Patient/pA/_history/_history", "/Patient/_search/x",
        "/Patient/pA/_page/x",
    ])
    func `a clean path that is no FHIR interaction is not found`(path: String) {
        #expect(Ask.refusal("GET", path)?.status == 404)
    }

    @Test(arguments: [
        ("POST", "/Patient/pA"), ("PUT", "/metadata"), ("POST", "/metadata"), ("DELETE", "/metadata"), ("PUT", ""),
        ("DELETE", ""), ("PATCH", "/"), ("GET", "/_search"), ("GET", "/Patient/_search"), ("PUT", "/Patient/_search"),
        ("POST", "/_history"), ("DELETE", "/Patient/pA/_history"), ("DELETE", "/Patient/pA/_history/1"),
        ("POST", "/Patient/_history"), ("PUT", "/Patient/$match"), ("DELETE", "/$export"),
        ("POST", "/Patient/pA/Observation"), ("DELETE", "/_page/abc"), ("OPTIONS", "/Patient/pA"),
        ("TRACE", "/Patient/pA"),
        ("CONNECT", ""), ("get", "/Patient/pA"), ("PROPFIND", "/Patient"), ("", "/Patient"), ("OPTIONS", ""),
    ])
    func `a method that a path has not is refused as such`(method: String, path: String) {
        #expect(Ask.refusal(method, path)?.status == 405)
    }
}

@Suite struct ClassificationTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let method: String
        let path: String
        let expected: FHIRInteraction
        var testDescription: String { "\(method) \(path)" }
    }

    private static let patient = Ask.key("Patient/pA")

    /// FHIR R4 http.html: every interaction without a body.
    static let cases: [Case] = [
        Case(method: "GET", path: "/metadata", expected: .capabilities),
        Case(method: "GET", path: "/Patient/pA", expected: .read(patient)),
        Case(method: "GET", path: "/Patient/metadata", expected: .read(Ask.key("Patient/metadata"))),
        Case(method: "GET", path: "/Patient/Observation", expected: .read(Ask.key("Patient/Observation"))),
        Case(method: "GET", path: "/Patient/pA/_history/2", expected: .vread(patient, VersionID("2")!)),
        Case(method: "GET", path: "/Patient/pA/_history", expected: .instanceHistory(patient)),
        Case(method: "GET", path: "/Patient/_history", expected: .typeHistory(.patient)),
        Case(method: "GET", path: "/_history", expected: .systemHistory),
        Case(method: "GET", path: "/Patient", expected: .search(.patient)),
        Case(method: "GET", path: "/Patient?name=x", expected: .search(.patient)),
        Case(method: "POST", path: "/Patient/_search", expected: .search(.patient)),
        Case(method: "GET", path: "", expected: .searchSystem),
        Case(method: "GET", path: "/?_type=Patient", expected: .searchSystem),
        Case(method: "POST", path: "/_search", expected: .searchSystem),
        Case(
            method: "GET", path: "/Patient/pA/Observation",
            expected: .searchCompartment(.patient, ResourceID("pA")!, .observation)),
        Case(
            method: "GET", path: "/Encounter/e/Condition",
            expected: .searchCompartment(.encounter, ResourceID("e")!, .condition)),
        Case(method: "GET", path: "/Device/d/*", expected: .searchCompartment(.device, ResourceID("d")!, nil)),
        Case(method: "DELETE", path: "/Patient/pA", expected: .delete(patient)),
        Case(method: "DELETE", path: "/Patient?identifier=a", expected: .conditionalDelete(.patient)),
        Case(
            method: "GET", path: "/Patient/pA/$everything", expected: .operation(name: "everything", .instance(patient))
        ),
        Case(
            method: "GET", path: "/Patient/pA/%24everything",
            expected: .operation(name: "everything", .instance(patient))),
        Case(method: "POST", path: "/Patient/$match", expected: .operation(name: "match", .type(.patient))),
        Case(method: "GET", path: "/$export?_type=Patient", expected: .operation(name: "export", .system)),
        Case(
            method: "GET", path: "/Group/g/$davinci-data-export",
            expected: .operation(name: "davinci-data-export", .instance(Ask.key("Group/g")))),
        Case(method: "GET", path: "/_page/aB-_9", expected: .page("aB-_9")),
    ]

    @Test(arguments: cases)
    func `a request without a body is the one interaction that it is`(example: Case) throws {
        #expect(try Ask.canonical(example.method, example.path).interaction == example.expected)
    }

    @Test(arguments: cases.filter { $0.method == "GET" })
    func `HEAD is what GET is, without the answer's body`(example: Case) throws {
        let head = try Ask.canonical("HEAD", example.path)
        let get = try Ask.canonical("GET", example.path)

        #expect(head.interaction == get.interaction)
        #expect(head.query == get.query)
        #expect(head.method == .get)
        #expect(head.isHead && !get.isHead)
    }

    @Test func `writes are classified by path and condition`() throws {
        let body = #"{"resourceType":"Patient","id":"pA"}"#
        let patch = "application/json-patch+json"

        #expect(try Ask.send("POST", "/Patient", body).interaction == .create(.patient))
        #expect(try Ask.send("PUT", "/Patient/pA", body).interaction == .update(Self.patient))
        #expect(try Ask.send("PUT", "/Patient?identifier=a", body).interaction == .conditionalUpdate(.patient))
        #expect(try Ask.send("PATCH", "/Patient/pA", "[]", type: patch).interaction == .patch(Self.patient))
        #expect(try Ask.send("PATCH", "/Patient?_id=a", "[]", type: patch).interaction == .conditionalPatch(.patient))
        let conditional = try Ask.send("POST", "/Patient", body, [("If-None-Exist", "identifier=s|1")])
        #expect(conditional.interaction == .conditionalCreate(.patient))
        #expect(conditional.query.terms.map(\.rawValue) == ["s|1"])
        let bundle = { (type: String) in #"{"resourceType":"Bundle","type":"\#(type)"}"# }
        #expect(try Ask.send("POST", "/", bundle("batch")).interaction == .batch)
        #expect(try Ask.send("POST", "", bundle("transaction")).interaction == .transaction)
    }
}
