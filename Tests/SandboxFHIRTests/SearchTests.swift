import FHIRCore
import Testing

@testable import SandboxFHIR

@Suite struct `Search parameters` {
    static let rows: [(query: String, matches: [String])] = [
        // Tokens
        ("Patient?gender=female", ["a"]),
        ("Patient?gender=female,male", ["a", "b"]),
        ("Patient?gender=Female", []),
        ("Patient?identifier=111", ["a", "b"]),
        ("Patient?identifier=http://mrn|111", ["a"]),
        ("Patient?identifier=|111", ["b"]),
        ("Patient?identifier=http://mrn|", ["a", "c"]),
        ("Patient?identifier=http://mrn|333,|111", ["b", "c"]),
        ("Patient?gender:not=female", ["b", "c"]),
        ("Patient?gender:missing=true", ["c"]),
        ("Patient?gender:missing=false", ["a", "b"]),
        ("Patient?active=true", ["a"]),
        ("Patient?deceased=true", ["b"]),
        ("Patient?deceased=false", ["a", "c"]),
        ("Patient?phone=555-1", ["a"]),
        ("Patient?email=555-1", []),
        ("Patient?telecom=anna@example.org", ["a"]),
        ("Observation?code=718-7", ["o1", "o3"]),
        ("Observation?code=http://loinc.org|718-7", ["o1"]),
        ("Observation?code:text=hemo", ["o1"]),
        ("Observation?code:text=HEART", ["o2"]),
        ("Observation?code:text=only", ["o4"]),
        ("Observation?code:missing=true", ["o5"]),
        ("Observation?category:text=lab w", ["o1"]),
        ("Observation?status=final&code=718-7", ["o1"]),
        ("Observation?category=laboratory&category=vital-signs", []),
        ("Observation?category=laboratory,vital-signs", ["o1", "o2"]),
        // Common parameters
        ("Patient?_id=a,c", ["a", "c"]),
        ("Patient?_id=o1", []),
        ("Patient?_tag=http://t|demo", ["a"]),
        ("Patient?_security=R", ["a"]),
        ("Patient?_profile=http://example.org/profile/patient|2.0", ["a"]),
        ("Patient?_profile:below=http://example.org/profile/", ["a"]),
        ("Patient?_lastUpdated=gt2020-09-13T12:26:42Z", ["c"]),
        ("Patient?_lastUpdated=le2020-09-13T12:26:42Z", ["a", "b"]),
        ("Patient?_lastUpdated=2020-09-13", ["a", "b", "c"]),
        // References
        ("Observation?subject=Patient/a", ["o1", "o2"]),
        ("Observation?subject=a", ["o1", "o2", "o5"]),
        ("Observation?subject:Patient=a", ["o1", "o2"]),
        ("Observation?subject:Group=a", ["o5"]),
        ("Observation?patient=a", ["o1", "o2"]),
        ("Observation?patient=Patient/b", ["o3"]),
        ("Observation?patient=http://127.0.0.1:9/fhir/Patient/a", ["o1", "o2"]),
        ("Observation?patient=http://elsewhere/fhir/Patient/a", ["o4"]),
        ("Observation?patient=Group/a", []),
        ("Observation?patient:missing=true", ["o5"]),
        ("Patient?organization:identifier=http://npi|77", ["b"]),
        ("Patient?organization:missing=true", ["c"]),
        ("CarePlan?instantiates-canonical=http://plans/one", ["cp"]),
        ("CarePlan?instantiates-canonical=http://plans/one|3", ["cp"]),
        ("CarePlan?instantiates-canonical=http://plans/one|4", []),
        ("CarePlan?instantiates-canonical=http://plans/on", []),
        // Chains
        ("Observation?patient.gender=male", ["o3"]),
        ("Observation?subject:Patient.name=mull", ["o1", "o2", "o3"]),
        ("Observation?patient.organization.name=clin", ["o1", "o2"]),
        ("Observation?subject:Group._id=a", []),
        ("Patient?_has:Observation:patient:code=http://loinc.org|718-7", ["a"]),
        ("Patient?_has:Observation:patient:status=final", ["a"]),
        ("Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:code=8867-4", ["dr"]),
        // Strings
        ("Patient?family=mull", ["a", "b"]),
        ("Patient?family=müll", ["a", "b"]),
        ("Patient?family:exact=Müller", ["a"]),
        ("Patient?family:exact=muller", []),
        ("Patient?family:contains=ULLE", ["a", "b"]),
        ("Patient?name=lena", ["a"]),
        ("Patient?name=bob", ["b"]),
        ("Patient?given=anna,bob", ["a"]),
        ("Patient?family=o\\,b", ["c"]),
        ("Patient?family:exact=O\\,Brien\\|x", ["c"]),
        ("Patient?address=spring", ["a"]),
        ("Patient?address-postalcode=123", ["a"]),
        ("Observation?value-string=looks", ["o3"]),
        // Dates
        ("Patient?birthdate=1980-04-05", ["a"]),
        ("Patient?birthdate=1980", ["a", "b"]),
        ("Patient?birthdate=1980-05-05", []),
        ("Patient?birthdate=ne1980-04", ["b"]),
        ("Patient?birthdate=gt1980-04-05", ["b"]),
        ("Patient?birthdate=ge1980-05", ["b"]),
        ("Patient?birthdate=lt1980-05", ["a"]),
        ("Patient?birthdate=le1980-05", ["a", "b"]),
        ("Patient?death-date=2020-01-01", ["b"]),
        ("Observation?date=2021-03-04", ["o1"]),
        ("Observation?date=2021-03", ["o1", "o2"]),
        ("Observation?date=2021", ["o1", "o2"]),
        ("Observation?date=2021-03-04T10:00:00Z", ["o1"]),
        ("Observation?date=2021-03-04T12:00:00%2B02:00", ["o1"]),
        ("Observation?date=ge2021-03-20", ["o2", "o3", "o4"]),
        ("Observation?date=sa2021-03-20", ["o3", "o4"]),
        ("Observation?date=eb2021-03-05", ["o1"]),
        ("Observation?date=lt2021-03-02", ["o2"]),
        ("Observation?date=gt2030", ["o4"]),
        ("Observation?date=ge2021-03-01&date=le2021-12-31", ["o1", "o2"]),
        ("Observation?date=ap2021-03-04", ["o1", "o2"]),
        ("Observation?date:missing=true", ["o5"]),
        ("ExplanationOfBenefit?created:missing=true", ["eob"]),
        // Parameters of US Core and CARIN Blue Button
        ("ExplanationOfBenefit?service-date=2021-01", ["eob"]),
        ("ExplanationOfBenefit?service-start-date=2021-01-01", ["eob"]),
        ("ExplanationOfBenefit?billable-period-start=gt2021-01-01", []),
        // Quantities and numbers
        ("Observation?value-quantity=13.2", ["o1"]),
        ("Observation?value-quantity=13", ["o1"]),
        ("Observation?value-quantity=13.0", []),
        ("Observation?value-quantity=gt13.2", ["o2"]),
        ("Observation?value-quantity=ge13.2", ["o1", "o2"]),
        ("Observation?value-quantity=lt72|http://unitsofmeasure.org|g/dL", ["o1"]),
        ("Observation?value-quantity=72||beats", ["o2"]),
        ("Observation?value-quantity=72|http://unitsofmeasure.org|beats", []),
        ("Observation?value-quantity=ap70", ["o2"]),
        ("Invoice?totalnet=40.5|urn:iso:std:iso:4217|USD", ["inv"]),
        ("RiskAssessment?probability=0.8", ["r1"]),
        ("RiskAssessment?probability=gt0.5", ["r1"]),
        ("RiskAssessment?probability=lt0.2", ["r2"]),
        ("RiskAssessment?probability=sa0.5", ["r1"]),
        ("RiskAssessment?probability=eb0.5", ["r2"]),
        ("RiskAssessment?probability=ne0.8", ["r2"]),
        // URIs
        ("CarePlan?instantiates-uri=http://plans/a/b", ["cp"]),
        ("CarePlan?instantiates-uri=http://plans/a", []),
        ("CarePlan?instantiates-uri:below=http://plans/a", ["cp"]),
        ("CarePlan?instantiates-uri:above=http://plans/a/b/c", ["cp"]),
        // Compartments
        ("Patient/a/Observation", ["o1", "o2"]),
        ("Patient/a/Observation?code=8867-4", ["o2"]),
        ("Patient/b/Observation", ["o3"]),
        ("Patient/c/Observation", []),
        ("Patient/nobody/Observation", []),
        ("Practitioner/dr/Patient", ["a"]),
    ]

    static let fixture = Result { try SandboxFixture() }

    @Test(arguments: rows)
    func `find exactly what they describe`(_ query: String, _ matches: [String]) throws {
        let found = try Self.fixture.get().matches(query)

        let type = query.split(whereSeparator: { "?".contains($0) })[0].split(separator: "/").last ?? ""
        #expect(Set(found) == Set(matches.map { "\(type)/\($0)" }))
        #expect(found.count == Set(found).count)
    }

    @Test(arguments: rows)
    func `find the same when posted as a form`(_ query: String, _ matches: [String]) throws {
        let fixture = try Self.fixture.get()
        let sides = query.split(separator: "?", maxSplits: 1).map(String.init)

        let response = fixture.send(
            "POST", "\(sides[0])/_search", headers: ["content-type": "application/x-www-form-urlencoded"],
            body: sides.count > 1 ? sides[1].replacing("+", with: "%2B") : "")

        #expect(try fixture.entries(response, mode: "match").count == matches.count)
    }

    @Test func `a compartment of all types has each member and its subject once`() throws {
        let found = try Self.fixture.get().matches("Patient/a/*")

        #expect(
            Set(found) == [
                "Patient/a", "Observation/o1", "Observation/o2", "RiskAssessment/r1", "CarePlan/cp", "Coverage/cov",
                "ExplanationOfBenefit/eob",
            ])
    }

    @Test(arguments: [
        ("?_id=a", ["Patient/a"]),
        ("?_tag=demo", ["Patient/a"]),
        (
            "?_type=Observation,RiskAssessment&patient=a",
            ["Observation/o1", "Observation/o2", "RiskAssessment/r1"]
        ),
    ])
    func `a search of the whole system looks at all types`(_ query: String, _ matches: [String]) throws {
        #expect(try Set(Self.fixture.get().matches(query)) == Set(matches))
    }

    @Test(arguments: [
        "Patient?gender:contains=f", "Patient?family:not=x", "Patient?birthdate=1980-13", "Patient?birthdate=xx1980",
        "Patient?birthdate=1981-02-29", "Patient?gender:missing=maybe", "Observation?value-quantity=abc",
        "Observation?value-quantity=1|2", "Patient?identifier=a|b|c", "Patient?identifier=|", "Patient?_count=x",
        "Patient?_count=-1", "Patient?_id:exact=a", "Observation?patient:Nobody=a",
        "Observation?patient=Patient/a&_include=x",
        "Patient?_include=Patient:gender", "Patient?_summary=some", "Patient?_total=maybe", "Patient?_cursor=zz",
        "Patient?gender.name=x", "?_type=Nobody", "Patient?_has:Observation=x", "Observation?subject:Patient=Group/a",
        "Observation?a.b.c.d.e.f=1&patient.organization.partof.partof.partof.partof.name=x",
    ])
    func `what cannot be understood is refused with 400`(_ query: String) throws {
        let fixture = try Self.fixture.get()

        let response = fixture.send("GET", query)

        #expect(response.status == 400)
        #expect(try fixture.json(response)["resourceType"] == "OperationOutcome")
    }

    @Test func `an unknown parameter is ignored, told of, and missing from the self link`() throws {
        let fixture = try Self.fixture.get()

        let response = fixture.send("GET", "Patient?favourite-colour=red&gender=male&_format=json")

        #expect(try fixture.entries(response, mode: "match") == ["Patient/b"])
        #expect(try fixture.link("self", response) == "\(SandboxFixture.base)/Patient?gender=male&_format=json")
        #expect(try fixture.entries(response, mode: "outcome").count == 1)
    }

    @Test(arguments: [
        "favourite-colour=red", "combo-code-value-quantity=x", "_content=x", "_sort=favourite-colour", "gender=",
    ])
    func `with handling=strict what is unknown or empty is refused`(_ query: String) throws {
        let fixture = try Self.fixture.get()

        let response = fixture.send("GET", "Patient?\(query)", headers: ["prefer": "handling=strict"])

        #expect(response.status == 400)
    }

    @Test func `a server can be strict by itself`() throws {
        let configuration = SandboxConfiguration(databasePath: nil, port: 0, defaultHandling: .strict)
        let fixture = try SandboxFixture(configuration: configuration)

        #expect(fixture.send("GET", "Patient?favourite-colour=red").status == 400)
        #expect(
            fixture.send("GET", "Patient?favourite-colour=red", headers: ["prefer": "handling=lenient"]).status == 200)
    }

    @Test func `a deleted resource is not found any more`() throws {
        let fixture = try SandboxFixture()
        try fixture.store.delete(try #require(InstanceKey("Observation/o1")))

        #expect(try fixture.matches("Observation?code=718-7") == ["Observation/o3"])
        #expect(try fixture.matches("Patient/a/Observation") == ["Observation/o2"])
        #expect(try fixture.included("Provenance?_include=Provenance:target").isEmpty)
    }

    @Test func `an updated resource is found by its new values only`() throws {
        let fixture = try SandboxFixture()
        try fixture.store.update(Array(#"{"resourceType":"Patient","id":"a","gender":"other"}"#.utf8))

        #expect(try fixture.matches("Patient?gender=female").isEmpty)
        #expect(try fixture.matches("Patient?family=Müller").isEmpty)
        #expect(try fixture.matches("Patient?gender=other") == ["Patient/a"])
    }
}
