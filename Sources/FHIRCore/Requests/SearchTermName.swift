/// The grammar of a search parameter's name with its chain and modifier (FHIR R4 search.html), read byte by byte.
enum SearchTermName {
    typealias Parsed = (name: String, chain: [SearchTerm.ChainLink], modifier: String?)

    private static let maxLinks = 8
    private static let reverseChain = "_has"

    static func parse(_ text: String) -> Parsed? {
        var rest = Substring(text).utf8
        guard let first = takeName(&rest) else { return nil }
        var parsed: Parsed = (first, [], nil)
        var current = first
        while !rest.isEmpty {
            guard parsed.chain.count < maxLinks, parsed.modifier == nil else { return nil }
            if current == reverseChain {
                guard let link = takeReverse(&rest) else { return nil }
                parsed.chain.append(.reverse(from: link.type, reference: link.reference, parameter: link.parameter))
                current = link.parameter
            } else if take(UInt8(ascii: "."), &rest) {
                guard let parameter = takeName(&rest) else { return nil }
                parsed.chain.append(.forward(to: nil, parameter: parameter))
                current = parameter
            } else {
                guard take(UInt8(ascii: ":"), &rest), let word = takeWord(&rest) else { return nil }
                guard take(UInt8(ascii: "."), &rest) else {
                    parsed.modifier = word
                    continue
                }
                guard let type = ResourceType(rawValue: word), let parameter = takeName(&rest) else { return nil }
                parsed.chain.append(.forward(to: type, parameter: parameter))
                current = parameter
            }
        }
        // `_has` alone compares nothing.
        return current == reverseChain ? nil : parsed
    }

    /// `:Type:reference:parameter`
    private static func takeReverse(
        _ rest: inout Substring.UTF8View
    ) -> (type: ResourceType, reference: String, parameter: String)? {
        let colon = UInt8(ascii: ":")
        guard take(colon, &rest), let word = takeWord(&rest), let type = ResourceType(rawValue: word),
            take(colon, &rest), let reference = takeName(&rest), reference != reverseChain,
            take(colon, &rest), let parameter = takeName(&rest)
        else { return nil }
        return (type, reference, parameter)
    }

    private static func take(_ byte: UInt8, _ rest: inout Substring.UTF8View) -> Bool {
        guard rest.first == byte else { return false }
        rest = rest.dropFirst()
        return true
    }

    /// `[A-Za-z_][A-Za-z0-9_-]*`, at most 64 long.
    private static func takeName(_ rest: inout Substring.UTF8View) -> String? {
        let taken = rest.prefix { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
        guard let first = taken.first, isLetter(first) || first == UInt8(ascii: "_"), taken.count <= 64 else {
            return nil
        }
        rest = rest[taken.endIndex...]
        return String(Substring(taken))
    }

    /// `[A-Za-z][A-Za-z-]*`, at most 64 long: a modifier or a type.
    private static func takeWord(_ rest: inout Substring.UTF8View) -> String? {
        let taken = rest.prefix { isLetter($0) || $0 == UInt8(ascii: "-") }
        guard let first = taken.first, isLetter(first), taken.count <= 64 else { return nil }
        rest = rest[taken.endIndex...]
        return String(Substring(taken))
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte | 0x20
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte
    }
}
