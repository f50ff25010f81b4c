/// The value of a search parameter as FHIR R4 reads it (§3.1.1.3.2, §3.1.1.4.10): alternatives between commas, with `\,`,
/// `\|`, `\$` and `\\` for the signs themselves.
enum SearchValue {
    /// The system and code of `system|code`.
    struct Token: Hashable {
        /// The system; empty where the value says that there is none, nil where it says nothing.
        let system: String?
        let code: String
    }

    /// The alternatives, unescaped; nil when one of them is empty or an escape is none.
    static func alternatives(_ value: String) -> [String]? {
        split(value, at: ",").flatMap { parts in
            let texts = parts.compactMap { split($0, at: nil)?.first }
            return texts.count == parts.count && !texts.contains("") ? texts : nil
        }
    }

    /// The one value that there must be.
    static func single(_ value: String) -> String? { alternatives(value).flatMap { $0.count == 1 ? $0[0] : nil } }

    /// The alternatives as tokens; nil when one has no code.
    static func tokens(_ value: String) -> [Token]? {
        guard let parts = split(value, at: ",") else { return nil }
        let tokens = parts.compactMap { part -> Token? in
            guard let halves = split(part, at: "|"), halves.count <= 2 else { return nil }
            let texts = halves.compactMap { split($0, at: nil)?.first }
            guard texts.count == halves.count, let code = texts.last, !code.isEmpty else { return nil }
            return Token(system: texts.count == 2 ? texts[0] : nil, code: code)
        }
        return tokens.count == parts.count ? tokens : nil
    }

    /// The parts between signs that are not escaped, still escaped; without a sign the whole, unescaped.
    private static func split(_ text: String, at sign: Character?) -> [String]? {
        var parts = [""]
        var rest = text[...]
        while let next = rest.popFirst() {
            guard next == "\\" else {
                if next == sign { parts.append("") } else { parts[parts.count - 1].append(next) }
                continue
            }
            guard let escaped = rest.popFirst(), "\\,|$".contains(escaped) else { return nil }
            if sign != nil { parts[parts.count - 1].append("\\") }
            parts[parts.count - 1].append(escaped)
        }
        return parts
    }
}
