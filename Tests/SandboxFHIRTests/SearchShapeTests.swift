import FHIRCore
import Testing

@testable import SandboxFHIR

@Suite struct `The shape of a search's answer` {
    static let fixture = Result { try SandboxFixture() }

    @Test(arguments: [
        ("Observation?_id=o1&_include=Observation:patient", ["Patient/a"]),
        ("Observation?_id=o1&_include=Observation:subject:Patient", ["Patient/a"]),
        ("Observation?_id=o1&_include=Observation:subject:Group", []),
        ("Observation?_id=o2&_include=Observation:patient", ["Patient/a"]),
        ("Observation?_id=o3&_include=Observation:patient", ["Patient/b"]),
        ("Observation?_id=o4&_include=Observation:subject", []),
        ("Observation?_id=o1&_include=Observation:*", ["Patient/a"]),
        ("Observation?_id=o1,o3&_include=Observation:derived-from", []),
        ("Observation?_id=o3&_include=Observation:derived-from", ["Observation/o1"]),
        ("Observation?_id=o1&_include=Observation:patient&_include=Patient:organization", ["Patient/a"]),
        (
            "Observation?_id=o1&_include=Observation:patient&_include:iterate=Patient:organization",
            ["Patient/a", "Organization/org"]
        ),
        (
            "Observation?_id=o1&_include=Observation:patient&_include:iterate=Patient:organization"
                + "&_include:iterate=Organization:partof", ["Patient/a", "Organization/org", "Organization/parent"]
        ),
        ("Observation?_id=o1&_revinclude=Provenance:target", ["Provenance/pv"]),
        ("Observation?_id=o1&_revinclude=Provenance:target:Observation", ["Provenance/pv"]),
        ("Observation?_id=o1&_revinclude=Provenance:target:Patient", []),
        ("Patient?_id=a&_revinclude=Coverage:beneficiary", ["Coverage/cov"]),
        (
            "Patient?_id=a&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target",
            ["Observation/o1", "Observation/o2", "Provenance/pv"]
        ),
        ("Patient?_id=c&_revinclude=Observation:focus", ["Observation/o4"]),
    ])
    func `includes follow references in both directions`(_ query: String, _ included: [String]) throws {
        #expect(try Set(Self.fixture.get().included(query)) == Set(included))
    }

    @Test(arguments: [
        ("Patient?_sort=birthdate", ["a", "b", "c"]), ("Patient?_sort=-birthdate", ["b", "a", "c"]),
        ("Patient?_sort=gender", ["a", "b", "c"]), ("Patient?_sort=-gender", ["b", "a", "c"]),
        ("Patient?_sort=-_id", ["c", "b", "a"]), ("Patient?_sort=family", ["b", "a", "c"]),
        ("Patient?_sort=-_lastUpdated", ["c", "b", "a"]), ("Patient?_sort=active,-_id", ["b", "a", "c"]),
        ("Observation?_sort=status,-date", ["o4", "o2", "o1", "o5", "o3"]),
        ("Observation?_sort=value-quantity", ["o1", "o2", "o3", "o4", "o5"]),
        ("Observation?_sort=favourite-colour", ["o1", "o2", "o3", "o4", "o5"]),
    ])
    func `sorting puts missing values last`(_ query: String, _ order: [String]) throws {
        let found = try Self.fixture.get().matches(query)

        #expect(found.map { String($0.split(separator: "/")[1]) } == order)
    }

    @Test(arguments: [
        "Observation?_count=2", "Observation?_count=1&_sort=-date", "Observation?_count=2&_sort=status,date",
        "Observation?_count=3&_sort=value-quantity", "Patient/a/*?_count=2", "Observation?_count=1&_sort=code:exact",
    ])
    func `pages follow each other without gap or overlap`(_ query: String) throws {
        let fixture = try Self.fixture.get()
        let whole = try fixture.matches(query.replacing(/_count=\d/, with: "_count=100"))
        var found: [String] = []
        var next: String? = query
        var pages = 0

        while let url = next, pages < 20 {
            let response = fixture.send("GET", url)
            found += try fixture.entries(response, mode: "match")
            #expect(try fixture.json(response)["total"]?.int == Int64(whole.count))
            next = try fixture.link("next", response).map(fixture.relative)
            pages += 1
        }

        #expect(found == whole)
        #expect(pages > 1)
    }

    @Test func `pages stay stable when resources come and go between them`() throws {
        let fixture = try SandboxFixture()
        let first = fixture.send("GET", "Observation?_count=2")
        #expect(try fixture.entries(first, mode: "match") == ["Observation/o1", "Observation/o2"])

        try fixture.store.delete(try #require(InstanceKey("Observation/o1")))
        try fixture.store.update(Array(#"{"resourceType":"Observation","id":"o2","status":"amended","code":{}}"#.utf8))
        try fixture.store.update(Array(#"{"resourceType":"Observation","id":"a0","status":"final","code":{}}"#.utf8))
        let second = fixture.send("GET", fixture.relative(try #require(try fixture.link("next", first))))
        #expect(try fixture.entries(second, mode: "match") == ["Observation/o3", "Observation/o4"])
        let third = fixture.send("GET", fixture.relative(try #require(try fixture.link("next", second))))

        #expect(try fixture.entries(third, mode: "match") == ["Observation/o5", "Observation/a0"])
        #expect(try fixture.link("next", third) == nil)
    }

    @Test func `the cursor of one order is refused in another`() throws {
        let fixture = try Self.fixture.get()
        let next = try #require(try fixture.link("next", fixture.send("GET", "Observation?_count=2")))

        #expect(fixture.send("GET", fixture.relative(next) + "&_sort=date").status == 400)
    }

    @Test(arguments: ["_summary=count", "_count=0"])
    func `counting answers the total alone`(_ control: String) throws {
        let fixture = try Self.fixture.get()

        let bundle = try fixture.json(fixture.send("GET", "Observation?status=final&\(control)"))

        #expect(bundle["total"] == 4)
        #expect(bundle["entry"] == nil)
    }

    @Test func `no total is given when none is wanted`() throws {
        let fixture = try Self.fixture.get()

        #expect(try fixture.json(fixture.send("GET", "Observation?_total=none"))["total"] == nil)
        #expect(try fixture.json(fixture.send("GET", "Observation?_total=accurate"))["total"] == 5)
    }

    @Test func `chosen elements come with a tag that says so`() throws {
        let fixture = try Self.fixture.get()

        let bundle = try fixture.json(fixture.send("GET", "Patient?_id=a&_elements=gender"))

        let patient = try #require(bundle["entry"]?.array?.first?["resource"])
        #expect(patient.object?.map(\.name) == ["resourceType", "id", "meta", "gender"])
        #expect(patient["meta"]?["tag"]?.array?.compactMap { $0["code"]?.string } == ["demo", "SUBSETTED"])
    }

    @Test func `a page is never larger than the server allows`() throws {
        let fixture = try SandboxFixture(
            configuration: SandboxConfiguration(databasePath: nil, port: 0, defaultPageSize: 2, maximumPageSize: 3))

        #expect(try fixture.matches("Observation").count == 2)
        #expect(try fixture.matches("Observation?_count=100").count == 3)
    }
}
