internal import Foundation

// A slow reading of the rules as set comprehensions. It shares no parser, table or evaluator with the code under test:
// scopes are split by hand, resources are plain dictionaries from Foundation, membership is a table written from the
// FHIR R4 resource definitions. When the two disagree, one of them is wrong.

/// A resource as Foundation reads it.
struct ReferenceResource {
    let type: String
    let id: String
    let body: [String: Any]

    init(_ body: [String: Any]) {
        self.body = body
        type = body["resourceType"] as? String ?? ""
        id = body["id"] as? String ?? ""
    }

    var key: String { "\(type)/\(id)" }
}

/// What a token holds, as text and sets.
struct ReferenceToken {
    var scopes: [String]
    var patient: String?
    var fhirUser: String?
    /// Patients of the user; nil when no policy says anything.
    var userPanel: Set<String>?
    /// Patients of the client; nil when no policy says anything, `everyone` below when there is no limit.
    var systemPanel: Set<String>?
    var systemIsEveryone = false
}

/// One scope read slowly; nil when it is not a resource scope that grants anything.
struct ReferenceScope {
    let level: String
    let type: String
    let letters: Set<Character>
    let constraints: [(name: String, values: [(system: String?, code: String)])]

    init?(_ text: String) {
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let slash = halves[0].split(separator: "/", omittingEmptySubsequences: false)
        guard slash.count == 2, ["patient", "user", "system"].contains(String(slash[0])) else { return nil }
        let dot = slash[1].split(separator: ".", omittingEmptySubsequences: false)
        guard dot.count == 2 else { return nil }
        level = String(slash[0])
        type = String(dot[0])
        guard type == "*" || ReferenceModel.knownTypes.contains(type) else { return nil }
        switch dot[1] {
        case "read": letters = ["r", "s"]
        case "write": letters = ["c", "u", "d"]
        case "*": letters = ["c", "r", "u", "d", "s"]
        default:
            let order = Array("cruds")
            let positions = dot[1].map { order.firstIndex(of: $0) ?? -1 }
            guard !positions.isEmpty, !positions.contains(-1), zip(positions, positions.dropFirst()).allSatisfy(<)
            else {
                return nil
            }
            letters = Set(dot[1])
        }
        guard halves.count == 2 else {
            constraints = []
            return
        }
        guard !["read", "write", "*"].contains(String(dot[1])) else { return nil }
        var terms: [(String, [(String?, String)])] = []
        for pair in halves[1].split(separator: "&", omittingEmptySubsequences: false) {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, ["category", "code", "status"].contains(String(sides[0])) else { return nil }
            let values = sides[1].split(separator: ",").map { value -> (String?, String) in
                let parts = value.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
                return parts.count == 2 ? (parts[0], parts[1]) : (nil, parts[0])
            }
            terms.append((String(sides[0]), values))
        }
        constraints = terms
    }
}

/// The rules.
enum ReferenceModel {
    static let publicBase = "https://gw.example/fhir"
    static let upstreamBase = "http://upstream.internal:9000/r4"

    /// Types of the random worlds: the element that makes a resource somebody's, or none for shared ones.
    static let subjectElement: [String: String] = [
        "Observation": "subject", "Condition": "subject", "MedicationRequest": "subject", "Encounter": "subject",
        "AllergyIntolerance": "patient", "Coverage": "beneficiary", "ExplanationOfBenefit": "patient",
    ]
    static let sharedTypes: Set<String> = ["Organization", "Practitioner"]
    static let restrictedTypes: Set<String> = ["Group"]
    static let knownTypes = Set(subjectElement.keys).union(sharedTypes).union(restrictedTypes).union(["Patient"])
    /// Token parameters that each type has in R4, among those that occur.
    static let tokenParameters: [String: Set<String>] = [
        "Observation": ["category", "code", "status"], "Condition": ["category", "code"],
        "MedicationRequest": ["category", "code", "status"], "Encounter": ["status"],
        "AllergyIntolerance": ["category", "code"], "Coverage": ["status"], "ExplanationOfBenefit": ["status"],
        "Patient": [], "Organization": [], "Practitioner": [], "Group": ["code"],
    ]

    /// The patient that a reference names when it is read.
    static func patient(named reference: Any?) -> String? {
        guard let text = (reference as? [String: Any])?["reference"] as? String else { return nil }
        var rest = text
        for base in [publicBase, upstreamBase] where rest.hasPrefix(base + "/") {
            rest = String(rest.dropFirst(base.count + 1))
        }
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 || (parts.count == 4 && parts[2] == "_history" && !parts[3].isEmpty),
            parts[0] == "Patient",
            !parts[1].isEmpty
        else { return nil }
        return parts[1]
    }

    /// The tokens under a parameter of the few that occur; the element has the parameter's name.
    static func tokens(_ parameter: String, of resource: ReferenceResource) -> [(system: String?, code: String)] {
        var name = parameter
        if resource.type == "MedicationRequest", parameter == "code" { name = "medicationCodeableConcept" }
        let value = resource.body[name]
        let elements = value as? [Any] ?? (value.map { [$0] } ?? [])
        return elements.flatMap { element -> [(String?, String)] in
            if let code = element as? String { return [(nil, code)] }
            let codings = (element as? [String: Any])?["coding"] as? [[String: Any]] ?? []
            return codings.compactMap { coding in
                (coding["code"] as? String).map { (coding["system"] as? String, $0) }
            }
        }
    }

    static func matches(_ resource: ReferenceResource, _ name: String, _ wanted: [(system: String?, code: String)])
        -> Bool
    {
        tokens(name, of: resource).contains { found in
            wanted.contains { value in
                guard value.code == found.code else { return false }
                guard let system = value.system else { return true }
                // A plain code has an implied system, which a value with a system cannot be compared with here.
                return system.isEmpty ? found.system == nil : system == found.system
            }
        }
    }

    /// Whether a scope reaches a type at all.
    static func names(_ scope: ReferenceScope, _ type: String) -> Bool {
        (scope.type == "*" || scope.type == type)
            && scope.constraints.allSatisfy { tokenParameters[type]?.contains($0.name) == true }
    }

    /// The patients inside a scope's boundary; nil for everyone.
    static func boundary(_ scope: ReferenceScope, _ token: ReferenceToken) -> Set<String>?? {
        switch scope.level {
        case "patient": .some(token.patient.map { [$0] } ?? [])
        case "user": token.fhirUser == nil ? .some([]) : .some(token.userPanel ?? [])
        default: token.systemIsEveryone ? .some(nil) : .some(token.systemPanel ?? [])
        }
    }

    /// Whether one scope reaches one resource with a letter.
    static func reaches(
        _ scope: ReferenceScope, _ letter: Character, _ resource: ReferenceResource, _ token: ReferenceToken
    ) -> Bool {
        guard scope.letters.contains(letter), names(scope, resource.type),
            scope.constraints.allSatisfy({ matches(resource, $0.name, $0.values) }),
            let boundary = boundary(scope, token)
        else { return false }
        guard let patients = boundary else { return true }
        if sharedTypes.contains(resource.type) { return hasContext(scope, token) }
        if restrictedTypes.contains(resource.type) { return false }
        if resource.type == "Patient" { return patients.contains(resource.id) }
        guard let element = subjectElement[resource.type], let owner = patient(named: resource.body[element]) else {
            return false
        }
        return patients.contains(owner)
    }

    /// A scope without the context that it is about grants nothing, shared types included.
    static func hasContext(_ scope: ReferenceScope, _ token: ReferenceToken) -> Bool {
        switch scope.level {
        case "patient": token.patient != nil
        case "user": token.fhirUser != nil && token.userPanel != nil
        default: token.systemIsEveryone || token.systemPanel != nil
        }
    }

    /// Whether the scopes that reach a type have one boundary or one constraint among them, and constraints that are
    /// equal, absent, or values of one and the same parameter.
    ///
    /// Read without dropping scopes that others contain: what is no single query here may still be one, never the
    /// other way about.
    static func isOneQuery(_ letter: Character, type: String, _ token: ReferenceToken) -> Bool {
        let reaching = token.scopes.compactMap(ReferenceScope.init).filter { scope in
            guard scope.letters.contains(letter), names(scope, type), let boundary = boundary(scope, token) else {
                return false
            }
            return boundary.map { !$0.isEmpty } ?? true
        }
        let boundaries = Set(
            reaching.map { scope -> [String] in
                sharedTypes.contains(type) ? [] : (boundary(scope, token) ?? nil).map { $0.sorted() } ?? ["everyone"]
            })
        let constraints = Set(
            reaching.map { scope in
                scope.constraints.map { "\($0.name)=\($0.values)" }.sorted()
            })
        guard boundaries.count <= 1 || constraints.count <= 1 else { return false }
        guard constraints.count > 1 else { return true }
        guard !constraints.contains([]) else { return boundaries.count <= 1 }
        return constraints.allSatisfy { $0.count == 1 }
            && Set(reaching.flatMap { $0.constraints.map(\.name) }).count == 1
    }

    /// { r ∈ store | some held scope reaches r with the letter }
    static func visible(_ letter: Character, _ store: [ReferenceResource], _ token: ReferenceToken) -> Set<String> {
        let scopes = token.scopes.compactMap(ReferenceScope.init)
        return Set(store.filter { resource in scopes.contains { reaches($0, letter, resource, token) } }.map(\.key))
    }

    /// Whether some held scope with a letter could reach anything of a type.
    static func isGranted(_ letter: Character, type: String, _ token: ReferenceToken) -> Bool {
        token.scopes.compactMap(ReferenceScope.init).contains { scope in
            scope.letters.contains(letter) && names(scope, type) && hasContext(scope, token)
                && (!restrictedTypes.contains(type) || (scope.level == "system" && token.systemIsEveryone))
        }
    }

    /// { r ∈ store | r is the patient, or its subject is }
    static func everything(of patient: String, _ store: [ReferenceResource]) -> [ReferenceResource] {
        store.filter { resource in
            if resource.type == "Patient" { return resource.id == patient }
            return subjectElement[resource.type].flatMap { self.patient(named: resource.body[$0]) } == patient
        }
    }

    /// { r ∈ store of the type | every term of the query holds }: what an upstream that obeys would match.
    static func matching(_ query: [(name: String, value: String)], type: String, _ store: [ReferenceResource])
        -> [ReferenceResource]
    {
        store.filter { resource in
            resource.type == type
                && query.allSatisfy { term in
                    let values = term.value.split(separator: ",").map(String.init)
                    switch term.name {
                    case "_id": return values.contains(resource.id)
                    case "patient", "subject", "beneficiary", "subject:Patient", "patient:Patient":
                        guard let element = subjectElement[type], let owner = patient(named: resource.body[element])
                        else {
                            return false
                        }
                        return values.contains {
                            $0 == owner || $0 == "Patient/\(owner)" || $0 == "\(publicBase)/Patient/\(owner)"
                        }
                    case "category", "code", "status":
                        return matches(
                            resource, term.name,
                            values.map { value in
                                let parts = value.split(separator: "|", omittingEmptySubsequences: false).map(
                                    String.init)
                                return parts.count == 2 ? (parts[0], parts[1]) : (nil, parts[0])
                            })
                    default: return true
                    }
                }
        }
    }
}
