import FHIRCore
import Synchronization

@testable import SandboxFHIR

/// A store of a few resources that the tests search, with a clock and ids of its own.
struct SandboxFixture {
    static let base = "http://127.0.0.1:9/fhir"

    let store: SandboxStore
    let service: FHIRService

    /// A store with the records, or an empty one.
    init(
        records: [String] = SandboxFixture.records, configuration: SandboxConfiguration? = nil,
        background: BulkExport.Background? = nil
    ) throws {
        let clock = TickingClock()
        store = try SandboxStore(
            path: nil, now: { clock.next() }, newIdentifier: { "new-\(clock.nextIdentifier())" })
        for record in records { try store.update(Array(record.utf8)) }
        service = FHIRService(
            store: store, configuration: configuration ?? SandboxConfiguration(databasePath: nil, port: 0),
            background: background)
    }

    func send(_ method: String, _ url: String, headers: [String: String] = [:], body: String? = nil)
        -> SandboxResponse
    {
        let sides = url.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var request = SandboxRequest(method: method, path: sides[0], headers: headers)
        if sides.count > 1 { request.query = (try? QueryString(parsing: sides[1])) ?? QueryString() }
        if let body {
            request.body = Array(body.utf8)
            request.headers["content-type"] = headers["content-type"] ?? "application/fhir+json"
        }
        return service.respond(request, base: Self.base)
    }

    /// The matches of a search, as `Type/id` in the order of the answer.
    func matches(_ url: String) throws -> [String] { try entries(send("GET", url), mode: "match") }

    /// What a search included.
    func included(_ url: String) throws -> [String] { try entries(send("GET", url), mode: "include") }

    func entries(_ response: SandboxResponse, mode: String) throws -> [String] {
        let bundle = try json(response)
        return (bundle["entry"]?.array ?? []).filter { $0["search"]?["mode"]?.string == mode }.map { entry in
            "\(entry["resource"]?["resourceType"]?.string ?? "?")/\(entry["resource"]?["id"]?.string ?? "?")"
        }
    }

    func json(_ response: SandboxResponse) throws -> JSONValue { try StoreTransaction.parse(try response.body.bytes) }

    func link(_ relation: String, _ response: SandboxResponse) throws -> String? {
        try json(response)["link"]?.array?.first { $0["relation"]?.string == relation }?["url"]?.string
    }

    /// The part of a link below the base.
    func relative(_ link: String) -> String { String(link.dropFirst(Self.base.count + 1)) }

    static let records = [
        #"""
        {"resourceType":"Patient","id":"a","meta":{"tag":[{"system":"http://t","code":"demo"}],
        "profile":["http://example.org/profile/patient|2.0"],"security":[{"code":"R"}]},"active":true,
        "identifier":[{"system":"http://mrn","value":"111"}],"gender":"female","birthDate":"1980-04-05",
        "name":[{"family":"Müller","given":["Anna","Lena"]}],
        "telecom":[{"system":"phone","value":"555-1"},{"system":"email","value":"anna@example.org"}],
        "address":[{"city":"Springfield","postalCode":"12345"}],
        "generalPractitioner":[{"reference":"Practitioner/dr"}],
        "managingOrganization":{"reference":"Organization/org"}}
        """#,
        #"""
        {"resourceType":"Patient","id":"b","identifier":[{"value":"111"}],"gender":"male","birthDate":"1980-05",
        "name":[{"family":"Mullen","text":"Bob Mullen"}],"deceasedDateTime":"2020-01-01","active":false,
        "managingOrganization":{"identifier":{"system":"http://npi","value":"77"}}}
        """#,
        #"""
        {"resourceType":"Patient","id":"c","identifier":[{"system":"http://mrn","value":"333"}],"deceasedBoolean":false,
        "name":[{"family":"O,Brien|x"}]}
        """#,
        #"{"resourceType":"Practitioner","id":"dr","name":[{"family":"House"}]}"#,
        #"{"resourceType":"Organization","id":"org","name":"Clinic","partOf":{"reference":"Organization/parent"}}"#,
        #"{"resourceType":"Organization","id":"parent","name":"Holding"}"#,
        #"""
        {"resourceType":"Observation","id":"o1","status":"final","subject":{"reference":"Patient/a"},
        "category":[{"coding":[{"system":"http://cat","code":"laboratory","display":"Laboratory"}],"text":"Lab work"}],
        "code":{"coding":[{"system":"http://loinc.org","code":"718-7","display":"Hemoglobin"}]},
        "effectiveDateTime":"2021-03-04T10:00:00Z",
        "valueQuantity":{"value":13.2,"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"}}
        """#,
        #"""
        {"resourceType":"Observation","id":"o2","status":"final",
        "subject":{"reference":"http://127.0.0.1:9/fhir/Patient/a"},
        "category":[{"coding":[{"system":"http://cat","code":"vital-signs"}]}],
        "code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}],"text":"Heart rate"},
        "effectivePeriod":{"start":"2021-03-01","end":"2021-03-31"},"valueQuantity":{"value":72,"unit":"beats"}}
        """#,
        #"""
        {"resourceType":"Observation","id":"o3","status":"preliminary","subject":{"reference":"Patient/b/_history/1"},
        "code":{"coding":[{"system":"http://other","code":"718-7"}]},"effectiveDateTime":"2022",
        "derivedFrom":[{"reference":"Observation/o1"}],"valueString":"looks well"}
        """#,
        #"""
        {"resourceType":"Observation","id":"o4","status":"final","subject":{"reference":"http://elsewhere/fhir/Patient/a"},
        "code":{"text":"only words"},"effectivePeriod":{"start":"2023-01-01"},
        "focus":[{"reference":"Patient/c"}]}
        """#,
        #"{"resourceType":"Observation","id":"o5","status":"final","code":{},"subject":{"reference":"Group/a"}}"#,
        #"""
        {"resourceType":"Provenance","id":"pv","target":[{"reference":"Observation/o1"}],
        "recorded":"2021-03-04T10:00:00Z","agent":[{"who":{"reference":"Practitioner/dr"}}]}
        """#,
        #"""
        {"resourceType":"RiskAssessment","id":"r1","status":"final","subject":{"reference":"Patient/a"},
        "prediction":[{"probabilityDecimal":0.8}]}
        """#,
        #"""
        {"resourceType":"RiskAssessment","id":"r2","status":"final","subject":{"reference":"Patient/b"},
        "prediction":[{"probabilityRange":{"low":{"value":0.1},"high":{"value":0.3}}}]}
        """#,
        #"""
        {"resourceType":"CarePlan","id":"cp","status":"active","intent":"plan","subject":{"reference":"Patient/a"},
        "instantiatesCanonical":["http://plans/one|3"],"instantiatesUri":["http://plans/a/b"]}
        """#,
        #"""
        {"resourceType":"Coverage","id":"cov","status":"active","beneficiary":{"reference":"Patient/a"},
        "payor":[{"reference":"Organization/org"}]}
        """#,
        #"""
        {"resourceType":"ExplanationOfBenefit","id":"eob","status":"active","patient":{"reference":"Patient/a"},
        "insurance":[{"coverage":{"reference":"Coverage/cov"}}],
        "billablePeriod":{"start":"2021-01-01","end":"2021-01-31"}}
        """#,
        #"""
        {"resourceType":"Invoice","id":"inv","status":"issued","totalNet":{"value":40.5,"currency":"USD"}}
        """#,
    ]
}

/// A clock that moves one second at each look, and numbers for ids.
private final class TickingClock: Sendable {
    private let state = Mutex((time: Int64(1_600_000_000_000), identifiers: 0))

    func next() -> Int64 {
        state.withLock { state in
            state.time += 1000
            return state.time
        }
    }

    func nextIdentifier() -> Int {
        state.withLock { state in
            state.identifiers += 1
            return state.identifiers
        }
    }
}
