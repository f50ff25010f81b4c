import FHIRCore
import RequirementTraits
import Testing

@Suite struct ElementExpressionTests {
    /// Forms that are in FHIRPath and not in what we evaluate: each must be refused whole.
    @Test(arguments: [
        "", ".", "Patient.", ".name", "Patient..name", "Foo.name", "Patient.name.first()", "Patient.name.where(use)",
        "Patient.name.where(use = 'a' and x = 'b')", "Patient.name.where(use='a)", "Patient.name.where(use='a''b')",
        "Patient.subject.where(resolve() is Foo)", "Patient.subject.resolve()", "Patient.contact.exists()",
        "Patient.name[a]", "Patient.name[-1]", "Patient.name[0", "Patient.name + Patient.alias", "(Patient.name",
        "(Patient.value as)", "(Patient.value is Quantity)", "Patient.deceased.exists() and Patient.name != false",
        "Patient.deceased != false", "Patient.name | Patient.alias.first()", "Patient.name |",
        "Patient.name as HumanName",
        "Patient.`name`", "Patient.name.as(a b)", "Patient.descendants()", "%resource.name", "'Patient'",
    ])
    func `an expression with anything unknown in it is not read at all`(text: String) {
        #expect(ElementExpression(text) == nil)
    }

    @Test(arguments: ResourceType.allCases)
    func `every reference and token parameter of R4 can be evaluated`(type: ResourceType) {
        let unsupported = R4.searchParameters(for: type).filter {
            ($0.kind == .reference || $0.kind == .token) && $0.expression == nil
        }

        #expect(unsupported.map(\.code) == [])
    }

    @Test func `the counts of what can be evaluated are known`() {
        var supported: [SearchParameter.Kind: Int] = [:]
        var unsupported: [SearchParameter.Kind: Int] = [:]
        for type in ResourceType.allCases {
            for parameter in R4.searchParameters(for: type) where !parameter.code.hasPrefix("_") {
                if parameter.expression == nil {
                    unsupported[parameter.kind, default: 0] += 1
                } else {
                    supported[parameter.kind, default: 0] += 1
                }
            }
        }

        #expect(unsupported[.reference] == nil)
        #expect(unsupported[.token] == nil)
        #expect(supported[.reference] == 517)
        #expect(supported[.token] == 668)
    }

    @Test(arguments: ResourceType.allCases.filter { R4.patientMembership($0) != nil })
    func `every membership expression can be evaluated`(type: ResourceType) throws {
        let membership = try #require(R4.patientMembership(type))

        #expect(membership.primary.expression != nil)
        #expect(membership.full.allSatisfy { $0.expression != nil })
    }

    /// The token parameters that the US Core types are constrained by.
    @Test(arguments: [
        ("category", ResourceType.observation), ("code", .observation), ("status", .observation),
        ("category", .condition), ("clinical-status", .condition), ("verification-status", .condition),
        ("code", .condition), ("category", .documentReference), ("type", .documentReference),
        ("status", .documentReference), ("class", .encounter), ("type", .encounter), ("status", .encounter),
        ("category", .diagnosticReport), ("code", .diagnosticReport), ("status", .medicationRequest),
        ("intent", .medicationRequest), ("clinical-status", .allergyIntolerance), ("category", .carePlan),
        ("status", .careTeam), ("lifecycle-status", .goal), ("status", .immunization), ("code", .procedure),
        ("status", .procedure), ("category", .serviceRequest), ("type", .device), ("type", .coverage),
    ])
    func `the token parameters of US Core can be evaluated`(code: String, type: ResourceType) throws {
        let parameter = try #require(R4.searchParameter(code, for: type))

        #expect(parameter.kind == .token)
        #expect(parameter.expression != nil)
    }
}

@Suite struct ReferenceEvaluationTests {
    private func literals(_ code: String, _ text: String) throws -> [LiteralReference?] {
        let view = try resource(text)
        let parameter = try #require(R4.searchParameter(code, for: view.type))
        return try #require(view.references(parameter)).map(\.literal)
    }

    private func patient(_ id: String) -> LiteralReference { LiteralReference("Patient/\(id)") }

    @Test func `a path is followed through objects and lists`() throws {
        let text = """
            {"resourceType":"Encounter","participant":[{"individual":{"reference":"Practitioner/a"}},{},
             {"individual":{"reference":"RelatedPerson/b"}}]}
            """
        #expect(
            try literals("participant", text)
                == [LiteralReference("Practitioner/a"), LiteralReference("RelatedPerson/b")])
        #expect(try literals("practitioner", text) == [LiteralReference("Practitioner/a")])
    }

    @Test func `a subject that is known to be no Patient is none`() throws {
        #expect(
            try literals("patient", #"{"resourceType":"Observation","subject":{"reference":"Group/g"}}"#) == [])
        #expect(
            try literals(
                "patient",
                ##"{"resourceType":"Observation","subject":{"reference":"#d"},"contained":[{"resourceType":"Device","id":"d"}]}"##
            )
                == [])
        #expect(try literals("patient", #"{"resourceType":"Observation","subject":{"type":"Group"}}"#) == [])
    }

    @Test func `a subject of unknown type stays, naming nobody`() throws {
        let text = #"{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"}}"#
        #expect(try literals("patient", text) == [.urn("urn:uuid:1")])
        #expect(
            try literals("patient", #"{"resourceType":"Observation","subject":{"identifier":{"value":"1"}}}"#) == [nil])
        #expect(
            try literals("patient", #"{"resourceType":"Observation","subject":{"reference":"Patient?identifier=1"}}"#)
                == [.conditional("Patient?identifier=1")])
    }

    @Test func `a reference whose parts disagree about its type stays`() throws {
        let text = #"{"resourceType":"Observation","subject":{"reference":"Group/g","type":"Patient"}}"#
        #expect(try literals("patient", text) == [LiteralReference("Group/g")])
    }

    @Test func `a string in the place of a Reference names nobody`() throws {
        let text = #"{"resourceType":"Observation","subject":"Patient/pA"}"#
        #expect(try literals("subject", text) == [.other("Patient/pA")])
    }

    @Test func `the contents of contained resources are not looked into`() throws {
        let text = """
            {"resourceType":"Observation","subject":{"reference":"Patient/pA"},
             "contained":[{"resourceType":"Observation","subject":{"reference":"Patient/pB"}}]}
            """
        #expect(try literals("subject", text) == [patient("pA")])
        #expect(try resource(text).allReferences().map(\.literal) == [patient("pA")])
    }

    @Test func `a choice is found under the name of its type only`() throws {
        let text = """
            {"resourceType":"MedicationRequest","medicationReference":{"reference":"Medication/m"},
             "medication":{"reference":"Medication/x"},"medicationCodeableConcept":{"coding":[{"code":"c"}]}}
            """
        let view = try resource(text)

        #expect(try literals("medication", text) == [LiteralReference("Medication/m")])
        let code = try #require(R4.searchParameter("code", for: .medicationRequest))
        #expect(view.tokens(code) == [TokenValue(system: nil, code: "c")])
    }

    @Test func `a union gives what each alternative gives`() throws {
        let text = """
            {"resourceType":"AuditEvent","agent":[{"who":{"reference":"Patient/pA"}},
             {"who":{"reference":"Device/d"}}],"entity":[{"what":{"reference":"Patient/pB"}}]}
            """
        #expect(try literals("patient", text) == [patient("pA"), patient("pB")])
    }

    @Test func `a related artifact is found by its kind`() throws {
        let text = """
            {"resourceType":"Library","relatedArtifact":[{"type":"composed-of","resource":"http://x/a"},
             {"type":"successor","resource":"http://x/b"}]}
            """
        #expect(try literals("composed-of", text) == [.other("http://x/a")])
        #expect(try literals("successor", text) == [.other("http://x/b")])
    }

    @Test func `a parameter of another kind gives no references`() throws {
        let view = try resource(#"{"resourceType":"Observation"}"#)
        let code = try #require(R4.searchParameter("code", for: .observation))
        let subject = try #require(R4.searchParameter("subject", for: .observation))

        #expect(view.references(code) == nil)
        #expect(view.tokens(subject) == nil)
        #expect(view.references(subject) == [])
        #expect(view.tokens(code) == [])
    }

    @Test func `every reference in a resource is found, in order, with its bytes`() throws {
        let text = """
            {"resourceType":"Observation","subject":{"reference":"Patient/pA"},
             "extension":[{"url":"u","valueReference":{"reference":"Patient/pB","display":"d"}}],
             "performer":[{"identifier":{"value":"1"},"type":"Patient"}],
             "identifier":[{"assigner":{"display":"x"},"value":"v"}],
             "note":[{"authorReference":{"_reference":{"extension":[]},"type":"Patient"}}],
             "hasMember":[{"reference":null}]}
            """
        let references = try resource(text).allReferences()

        #expect(
            references.map(\.literal)
                == [LiteralReference("Patient/pA"), LiteralReference("Patient/pB"), nil, nil, nil])
        #expect(references.map(\.hasIdentifier) == [false, false, true, false, false])
        #expect(references.map(\.declaredType) == [nil, nil, "Patient", "Patient", nil])
        let range = try #require(references[1].literalRange)
        #expect(String(decoding: Array(text.utf8)[range], as: UTF8.self) == #""Patient/pB""#)
        #expect(
            String(decoding: Array(text.utf8)[references[0].range], as: UTF8.self) == #"{"reference":"Patient/pA"}"#)
    }

    @Test func `a reference cannot be hidden under the name of contained resources`() throws {
        let text = """
            {"resourceType":"Observation","code":{"contained":[{"reference":"Patient/pB"}]},
             "contained":[{"resourceType":"Device","id":"d","patient":{"reference":"Patient/pC"}}]}
            """
        #expect(try resource(text).allReferences().map(\.literal) == [patient("pB")])
    }

    @Test func `a reference cannot be hidden below what looks like a resource inside`() throws {
        let text = """
            {"resourceType":"Observation","extension":[{"valueX":{"resourceType":"Device",
             "contained":[{"patient":{"reference":"Patient/pB"}}]}}],
             "contained":[{"resourceType":"Device","contained":[{"patient":{"reference":"Patient/pC"}}]}]}
            """
        #expect(try resource(text).allReferences().map(\.literal) == [patient("pB")])
        #expect(
            try resource(text).allReferences(includingContained: true).map(\.literal)
                == [patient("pB"), patient("pC")])
    }

    @Test func `a reference that says only its type and a name is one`() throws {
        let text = """
            {"resourceType":"Observation","performer":[{"type":"Patient","display":"Jane B"},
             {"type":"Practitioner","_display":{"extension":[]}},{"display":"x"},{"type":"final","display":"x"}],
             "code":{"type":"Patient","display":"x","code":"c"}}
            """
        #expect(try resource(text).allReferences().map(\.declaredType) == ["Patient", "Practitioner"])
    }

    @Test(.enabled(if: SharedData.isThere))
    func `the subject of each resource of the trap set is found as written`() throws {
        let bundle = try JSONDocument(SharedData.bytes("enforcer/two-patient-traps.json")).root
        var found = 0
        for entry in try #require(bundle["entry"]).elements {
            let view = try ResourceView(try #require(entry["resource"]))
            guard let membership = R4.patientMembership(view.type), membership.primary.kind == .reference else {
                continue
            }
            let strict = try #require(view.references(membership.primary))
            let direct = (view.node["patient"] ?? view.node["subject"])?["reference"]?.string
            if let direct, let key = LiteralReference(direct).key, key.type == .patient {
                #expect(strict.map(\.literal) == [LiteralReference(direct)])
                found += 1
            }
        }
        #expect(found > 20)
    }
}

@Suite struct TokenEvaluationTests {
    private func tokens(_ code: String, _ text: String) throws -> [TokenValue]? {
        let view = try resource(text)
        return view.tokens(try #require(R4.searchParameter(code, for: view.type)))
    }

    @Test(arguments: [
        #"{"resourceType":"Observation","category":[{"coding":{"code":"a"}}]}"#,
        #"{"resourceType":"Observation","category":[{"coding":[{"code":"a"}],"code":"b"}]}"#,
        #"{"resourceType":"Observation","category":[{"coding":[{"code":["a"]}]}]}"#,
        #"{"resourceType":"Observation","category":[{"coding":[{"system":1,"code":"a"}]}]}"#,
        #"{"resourceType":"Observation","category":[{"coding":[{"code":"a","value":"b"}]}]}"#,
        #"{"resourceType":"Observation","category":[7]}"#,
    ])
    func `an element of no token type makes the whole untold`(text: String) throws {
        #expect(try tokens("category", text) == nil)
    }

    @Test func `each token type gives its system and code`() throws {
        #expect(
            try tokens(
                "category",
                #"{"resourceType":"Observation","category":[{"coding":[{"system":"s","code":"a"},{"code":"b"}]},{"text":"t"}]}"#
            )
                == [TokenValue(system: "s", code: "a"), TokenValue(system: nil, code: "b")])
        #expect(
            try tokens("class", #"{"resourceType":"Encounter","class":{"system":"s","code":"AMB"}}"#)
                == [TokenValue(system: "s", code: "AMB")])
        #expect(
            try tokens("identifier", #"{"resourceType":"Patient","identifier":[{"system":"s","value":"1"}]}"#)
                == [TokenValue(system: "s", code: "1")])
        #expect(
            try tokens("status", #"{"resourceType":"Observation","status":"final"}"#)
                == [TokenValue(system: nil, code: "final")])
        #expect(
            try tokens("active", #"{"resourceType":"Patient","active":false}"#)
                == [TokenValue(system: nil, code: "false")])
        #expect(
            try tokens(
                "phone",
                #"{"resourceType":"Patient","telecom":[{"system":"phone","value":"1"},{"system":"email","value":"e"}]}"#
            )
                == [TokenValue(system: "phone", code: "1")])
        #expect(
            try tokens("_security", #"{"resourceType":"Patient","meta":{"security":[{"system":"s","code":"R"}]}}"#)
                == [TokenValue(system: "s", code: "R")])
        #expect(
            try tokens("event", #"{"resourceType":"MessageHeader","eventUri":"http://e"}"#)
                == [TokenValue(system: nil, code: "http://e")])
    }

    @Test(arguments: [
        (#"{"resourceType":"Patient"}"#, "false"), (#"{"resourceType":"Patient","deceasedBoolean":false}"#, "false"),
        (#"{"resourceType":"Patient","deceasedBoolean":true}"#, "true"),
        (#"{"resourceType":"Patient","deceasedDateTime":"2020"}"#, "true"),
    ])
    func `being deceased is a boolean whatever its form`(text: String, expected: String) throws {
        #expect(try tokens("deceased", text) == [TokenValue(system: nil, code: expected)])
    }

    @Test func `a profile is read as text`() throws {
        let view = try resource(#"{"resourceType":"Patient","meta":{"profile":["http://a","http://b"]}}"#)
        let profile = try #require(R4.searchParameter("_profile", for: .patient))

        #expect(view.uris(profile) == ["http://a", "http://b"])
        #expect(try resource(#"{"resourceType":"Patient","meta":{"profile":[1]}}"#).uris(profile) == nil)
    }
}
