internal import Foundation
internal import AccessPolicy
internal import FHIRCore

/// A second reader of resource scopes, by one regular expression and splitting.
enum SlowScopeReader {
    /// A resource scope as it was understood.
    struct Reading: Hashable, Sendable {
        let level: String
        let type: String
        let letters: String
        let constraint: [String]?
    }

    /// The reading of a text that begins like a resource scope; nil when it is none in full.
    static func reading(of text: String) -> Reading? {
        guard text.utf8.count <= 2_048, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }),
            let match = text.wholeMatch(
                of: /(patient|user|system)\/([A-Za-z]+|\*)\.(read|write|\*|c?r?u?d?s?)(\?(.*))?/)
        else { return nil }
        let (_, level, type, verb, question, constraint) = match.output
        guard !verb.isEmpty, type == "*" || ResourceType.allCases.map(\.rawValue).contains(String(type)) else {
            return nil
        }
        let firstVersion: [Substring: String] = ["read": "rs", "write": "cud", "*": "cruds"]
        if let letters = firstVersion[verb] {
            guard question == nil else { return nil }
            return Reading(level: String(level), type: String(type), letters: letters, constraint: nil)
        }
        guard question != nil else {
            return Reading(level: String(level), type: String(type), letters: String(verb), constraint: nil)
        }
        guard let terms = terms(of: String(constraint ?? "")) else { return nil }
        return Reading(level: String(level), type: String(type), letters: String(verb), constraint: terms)
    }

    /// `name=value` parts, decoded; nil when one is malformed or there are more than sixteen.
    private static func terms(of text: String) -> [String]? {
        let parts = text.components(separatedBy: "&")
        guard parts.count <= 16 else { return nil }
        var terms: [String] = []
        for part in parts {
            guard let cut = part.range(of: "="), let name = decoded(String(part[..<cut.lowerBound])),
                let value = decoded(String(part[cut.upperBound...])), !value.isEmpty,
                name.wholeMatch(of: /[A-Za-z0-9_-](\.*[A-Za-z0-9_-])*(:[A-Za-z0-9-]+)?/) != nil
            else { return nil }
            let alternatives = alternatives(of: value)
            guard !alternatives.contains("") else { return nil }
            terms.append(name + "=" + alternatives.joined(separator: ","))
        }
        return terms
    }

    private static func alternatives(of value: String) -> [String] {
        // Two backslashes are one escaped backslash, and a comma after them separates again.
        var result = [""]
        var rest = Substring(value)
        while !rest.isEmpty {
            if let escaped = rest.prefixMatch(of: /\\[\s\S]/.matchingSemantics(.unicodeScalar)) {
                result[result.count - 1] += escaped.output
                rest = rest[escaped.range.upperBound...]
                continue
            }
            let scalar = rest.unicodeScalars.first.map { String($0) } ?? ""
            rest = Substring(rest.unicodeScalars.dropFirst())
            if scalar == "," { result.append("") } else { result[result.count - 1] += scalar }
        }
        return result
    }

    private static func decoded(_ text: String) -> String? {
        guard let plain = SlowPercentDecoding.decoded(text) else { return nil }
        return plain.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F } ? nil : plain
    }
}

extension SlowScopeReader.Reading {
    /// What the first reader has understood.
    init(_ scope: ResourceScope) {
        switch scope.target {
        case .all: type = "*"
        case .type(let named): type = named.rawValue
        }
        level = scope.level.rawValue
        letters = scope.permissions.text
        constraint = scope.constraint.map { constraint in
            constraint.terms.map { term in
                term.name + (term.modifier.map { ":\($0)" } ?? "") + "=" + term.alternatives.joined(separator: ",")
            }
        }
    }
}
