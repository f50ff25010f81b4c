internal import Foundation

// The slow reading of the rules for writes: what may be made, what may replace what, what a patch and a condition come
// to. Like the rest of the model it shares no parser, table or evaluator with the code under test.

extension ReferenceModel {
    /// The elements through which a resource is somebody's in the published compartment, among those that occur.
    static let membershipElements: [String: [String]] = [
        "Observation": ["subject", "performer"], "Condition": ["subject"], "MedicationRequest": ["subject"],
        "Encounter": ["subject"], "AllergyIntolerance": ["patient", "recorder"],
        "Coverage": ["beneficiary", "subscriber"], "ExplanationOfBenefit": ["patient"],
    ]

    /// Every Reference in a body, wherever it stands.
    static func references(in value: Any) -> [[String: Any]] {
        if let list = value as? [Any] { return list.flatMap(references) }
        guard let object = value as? [String: Any] else { return [] }
        let isReference = object["reference"] is String || object["identifier"] is [String: Any]
        let own = isReference && object["resourceType"] == nil ? [object] : []
        return own + object.values.flatMap(references)
    }

    /// The patient that a reference names when it is written: only in the two spellings that nobody can misread.
    static func patient(written reference: [String: Any]) -> String? {
        guard var text = reference["reference"] as? String else { return nil }
        if text.hasPrefix(publicBase + "/") { text = String(text.dropFirst(publicBase.count + 1)) }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        return parts.count == 2 && parts[0] == "Patient" && !parts[1].isEmpty ? parts[1] : nil
    }

    /// Whether a body may enter by one scope with a letter.
    static func enters(
        _ scope: ReferenceScope, _ letter: Character, _ body: ReferenceResource, _ token: ReferenceToken
    ) -> Bool {
        guard scope.letters.contains(letter), names(scope, body.type), hasContext(scope, token),
            scope.constraints.allSatisfy({ matches(body, $0.name, $0.values) }),
            let boundary = boundary(scope, token)
        else { return false }
        guard let patients = boundary else { return true }
        if body.type == "Patient" {
            return letter != "c" && patients.contains(body.id) && namesOnly(patients, in: body)
        }
        guard let element = subjectElement[body.type], let subject = body.body[element] as? [String: Any],
            let owner = patient(written: subject), patients.contains(owner)
        else { return false }
        let membership = (membershipElements[body.type] ?? []).compactMap { body.body[$0] }
        guard !references(in: membership).contains(where: { $0["identifier"] != nil }) else { return false }
        return namesOnly(patients, in: body)
    }

    /// Whether every reference of a body to somebody is to one of these, in a spelling that may be written.
    private static func namesOnly(_ patients: Set<String>, in body: ReferenceResource) -> Bool {
        references(in: body.body).allSatisfy { reference in
            guard reference["reference"] is String else { return true }
            return patient(written: reference).map(patients.contains) ?? false
        }
    }

    /// Whether some scope lets a new resource in.
    static func mayCreate(_ body: ReferenceResource, _ token: ReferenceToken) -> Bool {
        token.scopes.compactMap(ReferenceScope.init).contains { enters($0, "c", body, token) }
    }

    /// Whether some scope reaches what is stored, some lets in what replaces it, and it stays the same people's.
    static func mayUpdate(_ stored: ReferenceResource, _ body: ReferenceResource, _ token: ReferenceToken) -> Bool {
        let scopes = token.scopes.compactMap(ReferenceScope.init)
        guard scopes.contains(where: { reaches($0, "u", stored, token) && writes($0, stored.type, token) }),
            scopes.contains(where: { enters($0, "u", body, token) })
        else { return false }
        let deciding = scopes.filter {
            $0.letters.contains("u") && names($0, stored.type) && hasContext($0, token)
        }
        let isFree = deciding.contains { scope in
            guard let limit = boundary(scope, token), limit == nil else { return false }
            return reaches(scope, "u", stored, token) && reaches(scope, "u", body, token)
        }
        if isFree { return true }
        guard scopes.contains(where: { reaches($0, "u", stored, token) && seesWhole(stored, $0, token) }) else {
            return false
        }
        return (membershipElements[stored.type] ?? []).allSatisfy { element in
            let before = people(stored.body[element]), after = people(body.body[element])
            let all = before.union(after)
            return before == after
                || all.allSatisfy { person in
                    deciding.contains { scope in
                        guard let limit = boundary(scope, token) else { return false }
                        return limit.map { $0.contains(person) } ?? true
                    }
                }
        }
    }

    /// Whether nothing of a resource is masked inside one scope's boundary.
    private static func seesWhole(
        _ stored: ReferenceResource, _ scope: ReferenceScope, _ token: ReferenceToken
    ) -> Bool {
        let masked: Set<String> = ["Condition", "Encounter", "AllergyIntolerance"]
        guard masked.contains(stored.type), let limit = boundary(scope, token), let patients = limit else {
            return true
        }
        return references(in: stored.body).allSatisfy { patient(named: $0).map(patients.contains) ?? true }
    }

    static func mayDelete(_ stored: ReferenceResource, _ token: ReferenceToken) -> Bool {
        token.scopes.compactMap(ReferenceScope.init).contains { scope in
            reaches(scope, "d", stored, token) && writes(scope, stored.type, token)
                && !(stored.type == "Patient" && scope.level == "patient")
        }
    }

    /// What belongs to nobody is written only by who may see everything.
    private static func writes(_ scope: ReferenceScope, _ type: String, _ token: ReferenceToken) -> Bool {
        guard sharedTypes.contains(type) else { return true }
        guard let limit = boundary(scope, token) else { return false }
        return limit == nil
    }

    private static func people(_ value: Any?) -> Set<String> {
        Set(references(in: [value].compactMap(\.self)).compactMap { patient(named: $0) })
    }
}

extension ReferenceModel {
    /// Whether a patch may be made: it can be applied to what a client sees, and what it makes may replace what is stored.
    static func mayPatch(_ stored: ReferenceResource, _ patch: ReferencePatch, _ token: ReferenceToken) -> Bool {
        guard let body = patch.applied(to: shown(stored.body) as? [String: Any] ?? [:]) else { return false }
        let isReadable = !patch.reads || visible("r", [stored], token).contains(stored.key)
        return isReadable && mayUpdate(stored, ReferenceResource(body), token)
    }

    /// What a client sees of a body: the server's addresses are ours.
    private static func shown(_ value: Any) -> Any {
        switch value {
        case let text as String:
            text.hasPrefix(upstreamBase) ? publicBase + text.dropFirst(upstreamBase.count) : text
        case let list as [Any]: list.map(shown)
        case let object as [String: Any]: object.mapValues(shown)
        default: value
        }
    }

    /// Whether some scope has the letter for deletes of a type, in a context that lets it stand.
    static func mayDeleteSome(_ type: String, _ token: ReferenceToken) -> Bool {
        token.scopes.compactMap(ReferenceScope.init).contains { scope in
            guard scope.letters.contains("d"), names(scope, type), hasContext(scope, token),
                let limit = boundary(scope, token)
            else { return false }
            return (subjectElement[type] != nil || limit == nil || type == "Patient")
                && !(type == "Patient" && scope.level == "patient")
        }
    }
}

/// One change to one member of a resource, as the model makes it and as a JSON Patch says it.
struct ReferencePatch {
    let operation: String
    let member: String
    let value: Any?

    /// The patch document.
    var json: Any {
        var one: [String: Any] = ["op": operation, "path": "/\(member)"]
        if let value { one["value"] = value }
        return [one]
    }

    /// What becomes of a body; nil where the patch cannot be applied.
    func applied(to body: [String: Any]) -> [String: Any]? {
        var body = body
        switch operation {
        case "add": body[member] = value
        case "replace", "remove":
            guard body[member] != nil else { return nil }
            body[member] = operation == "remove" ? nil : value
        default:
            guard let found = body[member] as? NSObject, let value = value as? NSObject, found == value else {
                return nil
            }
        }
        return body
    }

    /// Whether it tells what is stored.
    var reads: Bool { operation != "add" }
}
