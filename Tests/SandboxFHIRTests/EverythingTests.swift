import FHIRCore
import Testing

@testable import SandboxFHIR

@Suite struct `Everything about a patient` {
    private let fixture: SandboxFixture

    init() throws { fixture = try SandboxFixture() }

    private static let compartment = [
        "Patient/a", "Observation/o1", "Observation/o2", "Provenance/pv", "RiskAssessment/r1", "CarePlan/cp",
        "Coverage/cov", "ExplanationOfBenefit/eob",
    ]

    @Test(arguments: [
        "Patient/a/$everything?_count=x", "Patient/a/$everything?_count=-1", "Patient/a/$everything?_type=Nobody",
        "Patient/a/$everything?_since=soon", "Patient/a/$everything?start=2022&end=2021",
        "Patient/a/$everything?name=x", "Patient/a/$everything?_cursor=1", "Patient/a/$everything?_count=1&_count=2",
    ])
    func `a call with a wrong parameter is refused`(_ url: String) throws {
        let response = fixture.send("GET", url)

        #expect(response.status == 400)
        #expect(try fixture.json(response)["resourceType"] == "OperationOutcome")
    }

    @Test func `a patient that was deleted has nothing`() {
        _ = fixture.send("DELETE", "Patient/c")

        #expect(fixture.send("GET", "Patient/c/$everything").status == 410)
    }

    @Test func `the compartment comes with what it refers to and nothing of others`() throws {
        let url = "Patient/a/$everything"

        let matches = Set(try fixture.matches(url))

        // The provenance of an observation is in the compartment only when it names the patient itself.
        let expected = Set(Self.compartment).subtracting(["Provenance/pv"])
        #expect(matches == expected)
        #expect(try fixture.matches(url).first == "Patient/a")
        #expect(
            Set(try fixture.included(url)) == ["Practitioner/dr", "Organization/org", "Organization/parent"])
        #expect(try fixture.json(fixture.send("GET", url))["total"]?.int == Int64(expected.count + 3))
    }

    @Test func `a POST with Parameters asks the same as a GET`() throws {
        let body = #"""
            {"resourceType":"Parameters","parameter":[{"name":"_type","valueString":"Observation,Coverage"},
            {"name":"_count","valueInteger":2}]}
            """#

        let posted = fixture.send("POST", "Patient/a/$everything", body: body)

        let got = fixture.send("GET", "Patient/a/$everything?_type=Observation,Coverage&_count=2")
        #expect(try fixture.json(posted)["entry"] == fixture.json(got)["entry"])
        #expect(try fixture.entries(posted, mode: "match") == ["Observation/o1", "Observation/o2"])
        #expect(fixture.send("POST", "Patient/a/$everything", body: #"{"resourceType":"Patient"}"#).status == 400)
    }

    @Test(arguments: [
        ("_type=Coverage", ["Coverage/cov"]), ("_type=Coverage,Practitioner", ["Coverage/cov"]),
        ("_type=Observation&start=2021-03-05", ["Observation/o2"]),
        ("_type=Observation&end=2021-03-04T09:00:00Z", ["Observation/o2"]),
        ("_type=Observation&start=2021-03&end=2021-03", ["Observation/o1", "Observation/o2"]),
        ("_type=Observation,Coverage&start=2024", ["Coverage/cov"]),
        ("_type=ExplanationOfBenefit&start=2021-02-01", []),
        ("_type=ExplanationOfBenefit&end=2021-01-15", ["ExplanationOfBenefit/eob"]),
    ])
    func `types and dates of care narrow it`(_ query: String, _ expected: [String]) throws {
        #expect(try fixture.matches("Patient/a/$everything?\(query)") == expected)
    }

    @Test func `since a time only what was written later is there`() throws {
        let time = try #require(fixture.send("GET", "Coverage/cov").lastModified)

        #expect(
            try fixture.matches("Patient/a/$everything?_since=\(FHIRTime.instant(time))") == [
                "Coverage/cov", "ExplanationOfBenefit/eob",
            ])
    }

    @Test(arguments: ["Patient/a/$everything", "Patient/$everything", "Patient/$everything?_type=Patient,Organization"])
    func `pages follow each other without gap or overlap`(_ url: String) throws {
        func found(_ response: SandboxResponse) throws -> [String] {
            try fixture.entries(response, mode: "match") + fixture.entries(response, mode: "include")
        }
        let whole = try found(fixture.send("GET", url))
        var collected: [String] = []
        var next: String? = "\(url)\(url.contains("?") ? "&" : "?")_count=2"
        var pages = 0

        while let page = next, pages < 50 {
            let response = fixture.send("GET", page)
            collected += try found(response)
            next = try fixture.link("next", response).map(fixture.relative)
            pages += 1
        }

        #expect(collected == whole)
        #expect(pages == (whole.count + 1) / 2)
    }

    @Test func `without a patient it is about all of them`() throws {
        let found = try fixture.matches("Patient/$everything")

        #expect(Array(found.prefix(3)) == ["Patient/a", "Patient/b", "Patient/c"])
        #expect(found.contains("Observation/o3"))
        // Its subject is on another server, or is no patient.
        #expect(!found.contains("Observation/o5"))
    }
}
