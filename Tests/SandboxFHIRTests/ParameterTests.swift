import FHIRCore
import Testing

@testable import SandboxFHIR

@Suite struct `The reader of search expressions` {
    private static func select(_ expression: String, _ type: ResourceType, _ json: String) throws -> [String] {
        try PathExpression(expression, for: type).evaluate(StoreTransaction.parse(Array(json.utf8))).map(\.value.text)
    }

    @Test(
        arguments: [
            ("Patient.name.family", #"{"name":[{"family":"a"},{"given":["x"]},{"family":"b"}]}"#, [#""a""#, #""b""#]),
            ("Patient.name.given", #"{"name":[{"given":["a","b"]},{"given":["c"]}]}"#, [#""a""#, #""b""#, #""c""#]),
            ("Patient.deceased", #"{"deceasedBoolean":true}"#, ["true"]),
            ("(Patient.deceased as dateTime)", #"{"deceasedBoolean":true}"#, []),
            ("(Patient.deceased as dateTime)", #"{"deceasedDateTime":"2020"}"#, [#""2020""#]),
            ("Patient.deceased.as(boolean)", #"{"deceasedBoolean":true}"#, ["true"]),
            ("Patient.deceased.exists() and Patient.deceased != false", #"{"deceasedBoolean":false}"#, ["false"]),
            ("Patient.deceased.exists() and Patient.deceased != false", #"{"deceasedBoolean":true}"#, ["true"]),
            ("Patient.deceased.exists() and Patient.deceased != false", #"{"deceasedDateTime":"2020"}"#, ["true"]),
            ("Patient.deceased.exists() and Patient.deceased != false", #"{}"#, ["false"]),
            (
                "Patient.telecom.where(system='email').value",
                #"{"telecom":[{"system":"phone","value":"1"},{"system":"email","value":"2"}]}"#, [#""2""#]
            ),
            ("Practitioner.name | Patient.gender", #"{"name":[{}],"gender":"male"}"#, [#""male""#]),
            ("Patient.contact[1].gender", #"{"contact":[{"gender":"a"},{"gender":"b"}]}"#, [#""b""#]),
            ("Patient.contact[2].gender", #"{"contact":[{"gender":"a"}]}"#, []),
            ("name", #"{"name":"x"}"#, [#""x""#]),
            ("Resource.meta.tag", #"{"meta":{"tag":[{"code":"t"}]}}"#, [#"{"code":"t"}"#]),
            ("Patient.value", #"{"valueSet":"x","values":"y","value":null}"#, []),
            (
                "Patient.link.other.where(resolve() is Patient)",
                #"{"link":[{"other":{"reference":"Patient/1"}},{"other":{"reference":"RelatedPerson/1"}}]}"#,
                [#"{"reference":"Patient/1"}"#]
            ),
            (
                "Patient.link.other.where(resolve() is Patient)",
                #"{"link":[{"other":{"reference":"http://x/y/Patient/1/_history/2"}}]}"#,
                [#"{"reference":"http://x/y/Patient/1/_history/2"}"#]
            ),
            (
                "Patient.link.other.where(resolve() is Patient)",
                ##"{"contained":[{"resourceType":"Patient","id":"c"}],"link":[{"other":{"reference":"#c"}}]}"##,
                [##"{"reference":"#c"}"##]
            ),
            (
                "Patient.link.other.where(resolve() is Patient)",
                ##"{"contained":[{"resourceType":"Group","id":"c"}],"link":[{"other":{"reference":"#c"}}]}"##, []
            ),
            (
                "Patient.link.other.where(resolve() is Patient)", #"{"link":[{"other":{"type":"Patient"}}]}"#,
                [#"{"type":"Patient"}"#]
            ),
            ("Patient.link.other.where(resolve() is Patient)", #"{"link":[{"other":{"display":"x"}}]}"#, []),
            ("(Patient.value as Quantity)", #"{"valueAge":{"value":1}}"#, [#"{"value":1}"#]),
            (
                "Patient.extension.where(url = 'http://a.b/c').extension.value.code",
                #"{"extension":[{"url":"x","extension":[{"valueCoding":{"code":"1"}}]},"#
                    + #"{"url":"http://a.b/c","extension":[{"valueCoding":{"code":"2"}},{"valueString":"3"}]}]}"#,
                [#""2""#]
            ),
            ("(Patient.value as CodeableConcept).text", #"{"valueCodeableConcept":{"text":"t"}}"#, [#""t""#]),
        ] as [(String, String, [String])])
    func `selects what the expression says`(_ expression: String, _ json: String, _ found: [String]) throws {
        #expect(try Self.select(expression, .patient, json) == found)
    }

    @Test(arguments: [
        "", "Patient.name.first()", "Patient.name.where(use = official)", "(Patient.name", "Patient..name",
        "Patient.name[x]", "(Patient.name)", "Practitioner.name", "Patient.a.exists() and Patient.b != false",
        "Patient.name + Patient.gender", "Patient.name.where(a='x' and b='y')", "(Patient.name as HumanName)x",
    ])
    func `what is outside the published forms is not guessed at`(_ expression: String) {
        #expect(throws: PathExpression.Unsupported.self) { try PathExpression(expression, for: .patient) }
    }

    @Test func `every parameter of R4 that is not composite or special is indexed, but for two`() {
        let registry = ParameterRegistry()
        var left: [String] = []

        for type in ResourceType.allCases {
            let kinds = Dictionary(uniqueKeysWithValues: R4.searchParameters(for: type).map { ($0.code, $0.kind) })
            for code in registry.parameters(for: type).unsupported
            where kinds[code] != .composite && kinds[code] != .special {
                left.append("\(type.rawValue).\(code)")
            }
        }

        // They select whole resources inside a Bundle. What guides add must not be left out either.
        #expect(left == ["Bundle.composition", "Bundle.message"])
    }

    @Test func `the keys of all parameters differ`() {
        let registry = ParameterRegistry()
        let all = ResourceType.allCases.flatMap { registry.parameters(for: $0).all }

        #expect(all.count > 1800)
        #expect(Set(all.flatMap { [$0.key, $0.identifierKey] }).count == 2 * all.count)
    }

    @Test(arguments: ["Patient", "Observation", "ExplanationOfBenefit"])
    func `the CapabilityStatement lists what works and nothing else`(_ name: String) throws {
        let fixture = try SandboxFixture()
        let statement = try fixture.json(fixture.send("GET", "metadata"))
        let resources = try #require(statement["rest"]?.array?.first?["resource"]?.array)

        let entry = try #require(resources.first { $0["type"]?.string == name })
        let parameters = try #require(entry["searchParam"]?.array)

        #expect(statement["fhirVersion"] == "4.0.1")
        #expect(resources.count == ResourceType.allCases.count)
        for parameter in parameters {
            let code = try #require(parameter["name"]?.string)
            let query = "\(name)?\(code):missing=false"
            guard code != "_id", code != "_lastUpdated" else { continue }
            let response = fixture.send("GET", query, headers: ["prefer": "handling=strict"])
            #expect(response.status == 200, "\(query)")
        }
        for code in entry["searchInclude"]?.array?.compactMap(\.string) ?? [] {
            #expect(fixture.send("GET", "\(name)?_include=\(code)").status == 200, "\(code)")
        }
    }
}

@Suite struct `Dates and numbers` {
    @Test(
        arguments: [
            ("1970", 0, 31_536_000_000), ("1970-01", 0, 2_678_400_000), ("1970-01-01", 0, 86_400_000),
            ("1970-01-01T00:00Z", 0, 60_000), ("1970-01-01T00:00:01Z", 1000, 2000),
            ("1970-01-01T00:00:00.5Z", 500, 600), ("1970-01-01T00:00:00.123Z", 123, 124),
            ("1970-01-01T00:00:00.123456Z", 123, 124), ("1970-01-01T01:00:00+01:00", 0, 1000),
            ("1969-12-31T23:00:00-01:00", 0, 1000), ("1970-01-01T00:00:00", 0, 1000),
            ("2000-02-29", 951_782_400_000, 951_868_800_000), ("1969-12-31", -86_400_000, 0),
            ("1900-03-01", -2_203_891_200_000, -2_203_804_800_000), ("2020-12", 1_606_780_800_000, 1_609_459_200_000),
        ] as [(String, Int64, Int64)])
    func `a date is a range as wide as it is vague`(_ text: String, _ start: Int64, _ end: Int64) {
        #expect(FHIRTime.range(text) == start..<end)
    }

    @Test(arguments: [
        "", "70", "1970-1", "1970-13", "1970-00", "1970-02-30", "1900-02-29", "1970-01-01T", "1970-01-01T00",
        "1970-01-01T24:00Z", "1970-01-01T00:60Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00+1:00",
        "1970-01-01 00:00", "0000", "1970-01-01T00:00:00Zx", "١٩٧٠", "+970",
    ])
    func `what is no date is refused`(_ text: String) {
        #expect(FHIRTime.range(text) == nil)
    }

    @Test(arguments: [0, 1, 951_782_400_123, 1_609_459_199_999, -1, -2_203_891_200_000, 4_107_542_400_000] as [Int64])
    func `an instant is read back as it was printed`(_ time: Int64) {
        #expect(FHIRTime.range(FHIRTime.instant(time)) == time..<(time + 1))
        #expect(FHIRTime.parseHTTPDate(FHIRTime.httpDate(time)).map { ($0...($0 + 999)).contains(time) } == true)
    }

    @Test func `the day of the week is right`() {
        #expect(FHIRTime.httpDate(784_111_777_000) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test(arguments: [
        ("100", 0.5), ("100.00", 0.005), ("1e2", 5), ("0", 0.5), ("-1.5", 0.05), ("5.40e-3", 0.0000005),
    ])
    func `a number is as exact as its digits`(_ text: String, _ tolerance: Double) throws {
        let number = try #require(SearchNumber(text))

        #expect(abs(number.tolerance - tolerance) < tolerance * 1e-9)
    }

    @Test(arguments: ["", "x", "0x10", "nan", "inf", "1e999", "1,5", " 1", "1e-999", "--1"])
    func `what is no number is refused`(_ text: String) {
        #expect(SearchNumber(text) == nil)
    }
}
