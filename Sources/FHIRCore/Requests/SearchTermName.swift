/// The grammar of a search parameter's name with its chain and modifier (FHIR R4 search.html).
enum SearchTermName {
    typealias Parsed = (name: String, chain: [SearchTerm.ChainLink], modifier: String?)

    private static let maxLinks = 8

    static func parse(_ text: String) -> Parsed? {
        var rest = Substring(text)
        guard let first = takeName(&rest) else { return nil }
        var parsed: Parsed = (first, [], nil)
        var current = first
        while !rest.isEmpty {
            guard parsed.chain.count < maxLinks, parsed.modifier == nil else { return nil }
            if current == "_has" {
                guard let link = takeReverse(&rest) else { return nil }
                parsed.chain.append(.reverse(from: link.type, reference: link.reference, parameter: link.parameter))
                current = link.parameter
            } else if rest.first == "." {
                rest.removeFirst()
                guard let parameter = takeName(&rest) else { return nil }
                parsed.chain.append(.forward(to: nil, parameter: parameter))
                current = parameter
            } else {
                guard take(":", &rest), let word = takeWord(&rest) else { return nil }
                guard rest.first == "." else {
                    parsed.modifier = word
                    continue
                }
                rest.removeFirst()
                guard let type = ResourceType(rawValue: word), let parameter = takeName(&rest) else { return nil }
                parsed.chain.append(.forward(to: type, parameter: parameter))
                current = parameter
            }
        }
        // `_has` alone compares nothing.
        return current == "_has" ? nil : parsed
    }

    /// `:Type:reference:parameter`
    private static func takeReverse(
        _ rest: inout Substring
    ) -> (type: ResourceType, reference: String, parameter: String)? {
        guard take(":", &rest), let word = takeWord(&rest), let type = ResourceType(rawValue: word),
            take(":", &rest), let reference = takeName(&rest), reference != "_has",
            take(":", &rest), let parameter = takeName(&rest)
        else { return nil }
        return (type, reference, parameter)
    }

    private static func take(_ character: Character, _ rest: inout Substring) -> Bool {
        guard rest.first == character else { return false }
        rest.removeFirst()
        return true
    }

    /// `[A-Za-z_][A-Za-z0-9_-]*`, at most 64 long.
    private static func takeName(_ rest: inout Substring) -> String? {
        let taken = rest.prefix { isLetter($0) || isDigit($0) || $0 == "_" || $0 == "-" }
        guard let first = taken.first, isLetter(first) || first == "_", taken.utf8.count <= 64 else { return nil }
        rest = rest[taken.endIndex...]
        return String(taken)
    }

    /// `[A-Za-z][A-Za-z-]*`, at most 64 long: a modifier or a type.
    private static func takeWord(_ rest: inout Substring) -> String? {
        let taken = rest.prefix { isLetter($0) || $0 == "-" }
        guard let first = taken.first, isLetter(first), taken.utf8.count <= 64 else { return nil }
        rest = rest[taken.endIndex...]
        return String(taken)
    }

    private static func isLetter(_ character: Character) -> Bool {
        ("a"..."z").contains(character) && character.isASCII || ("A"..."Z").contains(character) && character.isASCII
    }

    private static func isDigit(_ character: Character) -> Bool {
        ("0"..."9").contains(character) && character.isASCII
    }
}
