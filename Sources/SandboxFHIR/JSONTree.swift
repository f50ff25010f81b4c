internal import FHIRCore

/// Building and changing small trees of JSON.
enum JSONTree {
    /// An object of the members that have a value, in the order given.
    static func object(_ members: [(String, JSONValue?)]) -> JSONValue {
        .object(members.compactMap { name, value in value.map { JSONMemberValue(name, $0) } })
    }

    /// An OperationOutcome with one issue.
    static func outcome(severity: String, code: String, diagnostics: String) -> JSONValue {
        let issue = object([
            ("severity", .string(severity)), ("code", .string(code)), ("diagnostics", .string(diagnostics)),
        ])
        return object([("resourceType", "OperationOutcome"), ("issue", .array([issue]))])
    }
}

extension JSONValue {
    /// The object with one member replaced in its place, or added at the end.
    func setting(_ name: String, to value: JSONValue) -> JSONValue {
        guard case .object(var members) = self else { return self }
        if let index = members.firstIndex(where: { $0.name == name }) {
            members[index] = JSONMemberValue(name, value)
        } else {
            members.append(JSONMemberValue(name, value))
        }
        return .object(members)
    }

    /// The object with only the members whose name passes.
    func keeping(_ isKept: (String) -> Bool) -> JSONValue {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { isKept($0.name) })
    }

    /// The elements of an array, the value itself when it is none, nothing for null.
    var flattened: [JSONValue] {
        switch self {
        case .array(let elements): elements
        case .null: []
        default: [self]
        }
    }

    /// The text of a number as it was written.
    var numberText: String? {
        switch self {
        case .int(let value): String(value)
        case .number(let number): number.text
        default: nil
        }
    }

    /// The tree with each string that is the value of a reference or a link put through `change`.
    ///
    /// Those are members named `reference`, `url`, `uri`, `valueUri` and `valueUrl`; FHIR R4 transaction processing
    /// rules name References and elements of the types uri and url. Identifiers are left alone.
    func mappingLinks(_ change: (String) throws -> String) rethrows -> JSONValue {
        switch self {
        case .array(let elements):
            return .array(try elements.map { try $0.mappingLinks(change) })
        case .object(let members):
            return .object(
                try members.map { member in
                    if case .string(let text) = member.value, JSONValue.linkMembers.contains(member.name) {
                        return JSONMemberValue(member.name, .string(try change(text)))
                    }
                    return JSONMemberValue(member.name, try member.value.mappingLinks(change))
                })
        default:
            return self
        }
    }

    private static let linkMembers: Set<String> = ["reference", "url", "uri", "valueUri", "valueUrl"]
}
