internal import Foundation

/// Random stores, tokens and requests, the same for the same seed.
struct ReferenceWorld {
    private var random: SeededRandom
    let store: [ReferenceResource]

    static let patients = ["pA", "pB", "pC"]
    static let observationCategory = "http://terminology.hl7.org/CodeSystem/observation-category"
    private static let codes = ["laboratory", "vital-signs", "survey"]
    private static let types = [
        "Observation", "Condition", "MedicationRequest", "Encounter", "AllergyIntolerance", "Coverage",
        "ExplanationOfBenefit", "Organization", "Practitioner", "Group", "Patient",
    ]

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        var generator = random
        store = Self.resources(&generator)
        random = generator
    }

    // MARK: - stores

    private static func resources(_ random: inout SeededRandom) -> [ReferenceResource] {
        var all = patients.map { ReferenceResource(["resourceType": "Patient", "id": $0]) }
        for number in 0..<random.number(4...12) {
            let type = random.pick(Array(types.dropLast()))
            var body = body(of: type, &random)
            body["id"] = "\(type.lowercased().prefix(3))\(number)"
            all.append(ReferenceResource(body))
        }
        return all
    }

    private static func body(of type: String, _ random: inout SeededRandom) -> [String: Any] {
        var body: [String: Any] = ["resourceType": type]
        if let element = ReferenceModel.subjectElement[type], let reference = subject(&random) {
            body[element] = reference
        }
        addTokens(to: &body, type, &random)
        addFurtherPatients(to: &body, type, &random)
        return body
    }

    private static func subject(_ random: inout SeededRandom) -> [String: Any]? {
        let patient = random.pick(patients)
        switch random.number(0...13) {
        case 0: return nil
        case 1: return ["identifier": ["system": "urn:mrn", "value": patient]]
        case 2: return ["reference": "https://elsewhere.example/fhir/Patient/\(patient)"]
        case 3: return ["reference": "\(ReferenceModel.publicBase)/Patient/\(patient)"]
        case 4: return ["reference": "\(ReferenceModel.upstreamBase)/Patient/\(patient)"]
        case 5: return ["reference": "Patient/\(patient)/_history/2"]
        case 6: return ["reference": "Group/\(patient)"]
        case 7: return ["reference": "urn:uuid:0d9c1f36-59d7-4ac6-a0ca-\(patient)"]
        default: return ["reference": "Patient/\(patient)"]
        }
    }

    private static func addTokens(to body: inout [String: Any], _ type: String, _ random: inout SeededRandom) {
        let parameters = ReferenceModel.tokenParameters[type] ?? []
        if parameters.contains("status") { body["status"] = random.pick(["active", "final"]) }
        if parameters.contains("category") {
            if type == "AllergyIntolerance" {
                body["category"] = [random.pick(codes)]
            } else {
                let codings = (0..<random.number(0...2)).map { _ -> [String: Any] in
                    let system = random.number(0...4) == 0 ? "http://other.example" : observationCategory
                    return ["coding": [["system": system, "code": random.pick(codes)]]]
                }
                body["category"] = codings
            }
        }
        if parameters.contains("code") {
            let name = type == "MedicationRequest" ? "medicationCodeableConcept" : "code"
            body[name] = ["coding": [["system": "http://loinc.org", "code": random.pick(["1-1", "2-2"])]]]
        }
    }

    private static func addFurtherPatients(to body: inout [String: Any], _ type: String, _ random: inout SeededRandom) {
        guard random.number(0...2) == 0 else { return }
        let other = ["reference": "Patient/\(random.pick(patients))"]
        switch type {
        case "AllergyIntolerance": body["recorder"] = other
        case "Coverage": body["subscriber"] = other
        case "Observation": body["performer"] = [other]
        case "Group": body["member"] = [["entity": other]]
        default: break
        }
    }

    // MARK: - tokens

    mutating func token() -> ReferenceToken {
        var token = ReferenceToken(scopes: (0..<random.number(1...4)).map { _ in scope() })
        if random.number(0...5) > 0 { token.patient = random.pick(Self.patients) }
        if random.number(0...3) > 0 { token.fhirUser = "Practitioner/dr1" }
        if random.number(0...4) > 0 { token.userPanel = Set(Self.patients.filter { _ in random.number(0...1) == 0 }) }
        switch random.number(0...3) {
        case 0: token.systemIsEveryone = true
        case 1: token.systemPanel = Set(Self.patients.filter { _ in random.number(0...1) == 0 })
        default: break
        }
        return token
    }

    private mutating func scope() -> String {
        let level = random.pick(["patient", "patient", "patient", "user", "system"])
        let type = random.pick(Self.types + ["*", "*", "*", "*", "*", "*"])
        let letters = random.pick(["rs", "rs", "rs", "cruds", "read", "read", "*", "r", "s", "cud", "sr", ""])
        var text = "\(level)/\(type).\(letters)"
        switch random.number(0...11) {
        case 0, 1: text += "?category=\(Self.observationCategory)|\(random.pick(Self.codes))"
        case 2: text += "?category=\(random.pick(Self.codes))&status=final"
        case 3: text += "?code=http://loinc.org|1-1,http://loinc.org|2-2"
        default: break
        }
        return text
    }

    // MARK: - requests

    mutating func readTarget() -> (type: String, id: String) {
        if random.number(0...9) == 0 { return (random.pick(Self.types), "nowhere") }
        let resource = random.pick(store)
        return (resource.type, resource.id)
    }

    mutating func typeList() -> [String] {
        Set((0..<random.number(1...3)).map { _ in random.pick(Self.types) }).sorted()
    }

    mutating func patient() -> String { random.pick(Self.patients) }

    mutating func search() -> (type: String, query: [(name: String, value: String)]) {
        let type = random.pick(Self.types)
        var query: [(String, String)] = []
        if random.number(0...2) == 0, let element = ReferenceModel.subjectElement[type] {
            let name = element == "beneficiary" ? random.pick(["patient", "beneficiary"]) : "patient"
            let patient = random.pick(Self.patients)
            query.append((name, random.pick([patient, "Patient/\(patient)"])))
        }
        if random.number(0...3) == 0, ReferenceModel.tokenParameters[type]?.contains("category") == true {
            query.append(("category", "\(Self.observationCategory)|\(random.pick(Self.codes))"))
        }
        if random.number(0...5) == 0 { query.append(("_id", random.pick(store).id)) }
        return (type, query)
    }
}

// MARK: - writes

extension ReferenceWorld {
    /// A token that may write more often than those for reading.
    mutating func writingToken() -> ReferenceToken {
        var token = self.token()
        let letters = random.pick([".cruds", ".cruds", ".cruds", ".cud", ".us", ".rus", ".ds"])
        token.scopes = token.scopes.map { scope in
            guard let range = scope.range(of: ".rs") else { return scope }
            return scope.replacingCharacters(in: range, with: letters)
        }
        // Most random tokens reach little of what a write is about.
        if random.number(0...1) == 0 {
            token.scopes.append(random.pick(["patient/*", "user/*", "system/*"]) + letters)
        }
        return token
    }

    /// A body without an id.
    mutating func newBody() -> ReferenceResource { ReferenceResource(body(of: random.pick(Self.types))) }

    /// A body for one that is stored; half of them keep what they had and change a little.
    mutating func replacement(of stored: ReferenceResource) -> ReferenceResource {
        var body = random.number(0...1) == 0 ? stored.body : body(of: stored.type)
        body["id"] = stored.id
        if random.number(0...3) == 0, ReferenceModel.tokenParameters[stored.type]?.contains("status") == true {
            body["status"] = random.pick(["active", "final"])
        }
        return ReferenceResource(body)
    }

    mutating func patch(of stored: ReferenceResource) -> ReferencePatch {
        let element = ReferenceModel.subjectElement[stored.type] ?? "status"
        let other: [String: Any] = ["reference": "Patient/\(random.pick(Self.patients))"]
        switch random.number(0...6) {
        case 0: return ReferencePatch(operation: "replace", member: element, value: other)
        case 1: return ReferencePatch(operation: "remove", member: element, value: nil)
        case 2: return ReferencePatch(operation: "add", member: "category", value: categories())
        case 3: return ReferencePatch(operation: "replace", member: "status", value: random.pick(["active", "final"]))
        case 4: return ReferencePatch(operation: "test", member: "status", value: random.pick(["active", "final"]))
        case 5: return ReferencePatch(operation: "remove", member: "nothing", value: nil)
        default: return ReferencePatch(operation: "add", member: "performer", value: [other])
        }
    }

    /// One that is stored, and what a request names it by.
    mutating func target() -> ReferenceResource { random.pick(store) }

    /// The query of a condition.
    mutating func condition(on type: String) -> [(name: String, value: String)] {
        let known = ReferenceModel.tokenParameters[type] ?? []
        switch random.number(0...3) {
        case 0 where known.contains("category"):
            return [("category", "\(Self.observationCategory)|\(random.pick(["laboratory", "vital-signs", "survey"]))")]
        case 1 where known.contains("status"): return [("status", random.pick(["active", "final"]))]
        case 2: return [("_id", random.pick(store).id + "," + random.pick(store).id)]
        default: return [("_id", random.pick(store).id)]
        }
    }

    private mutating func categories() -> [[String: Any]] {
        [["coding": [["system": Self.observationCategory, "code": random.pick(["laboratory", "vital-signs"])]]]]
    }

    private mutating func body(of type: String) -> [String: Any] {
        var generator = random
        let made = Self.body(of: type, &generator)
        random = generator
        return made
    }
}

/// A generator that is the same on every machine.
struct SeededRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int((next() >> 33) % UInt64(range.count))
    }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[number(0...(elements.count - 1))] }
}
