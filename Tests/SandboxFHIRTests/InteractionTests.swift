import FHIRCore
import Testing

@testable import SandboxFHIR

@Suite struct `Interactions on one resource` {
    private let fixture: SandboxFixture

    init() throws { fixture = try SandboxFixture() }

    @Test(arguments: [
        ("GET", "Patient/nobody", 404), ("GET", "Nobody/a", 404), ("GET", "Patient/a/_history/9", 404),
        ("GET", "Patient/a/_history/x", 404), ("GET", "Patient/a%00", 400), ("GET", "Patient/a%2Fb", 400),
        ("GET", "Patient/%zz", 400), ("GET", "Patient/a/b/c/d", 404), ("GET", "Observation/o1/Patient", 404),
        ("GET", "Patient/nobody/$everything", 404), ("GET", "$export", 400), ("DELETE", "Patient/nobody", 404),
        ("GET", "Patient/a/$nothing", 404), ("PUT", "Patient/a/$everything", 405), ("GET", "$everything", 404),
        ("GET", "Observation/o1/$everything", 404), ("GET", "Patient/a/$everything/x", 404),
        ("GET", "Observation/$export", 404), ("GET", "Patient/a/$export", 404), ("GET", "_bulk/x", 404),
        ("GET", "_bulk/x/y", 404), ("DELETE", "_bulk/x", 404), ("POST", "_bulk/x", 405), ("GET", "_bulk", 404),
        ("PATCH", "Patient/a", 415), ("POST", "Patient/a", 405), ("PUT", "", 405), ("DELETE", "", 405),
        ("PUT", "metadata", 405), ("GET", "Patient/_search", 405), ("PATCH", "Patient", 415),
        ("DELETE", "Patient", 400), ("DELETE", "Patient?_format=json", 400), ("DELETE", "Patient?unheard=of", 400),
        ("GET", "Patient/nobody/_history", 404), ("DELETE", "Patient?gender=female,male", 412),
    ])
    func `what is not there or not served is refused`(_ method: String, _ url: String, _ status: Int) throws {
        let body = method == "PATCH" || method == "PUT" || method == "POST" ? "{}" : nil

        let response = fixture.send(method, url, body: body)

        #expect(response.status == status)
        #expect(try fixture.json(response)["issue"]?.array?.first?["severity"] == "error")
        #expect(try fixture.store.counts()[.patient] == 3)
    }

    @Test(arguments: [
        (#"{"resourceType":"Patient","id":"other"}"#, 400), (#"{"resourceType":"Patient"}"#, 400),
        (#"{"resourceType":"Practitioner","id":"a"}"#, 400), (#"{"resourceType":"Nobody","id":"a"}"#, 400),
        (#"{"id":"a"}"#, 400), (#"[]"#, 400), (#"{"resourceType":"Patient","id":"a""#, 400), ("", 400),
        (#"{"resourceType":"Patient","id":"a","id":"b"}"#, 400), (#"{"resourceType":"Patient","id":7}"#, 400),
        (#"{"resourceType":"Patient","id":"a","meta":"x"}"#, 400),
    ])
    func `an update with a wrong body is refused`(_ body: String, _ status: Int) throws {
        let response = fixture.send("PUT", "Patient/a", body: body)

        #expect(response.status == status)
        #expect(try fixture.store.current(try #require(InstanceKey("Patient/a")))?.version == 1)
    }

    @Test(arguments: [
        ("accept", "application/fhir+xml", 406), ("accept", "text/html", 406),
        ("accept", "application/fhir+json;q=0, text/html", 406), ("accept", "*/*", 200),
        ("accept", "application/json", 200), ("accept", "application/fhir+json; fhirVersion=4.0", 200),
        ("accept", "text/html, application/*;q=0.1", 200),
    ])
    func `only JSON is served`(_ header: String, _ value: String, _ status: Int) {
        #expect(fixture.send("GET", "Patient/a", headers: [header: value]).status == status)
    }

    @Test func `the format parameter stands above the header`() {
        #expect(fixture.send("GET", "Patient/a?_format=xml").status == 406)
        #expect(fixture.send("GET", "Patient/a?_format=json", headers: ["accept": "text/html"]).status == 200)
        #expect(fixture.send("GET", "Patient/a?_format=application/fhir+json").status == 200)
    }

    @Test func `only JSON is read`() {
        let response = fixture.send(
            "POST", "Patient", headers: ["content-type": "application/fhir+xml"], body: "<Patient/>")

        #expect(response.status == 415)
    }

    @Test func `a create gets an id of the server`() throws {
        let response = fixture.send("POST", "Patient", body: #"{"id":"mine","resourceType":"Patient","active":true}"#)

        #expect(response.status == 201)
        #expect(response.location == "\(SandboxFixture.base)/Patient/new-1/_history/1")
        let stored = try fixture.json(response)
        #expect(stored["id"] == "new-1")
        #expect(stored["meta"]?["versionId"] == "1")
        #expect(stored["meta"]?["lastUpdated"]?.string?.hasSuffix("Z") == true)
        #expect(fixture.send("GET", "Patient/mine").status == 404)
    }

    @Test func `what is stored is what was sent, numbers to their last digit`() throws {
        let sent =
            #"{"resourceType":"Observation","id":"n","valueQuantity":{"value":1.500},"note":[{"text":"é \"x\""}]}"#

        _ = fixture.send("PUT", "Observation/n", body: sent)

        let read = try fixture.json(fixture.send("GET", "Observation/n"))
        #expect(read["valueQuantity"]?["value"] == .number(JSONNumber("1.500")!))
        #expect(read["note"]?.array?.first?["text"] == "é \"x\"")
    }

    @Test func `a PUT to a free id creates, to a known one updates, to a deleted one creates again`() throws {
        let body = #"{"resourceType":"Patient","id":"z"}"#

        let statuses = [
            fixture.send("PUT", "Patient/z", body: body).status, fixture.send("PUT", "Patient/z", body: body).status,
            fixture.send("DELETE", "Patient/z").status, fixture.send("DELETE", "Patient/z").status,
            fixture.send("GET", "Patient/z").status, fixture.send("PUT", "Patient/z", body: body).status,
        ]

        #expect(statuses == [201, 200, 204, 204, 410, 201])
        #expect(try fixture.json(fixture.send("GET", "Patient/z"))["meta"]?["versionId"] == "4")
    }

    @Test(arguments: [
        ("W/\"1\"", 200), ("\"1\"", 200), ("W/\"2\"", 412), ("W/\"x\"", 400), ("1", 400), ("*", 400),
    ])
    func `an update with If-Match needs that version`(_ tag: String, _ status: Int) throws {
        let body = #"{"resourceType":"Patient","id":"a"}"#

        let response = fixture.send("PUT", "Patient/a", headers: ["if-match": tag], body: body)

        #expect(response.status == status)
        #expect(try fixture.store.history(try #require(InstanceKey("Patient/a"))).count == (status == 200 ? 2 : 1))
    }

    @Test func `If-Match guards deletes and free ids`() {
        #expect(fixture.send("DELETE", "Patient/a", headers: ["if-match": "W/\"7\""]).status == 412)
        #expect(
            fixture.send(
                "PUT", "Patient/free", headers: ["if-match": "W/\"1\""],
                body: #"{"resourceType":"Patient","id":"free"}"#
            ).status == 412)
        #expect(fixture.send("DELETE", "Patient/a", headers: ["if-match": "W/\"1\""]).status == 204)
    }

    @Test func `If-None-Match with a star keeps what is there`() {
        let body = #"{"resourceType":"Patient","id":"a"}"#

        #expect(fixture.send("PUT", "Patient/a", headers: ["if-none-match": "*"], body: body).status == 412)
    }

    @Test func `a read of what has not changed is answered 304`() throws {
        let read = fixture.send("GET", "Patient/a")
        let tag = try #require(read.etag)
        let time = FHIRTime.httpDate(try #require(read.lastModified))

        #expect(fixture.send("GET", "Patient/a", headers: ["if-none-match": tag]).status == 304)
        #expect(fixture.send("GET", "Patient/a", headers: ["if-none-match": "W/\"8\", \(tag)"]).status == 304)
        #expect(fixture.send("GET", "Patient/a", headers: ["if-none-match": "W/\"8\""]).status == 200)
        #expect(fixture.send("GET", "Patient/a", headers: ["if-modified-since": time]).status == 304)
        #expect(
            fixture.send("GET", "Patient/a", headers: ["if-modified-since": "Mon, 01 Jan 2001 00:00:00 GMT"]).status
                == 200)
        #expect(try fixture.send("GET", "Patient/a", headers: ["if-none-match": tag]).body.bytes.isEmpty)
    }

    @Test(
        arguments: [
            ("return=minimal", nil), ("return=representation", "Patient"),
            ("return=OperationOutcome", "OperationOutcome"),
            ("handling=strict, return=minimal", nil),
        ] as [(String, String?)])
    func `a write answers in the form preferred`(_ prefer: String, _ type: String?) throws {
        let response = fixture.send(
            "POST", "Patient", headers: ["prefer": prefer], body: #"{"resourceType":"Patient"}"#)

        #expect(response.status == 201)
        #expect(response.location != nil)
        #expect(try response.body.bytes.isEmpty == (type == nil))
        if let type { #expect(try fixture.json(response)["resourceType"]?.string == type) }
    }

    @Test func `a conditional create makes nothing when one matches and fails when several do`() throws {
        let body = #"{"resourceType":"Patient"}"#
        func create(_ condition: String) -> SandboxResponse {
            fixture.send("POST", "Patient", headers: ["if-none-exist": condition], body: body)
        }

        let one = create("identifier=http://mrn|111")

        #expect(one.status == 200)
        #expect(one.location == "\(SandboxFixture.base)/Patient/a/_history/1")
        #expect(create("?identifier=http://mrn|111").status == 200)
        #expect(create("identifier=111").status == 412)
        #expect(create("unheard=of").status == 400)
        #expect(create("_count=1").status == 400)
        #expect(try fixture.store.counts()[.patient] == 3)
        #expect(create("identifier=999").status == 201)
    }

    @Test func `a conditional update writes the one that matches`() throws {
        let body = #"{"resourceType":"Patient","gender":"other"}"#

        let updated = fixture.send("PUT", "Patient?identifier=http://mrn|111", body: body)
        #expect(updated.status == 200)
        #expect(updated.location == "\(SandboxFixture.base)/Patient/a/_history/2")
        #expect(fixture.send("PUT", "Patient?identifier=nothing", body: body).status == 201)
        #expect(fixture.send("PUT", "Patient?gender=other", body: body).status == 412)
        #expect(fixture.send("PUT", "Patient", body: body).status == 400)
        let taken = fixture.send(
            "PUT", "Patient?identifier=nothing", body: #"{"resourceType":"Patient","id":"b"}"#)
        #expect(taken.status == 409)
        #expect(try fixture.store.current(try #require(InstanceKey("Patient/b")))?.version == 1)
    }

    @Test func `a conditional delete removes one and never several`() throws {
        #expect(fixture.send("DELETE", "Patient?gender=male").status == 204)
        #expect(fixture.send("GET", "Patient/b").status == 410)
        #expect(fixture.send("DELETE", "Patient?gender=male").status == 204)
    }

    @Test func `versions can be read and are listed newest first`() throws {
        _ = fixture.send("PUT", "Patient/b", body: #"{"resourceType":"Patient","id":"b","gender":"other"}"#)
        _ = fixture.send("DELETE", "Patient/b")

        let first = fixture.send("GET", "Patient/b/_history/1")
        #expect(first.status == 200)
        #expect(first.etag == "W/\"1\"")
        #expect(try fixture.json(first)["gender"] == "male")
        #expect(try fixture.json(fixture.send("GET", "Patient/b/_history/2"))["gender"] == "other")
        #expect(fixture.send("GET", "Patient/b/_history/3").status == 410)

        let history = try fixture.json(fixture.send("GET", "Patient/b/_history"))
        #expect(history["type"] == "history")
        #expect(history["total"] == 3)
        let entries = try #require(history["entry"]?.array)
        #expect(entries.compactMap { $0["request"]?["method"]?.string } == ["DELETE", "PUT", "PUT"])
        #expect(entries.compactMap { $0["response"]?["etag"]?.string } == ["W/\"3\"", "W/\"2\"", "W/\"1\""])
        #expect(entries.map { $0["resource"] != nil } == [false, true, true])
    }

    @Test(arguments: ["Patient/_history?_count=1", "_history?_count=3", "Patient/a/_history?_count=1"])
    func `histories are paged without gap or overlap`(_ url: String) throws {
        _ = fixture.send("PUT", "Patient/a", body: #"{"resourceType":"Patient","id":"a"}"#)
        let whole = try fixture.json(fixture.send("GET", String(url.split(separator: "?")[0])))
        var tags: [JSONValue?] = []
        var next: String? = url

        while let page = next, tags.count < 100 {
            let response = fixture.send("GET", page)
            tags += try fixture.json(response)["entry"]?.array?.map { $0["resource"] } ?? []
            next = try fixture.link("next", response).map(fixture.relative)
        }

        #expect(tags == whole["entry"]?.array?.map { $0["resource"] })
        #expect(Int64(tags.count) == whole["total"]?.int)
    }

    @Test func `a history since a time has only what came later`() throws {
        let time = try #require(fixture.send("GET", "Patient/c").lastModified)

        let bundle = try fixture.json(fixture.send("GET", "Patient/_history?_since=\(FHIRTime.instant(time))"))

        #expect(bundle["entry"]?.array?.compactMap { $0["resource"]?["id"]?.string } == ["c"])
        #expect(fixture.send("GET", "Patient/_history?_since=soon").status == 400)
    }
}
