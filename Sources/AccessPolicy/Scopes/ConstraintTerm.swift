internal import FHIRCore

/// One `name=value` of a granular scope, as a FHIR search would read it.
public struct ConstraintTerm: Hashable, Sendable {
    /// The search parameter's name, decoded; a dot in it means a chain.
    public let name: String
    /// What followed a colon in the name; experimental in SMART and never enforced here.
    public let modifier: String?
    /// The alternatives (comma-separated in the text), decoded once and still FHIR-escaped (`\|`, `\,`).
    public let alternatives: [String]

    /// Parses the text between two ampersands; nil when the name or the value is missing or badly encoded.
    init?(parsing text: some StringProtocol) {
        guard let equals = text.firstIndex(of: "="),
            let decodedName = ScopeText.percentDecoded(text[..<equals]),
            let value = ScopeText.percentDecoded(text[text.index(after: equals)...]), !value.isEmpty
        else { return nil }
        let pieces = decodedName.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = pieces.first, ConstraintTerm.isParameterName(first) else { return nil }
        if pieces.count == 2 {
            guard !pieces[1].isEmpty, pieces[1].utf8.allSatisfy(ConstraintTerm.isModifierByte) else { return nil }
            modifier = String(pieces[1])
        } else {
            modifier = nil
        }
        name = String(first)
        alternatives = SearchValue.split(value, at: ",")
        guard !alternatives.contains("") else { return nil }
    }

    init(name: String, modifier: String?, alternatives: [String]) {
        self.name = name
        self.modifier = modifier
        self.alternatives = alternatives
    }

    /// Whether the name is a single parameter without modifier, the only form that is ever enforced.
    public var isPlain: Bool { modifier == nil && !name.contains(".") && !ConstraintTerm.isControl(name) }

    /// The alternatives as token values; nil when one of them says nothing.
    public var tokens: [ConstraintToken]? {
        var result: [ConstraintToken] = []
        for alternative in alternatives {
            guard let token = ConstraintToken(escaped: alternative) else { return nil }
            result.append(token)
        }
        return result
    }

    /// Whether everything that satisfies the other term satisfies this one.
    func covers(_ other: ConstraintTerm) -> Bool {
        guard name == other.name, modifier == other.modifier else { return false }
        return other.alternatives.allSatisfy(covers(alternative:))
    }

    func covers(alternative other: String) -> Bool {
        if alternatives.contains(where: { ScopeText.areSame($0, other) }) { return true }
        guard isPlain, let otherToken = ConstraintToken(escaped: other) else { return false }
        return alternatives.contains { ConstraintToken(escaped: $0)?.covers(otherToken) ?? false }
    }

    /// The term in scope text again, with everything encoded that would change how it splits.
    var text: String {
        let label = modifier.map { "\(name):\($0)" } ?? name
        return label + "=" + alternatives.map(ConstraintTerm.percentEncoded).joined(separator: ",")
    }

    /// Equal when the bytes of names and values are.
    public static func == (left: ConstraintTerm, right: ConstraintTerm) -> Bool {
        left.name == right.name && left.modifier == right.modifier
            && left.alternatives.elementsEqual(right.alternatives, by: ScopeText.areSame)
    }

    // MARK: - characters

    private static func isControl(_ name: String) -> Bool {
        // Only these underscore names are properties of a resource; the rest steer a search (FHIR R4 §3.1.1).
        name.hasPrefix("_") && !["_security", "_tag", "_profile", "_id", "_lastUpdated", "_source"].contains(name)
    }

    private static func isParameterName(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && !text.hasPrefix(".") && !text.hasSuffix(".")
            && text.utf8.allSatisfy { isModifierByte($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
    }

    private static func isModifierByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"): true
        default: false
        }
    }

    private static func percentEncoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            if ScopeText.isScopeByte(byte), byte != UInt8(ascii: "&"), byte != UInt8(ascii: "%") {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count == 1 ? "0" + digits : digits)
            }
        }
        return result
    }
}
