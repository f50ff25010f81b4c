import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// What a value in the body of a call may be: it goes on as what was read, and as nothing else.
@Suite(.underMutation) struct OperationValueTests {
    static let members = [
        "valueBase64Binary", "valueBoolean", "valueCanonical", "valueCode", "valueDate", "valueDateTime",
        "valueDecimal", "valueId", "valueInstant", "valueInteger", "valueMarkdown", "valueOid", "valuePositiveInt",
        "valueString", "valueTime", "valueUnsignedInt", "valueUri", "valueUrl", "valueUuid", "valueReference",
        "valueCoding", "valueCodeableConcept", "valueIdentifier", "valueMeta", "value", "valueX",
    ]
    static let numbers: Set<String> = ["valueDecimal", "valueInteger", "valuePositiveInt", "valueUnsignedInt"]
    static let structures: Set<String> = ["valueReference", "valueCoding", "valueCodeableConcept"]

    static func body(_ name: String, _ member: String, _ value: String) -> String {
        #"{"resourceType":"Parameters","parameter":[{"name":"\#(name)","\#(member)":\#(value)}]}"#
    }

    /// A number that closes its parameter and opens one about another patient.
    static let escape = #"1},{"name":"patient","valueId":"pB"},{"name":"undescribed","valueInteger":1"#

    @Test(.verifies("attack@ATK-249"), arguments: members)
    func `a text can never write a parameter of its own into what goes on`(member: String) throws {
        let text = JSONValue.string(Self.escape).text

        for name in ["type", "start", "profile"] {
            let body = Self.body(name, member, text)
            guard case .permit(let permit) = try Exchange.decide("POST /DocumentReference/$docref", .p, body: body)
            else { continue }
            #expect(!Self.numbers.contains(member) && member != "valueBoolean")
            let sent = try JSONValue(parsing: permit.operationBody?.bytes ?? [])
            #expect(sent["parameter"]?.array?.map { $0["name"]?.string } == [name, "patient"])
            #expect(sent["parameter"]?.array?.first?[member] == .string(Self.escape))
        }
        if Self.numbers.contains(member) || member == "valueBoolean" || Self.structures.contains(member) {
            let refused = try Exchange.refusal(
                "POST /DocumentReference/$docref", .p, body: Self.body("type", member, text))
            #expect(refused == 400)
        }
    }

    static let wrong: [(member: String, value: String)] = [
        ("valueInteger", "\"1\""), ("valueInteger", "1.0"), ("valueInteger", "1e2"), ("valueInteger", "-0"),
        ("valueInteger", "2147483648"), ("valueUnsignedInt", "-1"), ("valuePositiveInt", "0"),
        ("valueDecimal", "\"1.5\""), ("valueDecimal", "true"), ("valueBoolean", "\"true\""), ("valueBoolean", "1"),
        ("valueString", "1"), ("valueString", "true"), ("valueCode", "{}"), ("valueDate", "2020"),
    ]

    @Test(arguments: wrong)
    func `a value that is not of the kind its name says is refused`(member: String, value: String) throws {
        let body = Self.body("type", member, value)

        #expect(try Exchange.refusal("POST /DocumentReference/$docref", .p, body: body) == 400)
    }

    static let right: [(member: String, value: String)] = [
        ("valueInteger", "-1"), ("valueInteger", "0"), ("valueInteger", "2147483647"), ("valueUnsignedInt", "0"),
        ("valuePositiveInt", "1"), ("valueDecimal", "1.50"), ("valueDecimal", "-0.0"), ("valueDecimal", "1e3"),
        ("valueBoolean", "true"), ("valueString", #""a\"b""#), ("valueCode", "\"1\""),
    ]

    @Test(arguments: right)
    func `a value of the kind that its name says goes on as it was written`(member: String, value: String) throws {
        let body = Self.body("type", member, value)
        let permit = try Exchange.permit("POST /DocumentReference/$docref", .p, body: body)

        let sent = permit.operationBody.map { String(decoding: $0.bytes, as: UTF8.self) }
        #expect(sent?.contains(#"{"name":"type","\#(member)":\#(value)}"#) == true)
    }

    @Test func `whatever stands in a value, what goes on names what was read and is about the patient`() throws {
        var random = SeededGenerator(seed: 85)
        let pieces = [
            "1", "-", ".5", "e9", "\"", "\\", "{", "}", "[", "]", ",", ":", "true", "null", "pB", "Patient/pB", "\u{0}",
            "\n", "é", "\u{2028}", #"},{"name":"patient","valueId":"pB""#, #"","valueId":"pB"#, "0", " ",
        ]
        var permitted = 0
        for _ in 0..<PropertyRun.cases(4_000) {
            let count = Int.random(in: 1...5, using: &random)
            let text = (0..<count).map { _ in random.pick(pieces) }.joined()
            let member = random.pick(Self.members)
            let name = random.pick(["type", "start", "end", "profile", "patient", "on-demand"])
            let value = random.chance(1, in: 4) ? text : JSONValue.string(text).text
            guard
                let decision = try? Exchange.decide(
                    "POST /DocumentReference/$docref", .p, body: Self.body(name, member, value)),
                case .permit(let permit) = decision
            else { continue }
            permitted += 1
            let sent = try JSONValue(parsing: permit.operationBody?.bytes ?? [])["parameter"]?.array ?? []
            let names = sent.compactMap { $0["name"]?.string }
            #expect(names == (name == "patient" ? ["patient"] : [name, "patient"]), "\(member) \(value)")
            #expect(sent.last?["valueId"]?.string == "pA" || name == "patient", "\(member) \(value)")
        }
        #expect(permitted > 300)
    }
}
