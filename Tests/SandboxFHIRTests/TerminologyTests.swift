import FHIRCore
import Testing

@testable import SandboxFHIR

@Suite struct `Terminology over what is stored` {
    private let fixture: SandboxFixture

    init() throws {
        fixture = try SandboxFixture(records: [
            #"""
            {"resourceType":"CodeSystem","id":"cs","url":"http://cs","version":"2","name":"Colours","status":"active",
            "content":"complete","concept":[{"code":"warm","display":"Warm","concept":[{"code":"red","display":"Red",
            "definition":"like blood","property":[{"code":"kind","valueCode":"primary"}]},
            {"code":"orange","display":"Orange"}]},{"code":"blue","display":"Blue",
            "property":[{"code":"kind","valueCode":"primary"}]}]}
            """#,
            #"""
            {"resourceType":"CodeSystem","id":"part","url":"http://part","name":"Part","status":"active",
            "content":"fragment","concept":[{"code":"x"}]}
            """#,
            Self.valueSet("all", #"{"include":[{"system":"http://cs"}]}"#),
            Self.valueSet(
                "listed",
                #"{"include":[{"system":"http://cs","concept":[{"code":"red"},{"code":"blue","display":"B"}]}]}"#),
            Self.valueSet("warm", filter("concept", "is-a", "warm")),
            Self.valueSet("below", filter("concept", "descendent-of", "warm")),
            Self.valueSet("primary", filter("kind", "=", "primary")),
            Self.valueSet("regex", filter("code", "regex", ".*")),
            Self.valueSet(
                "without",
                #"{"include":[{"valueSet":["http://vs/all"]}],"exclude":[{"valueSet":["http://vs/warm|1"]}]}"#),
            Self.valueSet("both", #"{"include":[{"valueSet":["http://vs/warm","http://vs/primary"]}]}"#),
            Self.valueSet("self", #"{"include":[{"valueSet":["http://vs/other"]}]}"#),
            Self.valueSet("other", #"{"include":[{"valueSet":["http://vs/self"]}]}"#),
            Self.valueSet("missing", #"{"include":[{"valueSet":["http://vs/nowhere"]}]}"#),
            Self.valueSet("unstored", #"{"include":[{"system":"http://nowhere"}]}"#),
            Self.valueSet("fragment", #"{"include":[{"system":"http://part"}]}"#),
            #"{"resourceType":"ValueSet","id":"empty","url":"http://vs/empty","status":"active"}"#,
            #"""
            {"resourceType":"ValueSet","id":"expanded","url":"http://vs/expanded","status":"active","expansion":{
            "timestamp":"2020","contains":[{"abstract":true,"code":"group","contains":[{"system":"http://e","code":"1"}]}]}}
            """#,
        ])
    }

    private static func valueSet(_ id: String, _ compose: String) -> String {
        #"{"resourceType":"ValueSet","id":"\#(id)","url":"http://vs/\#(id)","version":"1","status":"active","compose":\#(compose)}"#
    }

    private func codes(_ url: String) throws -> [String] {
        try fixture.json(fixture.send("GET", url))["expansion"]?["contains"]?.array?.compactMap { $0["code"]?.string }
            ?? []
    }

    @Test(arguments: [
        ("ValueSet/$expand", 400), ("ValueSet/$expand?url=http://vs/nowhere", 404), ("ValueSet/nobody/$expand", 404),
        ("ValueSet/$expand?url=http://vs/all|9", 404), ("ValueSet/regex/$expand", 422), ("ValueSet/self/$expand", 422),
        ("ValueSet/missing/$expand", 422), ("ValueSet/unstored/$expand", 422), ("ValueSet/fragment/$expand", 422),
        ("ValueSet/empty/$expand", 422), ("ValueSet/all/$expand?includeDesignations=true", 400),
        ("CodeSystem/$lookup?code=red", 400), ("CodeSystem/$lookup?system=http://cs&code=green", 404),
        ("CodeSystem/$lookup?system=http://nowhere&code=red", 404), ("ValueSet/all/$validate-code", 400),
        ("ValueSet/all/$validate-code?code=red", 400), ("ValueSet/regex/$validate-code?system=http://cs&code=red", 422),
    ])
    func `what is not stored or not understood is refused`(_ url: String, _ status: Int) throws {
        let response = fixture.send("GET", url)

        #expect(response.status == status)
        #expect(try fixture.json(response)["resourceType"] == "OperationOutcome")
    }

    @Test(arguments: [
        ("ValueSet/all/$expand", ["warm", "red", "orange", "blue"]),
        ("ValueSet/$expand?url=http://vs/warm", ["warm", "red", "orange"]),
        ("ValueSet/below/$expand", ["red", "orange"]), ("ValueSet/primary/$expand", ["red", "blue"]),
        ("ValueSet/listed/$expand", ["red", "blue"]), ("ValueSet/without/$expand", ["blue"]),
        ("ValueSet/both/$expand", ["red"]), ("ValueSet/expanded/$expand", ["1"]),
        ("ValueSet/all/$expand?filter=RE", ["red"]), ("ValueSet/all/$expand?offset=1&count=2", ["red", "orange"]),
    ])
    func `a value set is expanded`(_ url: String, _ expected: [String]) throws {
        #expect(try codes(url) == expected)
    }

    @Test func `a listed code keeps its own display and gets the system's otherwise`() throws {
        let contains = try fixture.json(fixture.send("GET", "ValueSet/listed/$expand"))["expansion"]?["contains"]

        #expect(contains?.array?.compactMap { $0["display"]?.string } == ["Red", "B"])
    }

    @Test(arguments: [
        ("system=http://cs&code=red", true), ("system=http://cs&code=blue", false), ("system=http://x&code=red", false),
        ("system=http://cs&code=red&display=Red", true), ("system=http://cs&code=red&display=Rot", false),
    ])
    func `a code is validated`(_ query: String, _ isIn: Bool) throws {
        let answer = try fixture.json(fixture.send("GET", "ValueSet/warm/$validate-code?\(query)"))

        #expect(answer["parameter"]?.array?.first == ["name": "result", "valueBoolean": .bool(isIn)])
    }

    @Test func `codings and whole concepts are validated`() throws {
        func isIn(_ parameter: String) throws -> JSONValue? {
            let body = #"{"resourceType":"Parameters","parameter":[\#(parameter)]}"#
            let answer = fixture.send("POST", "ValueSet/warm/$validate-code", body: body)
            return try fixture.json(answer)["parameter"]?.array?.first?["valueBoolean"]
        }
        #expect(try isIn(#"{"name":"coding","valueCoding":{"system":"http://cs","code":"red"}}"#) == true)
        let concept = #"{"coding":[{"system":"http://x","code":"red"},{"system":"http://cs","code":"orange"}]}"#
        #expect(try isIn(#"{"name":"codeableConcept","valueCodeableConcept":\#(concept)}"#) == true)
    }

    @Test func `a code is looked up`() throws {
        let answer = try fixture.json(fixture.send("GET", "CodeSystem/$lookup?system=http://cs&code=red"))

        #expect(
            answer["parameter"] == [
                ["name": "name", "valueString": "Colours"], ["name": "version", "valueString": "2"],
                ["name": "display", "valueString": "Red"], ["name": "definition", "valueString": "like blood"],
            ])
    }
}

private func filter(_ property: String, _ operation: String, _ value: String) -> String {
    #"{"include":[{"system":"http://cs","filter":[{"property":"\#(property)","op":"\#(operation)","value":"\#(value)"}]}]}"#
}
