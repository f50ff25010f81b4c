import AccessPolicy
import FHIRCore

/// Random scopes, tokens, requests and resources over a small world of three patients.
struct RandomCases {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    static let types = [
        "Patient", "Observation", "Condition", "Appointment", "Organization", "Group", "Provenance", "*",
    ]
    static let patients = ["pA", "pB", "pC"]
    static let codes = ["a", "b", "s|a", "t|a", "|a", "s|"]

    mutating func scope(levels: [String] = ["patient", "patient", "user", "system"]) -> String {
        let level = random.pick(levels)
        let type = random.pick(RandomCases.types)
        if random.chance(1, in: 6) { return "\(level)/\(type)." + random.pick(["read", "write", "*"]) }
        let letters = Permissions(rawValue: UInt8.random(in: 1...31, using: &random)).text
        return "\(level)/\(type).\(letters)" + (random.chance(1, in: 2) ? "?" + constraint() : "")
    }

    mutating func constraint() -> String {
        (0..<random.pick([1, 1, 1, 2])).map { _ in
            let values = (0..<random.pick([1, 1, 2])).map { _ in random.pick(RandomCases.codes) }
            return random.pick(["category", "category", "code", "status", "name", "code:in"]) + "="
                + values.joined(separator: ",")
        }.joined(separator: "&")
    }

    mutating func scopes(_ count: Int) -> [String] { (0..<count).map { _ in scope() } }

    mutating func panel() -> PatientPanel {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: .none
        case 1: .everyone
        case 2: Token.panel([])
        case 3: Token.panel(["pB"])
        default: Token.panel(["pA", "pB"])
        }
    }

    mutating func token(_ scopes: [String]) -> Token {
        Token(
            scopes: scopes.joined(separator: " "), patient: random.chance(4, in: 5) ? "pA" : nil,
            fhirUser: random.chance(4, in: 5) ? "Practitioner/d" : nil, userPanel: panel(), systemPanel: panel())
    }

    mutating func line() -> String {
        let type = random.pick(RandomCases.types.dropLast().map { $0 })
        let id = type == "Patient" ? random.pick(RandomCases.patients) : "x"
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return "GET /\(type)/\(id)"
        case 1: return "GET /\(type)/\(id)/_history"
        case 2: return "GET /\(type)/\(id)/_history/1"
        case 3: return "DELETE /\(type)/\(id)"
        case 4: return "GET /Patient/\(random.pick(RandomCases.patients))/\(type)"
        default:
            let terms = (0..<Int.random(in: 0...2, using: &random)).map { _ in term() }
            return "GET /\(type)" + (terms.isEmpty ? "" : "?" + terms.joined(separator: "&"))
        }
    }

    private mutating func term() -> String {
        let patient = random.pick(RandomCases.patients)
        return random.pick([
            "patient=\(patient)", "subject=Patient/\(patient)", "category=a", "code=b", "_id=\(patient)", "_count=5",
            "_include=Observation:subject", "_revinclude=Provenance:target", "_summary=count", "patient=pA,pB",
            "_sort=date", "name=x", "patient:not=pA", "foo=bar", "_elements=code", "_total=accurate",
        ])
    }

    /// A resource of a random type about random people.
    mutating func resource(type: String? = nil, id: String? = nil) -> String {
        let type = type ?? random.pick(RandomCases.types.dropLast().map { $0 })
        let who = reference()
        let id =
            id ?? (type == "Patient" ? random.pick(RandomCases.patients) : "r\(Int.random(in: 0..<4, using: &random))")
        let head = #"{"resourceType":"\#(type)","id":"\#(id)""#
        let coded = #""coding":[{"system":"\#(random.pick(["s", "t"]))","code":"\#(random.pick(["a", "b"]))"}]"#
        let bare = #""coding":[{"code":"\#(random.pick(["a", "b"]))"}]"#
        let category = random.chance(3, in: 4) ? #","category":[{\#(random.chance(2, in: 3) ? coded : bare)}]"# : ""
        let code = #","code":{\#(coded)}"#
        switch type {
        case "Observation":
            let performer = random.chance(1, in: 3) ? #","performer":[\#(reference())]"# : ""
            return head + #","status":"\#(random.pick(["a", "final"]))""# + category + code + #","subject":\#(who)"#
                + performer + "}"
        case "Condition":
            let asserter = random.chance(1, in: 3) ? #","asserter":\#(reference())"# : ""
            return head + category + code + #","subject":\#(who)"# + asserter + "}"
        case "Appointment":
            return head + #","participant":[{"actor":\#(who)},{"actor":\#(reference())}]}"#
        case "Provenance":
            return head + #","target":[\#(who),\#(reference())]}"#
        case "Group":
            return head + #","member":[{"entity":\#(who)}]}"#
        default:
            return head + "}"
        }
    }

    private mutating func reference() -> String {
        let patient = random.pick(RandomCases.patients + ["pA"])
        let text = random.pick([
            "Patient/\(patient)", "Patient/\(patient)", "Patient/\(patient)",
            "\(Exchange.upstreamBase)/Patient/\(patient)",
            "https://other.example/Patient/\(patient)", "Patient/\(patient)/_history/2", "Observation/r1", "#x",
            "urn:uuid:1",
        ])
        return #"{"reference":"\#(text)"}"#
    }
}
