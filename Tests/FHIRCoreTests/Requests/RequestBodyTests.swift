import FHIRCore
import RequirementTraits
import Testing

@Suite struct RequestBodyRefusalTests {
    private let patch = "application/json-patch+json"

    @Test(
        .verifies("attack@ATK-184"),
        arguments: [
            ("GET", "/Observation"), ("HEAD", "/Observation"), ("GET", "/Patient/pA"), ("GET", "/metadata"),
            ("GET", ""), ("DELETE", "/Patient/pA"), ("GET", "/Patient/pA/$everything"), ("GET", "/_page/abc"),
            ("DELETE", "/Patient?_id=a"),
        ])
    func `a body where none can be is refused`(method: String, target: String) {
        #expect(Ask.refusal(method, target, body: "patient=pB")?.status == 400)
        #expect(
            Ask.refusal(method, target, [("Content-Type", "application/x-www-form-urlencoded")], body: "patient=pB")?
                .status == 400)
    }

    @Test(
        .verifies("attack@ATK-201"),
        arguments: [
            "application/fhir+xml", "application/xml", "text/plain", "application/json-patch+json",
            "application/fhir+json; charset=utf-16", "application/fhir+json; fhirVersion=5.0",
            "application/fhir+json; charset=utf-8; charset=utf-16", "json", "",
        ])
    func `a body of another media type is refused`(type: String) {
        let body = #"{"resourceType":"Observation","id":"o"}"#
        #expect(Ask.refusal { try Ask.send("PUT", "/Observation/o", body, type: type) }?.status == 415)
    }

    @Test(.verifies("attack@ATK-201"))
    func `XML under the name of JSON is refused, and so is a body without a name or in another coding`() {
        #expect(Ask.refusal { try Ask.send("PUT", "/Observation/o", "<Observation/>") }?.status == 400)
        #expect(Ask.refusal("PUT", "/Observation/o", body: "{}")?.status == 415)
        #expect(
            Ask.refusal { try Ask.send("PUT", "/Observation/o", "{}", [("Content-Encoding", "gzip")]) }?.status == 415)
    }

    @Test(
        .verifies("attack@ATK-121"),
        arguments: [
            #"{"resourceType":"Observation","id":"obsB"}"#, #"{"resourceType":"Observation"}"#,
            #"{"resourceType":"Observation","id":"OBSA"}"#,
        ])
    func `an update whose body has another id is refused`(body: String) {
        #expect(Ask.refusal { try Ask.send("PUT", "/Observation/obsA", body) }?.status == 400)
    }

    @Test(.verifies("attack@ATK-122"), arguments: ["/Observation/c", "/Observation?_id=c"])
    func `an update whose body is of another type is refused`(target: String) {
        #expect(Ask.refusal { try Ask.send("PUT", target, #"{"resourceType":"Condition","id":"c"}"#) }?.status == 400)
        #expect(Ask.refusal { try Ask.send("POST", "/Observation", #"{"resourceType":"Condition"}"#) }?.status == 400)
    }

    @Test(.verifies("attack@ATK-202"))
    func `a body with a member twice is refused`() {
        let body =
            #"{"resourceType":"Observation","subject":{"reference":"Patient/pA"},"subject":{"reference":"Patient/pB"}}"#
        #expect(Ask.refusal { try Ask.send("POST", "/Observation", body) }?.status == 400)
    }

    @Test(.verifies("attack@ATK-203"))
    func `a body with a member twice by an escape is refused`() {
        let body =
            #"{"resourceType":"Observation","subject":{"reference":"Patient/pA"},"\u0073ubject":{"reference":"Patient/pB"}}"#
        #expect(Ask.refusal { try Ask.send("POST", "/Observation", body) }?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-204"),
        arguments: [
            #"{"resourceType":"Observation","subject":{"reference":"Patient/pA"},"_subject":{"extension":[{"url":"u","valueReference":{"reference":"Patient/pB"}}]}}"#,
            #"{"resourceType":"Observation","_subject":{"reference":"Patient/pB"}}"#,
            #"{"resourceType":"Observation","performer":[{"reference":"Patient/pA"}],"_performer":[{"extension":[]}]}"#,
            #"{"resourceType":"Observation","status":"final","_status":[{"id":"a"}]}"#,
            #"{"resourceType":"Observation","status":"final","_status":"x"}"#,
            #"{"resourceType":"Observation","component":[{"code":{},"_code":{"id":"a"}}]}"#,
            #"{"resourceType":"Observation","_performer":[1]}"#,
        ])
    func `an underscore member beside a complex element, or with more than id and extensions, is refused`(body: String)
    {
        #expect(Ask.refusal { try Ask.send("POST", "/Observation", body) }?.status == 400)
    }

    @Test func `companions of primitives are read`() throws {
        let body =
            #"{"resourceType":"Patient","birthDate":"2000","_birthDate":{"extension":[{"url":"u","valueCode":"x"}]},"_gender":{"id":"g"},"name":[{"given":["a",null],"_given":[null,{"id":"x"}]}]}"#
        #expect(try Ask.send("POST", "/Patient", body).interaction == .create(.patient))
    }

    @Test(.verifies("attack@ATK-205"), arguments: ["[", #"{"extension":["#])
    func `a body nested deeper than the limit is refused`(opening: String) {
        let body = #"{"resourceType":"Observation","extension":"# + String(repeating: opening, count: 2000)
        #expect(Ask.refusal { try Ask.send("POST", "/Observation", body) }?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-206"),
        arguments: [
            "\u{FEFF}{\"resourceType\":\"Observation\"}", "{\"resourceType\":\"Observation\"} {}",
            "{\"resourceType\":\"Observation\",\"status\":\"\\ud800\"}", "{\"resourceType\":\"Observation\"}\u{0}",
            "{\u{0}\"\u{0}r\u{0}",
        ])
    func `a body with a byte order mark, a lone surrogate, in UTF-16 or with trailing data is refused`(body: String) {
        #expect(Ask.refusal { try Ask.send("POST", "/Observation", body) }?.status == 400)
    }

    @Test(arguments: ["", "[]", "{}", #"{"resourceType":"Foo"}"#, #"{"resourceType":"Observation","id":"a/b"}"#])
    func `a body that is no resource is refused`(body: String) {
        #expect(Ask.refusal { try Ask.send("POST", "/Observation", body) }?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-149"),
        arguments: [
            "/Observation", "/Observation?", "/Observation?_format=json", "/Observation?code=", "/Observation?_count=1",
            "/Observation?_sort=date", "/Observation?code=1&_include=Observation:subject",
            "/Observation?code=1&status=",
        ])
    func `a delete of a type needs a condition`(target: String) {
        #expect(Ask.refusal("DELETE", target)?.status == 400)
    }

    @Test func `a conditional write needs a condition`() {
        let body = #"{"resourceType":"Observation"}"#
        #expect(Ask.refusal { try Ask.send("PUT", "/Observation", body) }?.status == 400)
        #expect(Ask.refusal { try Ask.send("PATCH", "/Observation", "[]", type: patch) }?.status == 400)
        #expect(Ask.refusal { try Ask.send("POST", "/Observation", body, [("If-None-Exist", "")]) }?.status == 400)
        #expect(
            Ask.refusal { try Ask.send("POST", "/Observation", body, [("If-None-Exist", "?code=1")]) }?.status == 400)
        #expect(
            Ask.refusal { try Ask.send("POST", "/Observation", body, [("If-None-Exist", "_method=DELETE")]) }?.status
                == 400)
        #expect(Ask.refusal { try Ask.send("POST", "/Observation?code=1", body) }?.status == 400)
    }

    @Test func `a patch is an array of JSON Patch and nothing else`() throws {
        #expect(Ask.refusal { try Ask.send("PATCH", "/Observation/o", "[]") }?.status == 415)
        #expect(
            Ask.refusal { try Ask.send("PATCH", "/Observation/o", "<diff/>", type: "application/xml-patch+xml") }?
                .status == 415)
        #expect(Ask.refusal { try Ask.send("PATCH", "/Observation/o", "{}", type: patch) }?.status == 400)
        let request = try Ask.send("PATCH", "/Observation/o", #"[{"op":"remove","path":"/note"}]"#, type: patch)
        guard case .patch(let read) = request.body else {
            Issue.record("the body is no patch")
            return
        }
        #expect(read.operations == [.remove(try #require(JSONPointer("/note")))])
        let broken = #"[{"op":"remove"}]"#
        #expect(Ask.refusal { try Ask.send("PATCH", "/Observation/o", broken, type: patch) }?.status == 400)
        let many = "[" + Array(repeating: #"{"op":"remove","path":"/a"}"#, count: 501).joined(separator: ",") + "]"
        #expect(Ask.refusal { try Ask.send("PATCH", "/Observation/o", many, type: patch) }?.status == 413)
    }

    @Test func `a body beyond the size limit is refused as too large`() throws {
        let request = Ask.request(
            "POST", "/Observation", [("Content-Type", Ask.json)], body: #"{"resourceType":"Observation"}"#)
        let limits = RequestLimits(json: JSONLimits(maxBytes: 20))
        #expect(Ask.refusal { try CanonicalRequest(request, limits: limits) }?.status == 413)
    }

    @Test func `an operation takes a resource or nothing`() throws {
        let parameters = #"{"resourceType":"Parameters"}"#
        #expect(try Ask.send("POST", "/Patient/$match", parameters).body != .none)
        #expect(try Ask.canonical("POST", "/Patient/$match").body == .none)
        #expect(
            Ask.refusal { try Ask.send("POST", "/Patient/$match", "a=b", type: "application/x-www-form-urlencoded") }?
                .status == 415)
    }
}

@Suite struct BundleRequestTests {
    private func bundle(_ type: String, _ entries: String...) -> String {
        #"{"resourceType":"Bundle","type":"\#(type)","entry":[\#(entries.joined(separator: ","))]}"#
    }

    private func entry(_ method: String, _ url: String, _ rest: String = "") throws -> BundleRequest.Entry {
        let text = bundle("batch", #"{"request":{"method":"\#(method)","url":"\#(url)"}\#(rest)}"#)
        guard case .bundle(let request) = try Ask.send("POST", "/", text).body else { throw Missing() }
        return try #require(request.entries.first)
    }

    private struct Missing: Error {}

    private func status(_ method: String, _ url: String, _ rest: String = "") throws -> Int? {
        let entry = try entry(method, url, rest)
        return Ask.refusal { try entry.request(base: "https://gw.example/fhir") }?.status
    }

    @Test(
        .verifies("attack@ATK-166"),
        arguments: ["collection", "history", "message", "document", "searchset", "Batch", "batch-response"])
    func `a Bundle that is no batch or transaction is refused on the base`(type: String) {
        #expect(Ask.refusal { try Ask.send("POST", "/", bundle(type)) }?.status == 400)
    }

    @Test func `what is no Bundle is refused on the base`() {
        #expect(Ask.refusal { try Ask.send("POST", "/", #"{"resourceType":"Patient"}"#) }?.status == 400)
    }

    @Test(
        .verifies("attack@ATK-155"),
        arguments: [
            "https://fhir.internal/Patient/pB", "http://gw.example/fhir/Patient/pB",
            "https://gw.example/fhirx/Patient/pB", "//fhir.internal/Patient/pB", "/Patient/pB", "/fhir/Patient/pB",
            "urn:uuid:1", "https://gw.example/fhir/../Patient/pB", "https://gw.example/fhir//Patient/pB",
            "javascript:x",
        ])
    func `an entry whose URL is not below our base is refused`(url: String) throws {
        #expect(try status("GET", url) == 400)
    }

    @Test(.verifies("attack@ATK-157"), arguments: ["/", "", "https://gw.example/fhir", "https://gw.example/fhir/"])
    func `a Bundle in a Bundle is refused`(url: String) throws {
        #expect(try status("POST", url, #","resource":{"resourceType":"Bundle","type":"batch"}"#) == 400)
    }

    @Test(.verifies("attack@ATK-165"), arguments: ["PROPFIND", "get", "Post", "OPTIONS", "", "TRACE"])
    func `an entry with a method that is none is refused`(method: String) throws {
        #expect(try status(method, "Patient/pA") == 400)
    }

    @Test(.verifies("attack@ATK-162"))
    func `two entries with one fullUrl are refused`() {
        let entry =
            #"{"fullUrl":"urn:uuid:1","request":{"method":"POST","url":"Patient"},"resource":{"resourceType":"Patient"}}"#
        #expect(Ask.refusal { try Ask.send("POST", "/", bundle("transaction", entry, entry)) }?.status == 400)
    }

    @Test(arguments: [
        "{}", #"{"request":{}}"#, #"{"request":{"method":"GET"}}"#,
        #"{"request":{"method":"GET","url":"Patient"},"response":{}}"#,
        #"{"request":{"method":"GET","url":"Patient","ifMatch":1}}"#, "1",
    ])
    func `an entry that is no request refuses the Bundle`(entry: String) {
        #expect(Ask.refusal { try Ask.send("POST", "/", bundle("batch", entry)) }?.status == 400)
    }

    @Test func `too many entries are refused as too costly`() {
        let entries = Array(repeating: #"{"request":{"method":"GET","url":"Patient/pA"}}"#, count: 501).joined(
            separator: ",")
        let refusal = Ask.refusal { try Ask.send("POST", "/", bundle("batch", entries)) }
        #expect(refusal?.status == 413)
        #expect(refusal?.issueCode == "too-costly")
    }

    @Test func `entries are held to the rules of requests that come alone`() throws {
        #expect(try status("GET", "Patient/pA", #","resource":{"resourceType":"Patient"}"#) == 400)
        #expect(try status("PUT", "Patient/pA", #","resource":{"resourceType":"Patient","id":"pB"}"#) == 400)
        #expect(try status("POST", "Patient", #","resource":{"resourceType":"Observation"}"#) == 400)
        #expect(try status("DELETE", "Patient") == 400)
        #expect(try status("GET", "patient/pA") == 404)
        #expect(try status("GET", "metadata") == 400)
        #expect(try status("PATCH", "Patient/pA", #","resource":{"resourceType":"Parameters"}"#) == 415)
        for data in ["", #","data":"W10""#, #","data":"W10==""#, #","data":"W1-9""#, #","data":5"#, #","data":"W11=""#]
        {
            #expect(
                try status(
                    "PATCH", "Patient/pA",
                    #","resource":{"resourceType":"Binary","contentType":"application/json-patch+json"\#(data)}"#)
                    == 400)
        }
        #expect(
            try status(
                "PATCH", "Patient/pA",
                #","resource":{"resourceType":"Binary","contentType":"application/xml-patch+xml","data":"W10="}"#)
                == 415)
        #expect(
            try status(
                "PATCH", "Patient/pA",
                #","resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W1 0="}"#)
                == nil)
        #expect(try status("GET", "Observation?patient[]=a") == 400)
    }

    @Test func `an entry is the request that it stands for`() throws {
        let base = "https://gw.example/fhir"
        let read = try entry("GET", "https://gw.example/fhir/Patient/pA").request(base: base)
        #expect(read.interaction == .read(Ask.key("Patient/pA")))
        let search = try entry("GET", "Observation?patient=https://gw.example/fhir/Patient/pA").request(base: base)
        #expect(search.query.terms.map(\.rawValue) == ["https://gw.example/fhir/Patient/pA"])
        let posted = try entry("POST", "Observation/_search?patient=pB").request(base: base)
        #expect(posted.interaction == .search(.observation))
        let update = try entry("PUT", "Patient/pA", #","resource":{"resourceType":"Patient","id":"pA"}"#).request(
            base: nil)
        #expect(update.interaction == .update(Ask.key("Patient/pA")))
        let text = bundle("batch", #"{"request":{"method":"DELETE","url":"Patient/pA","ifMatch":"W/\"3\""}}"#)
        guard case .bundle(let request) = try Ask.send("POST", "/", text).body else { throw Missing() }
        #expect(try request.entries[0].request(base: base).ifMatch == VersionID("3"))
        #expect(request.kind == .batch)
    }
}
