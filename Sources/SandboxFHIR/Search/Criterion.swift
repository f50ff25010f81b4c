internal import FHIRCore

/// One search parameter of a request: its code, modifier or chain, and the values of which one must match.
struct Criterion: Hashable, Sendable {
    /// The code before any modifier or chain.
    let code: String
    let modifier: String?
    /// What follows the dot of a chained parameter: a criterion on the resource referred to.
    let chained: String?
    /// The alternatives, split at commas, still with their FHIR escapes (FHIR R4 search §3.1.1.4.0.2).
    let values: [String]
    /// The value as it came, for handing on to a chained criterion.
    let rawValue: String

    init(_ pair: QueryString.Pair) {
        let dot = pair.name.firstIndex(of: ".")
        let head = dot.map { pair.name[..<$0] } ?? pair.name[...]
        let parts = head.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        code = parts.first.map(String.init) ?? ""
        modifier = parts.count > 1 ? String(parts[1]) : nil
        chained = dot.map { String(pair.name[pair.name.index(after: $0)...]) }
        values = EscapedText.split(pair.value, at: ",").filter { !$0.isEmpty }
        rawValue = pair.value
    }
}

/// Text in which `\` escapes `,`, `|`, `$` and itself.
enum EscapedText {
    /// Splits at a separator that is not escaped; the parts keep their escapes.
    static func split(_ text: String, at separator: Character) -> [String] {
        var parts = [""]
        var escaped = false
        for character in text {
            if !escaped, character == separator {
                parts.append("")
                continue
            }
            escaped = !escaped && character == "\\"
            parts[parts.count - 1].append(character)
        }
        return parts
    }

    /// The text without its escapes.
    static func unescape(_ text: String) -> String {
        var result = ""
        var escaped = false
        for character in text {
            if !escaped, character == "\\" {
                escaped = true
            } else {
                result.append(character)
                escaped = false
            }
        }
        return escaped ? result + "\\" : result
    }
}

/// The comparison that a date, number or quantity begins with (FHIR R4 search §3.1.1.4.5).
enum SearchPrefix: String, CaseIterable, Sendable {
    case eq, ne, gt, lt, ge, le, sa, eb, ap

    /// Takes the prefix off a value; `eq` when there is none.
    static func read(_ text: String) -> (prefix: SearchPrefix, rest: String) {
        if let prefix = SearchPrefix(rawValue: String(text.prefix(2))) { return (prefix, String(text.dropFirst(2))) }
        return (.eq, text)
    }
}

/// A number of a search with the range that its digits imply.
struct SearchNumber: Hashable, Sendable {
    let value: Double
    /// Half a unit of the last digit: 100 means 99.5 up to 100.5 (FHIR R4 search §3.1.1.4.6).
    let tolerance: Double

    init?(_ text: String) {
        let allowed = "0123456789+-.eE"
        guard !text.isEmpty, text.allSatisfy({ allowed.contains($0) }), let value = Double(text), value.isFinite
        else { return nil }
        self.value = value
        let sides = text.lowercased().split(separator: "e", omittingEmptySubsequences: false)
        let decimals = sides[0].firstIndex(of: ".").map { sides[0].distance(from: $0, to: sides[0].endIndex) - 1 } ?? 0
        let exponent = sides.count > 1 ? Int(sides[1]) ?? 0 : 0
        // The published example gives 1e2 the range 95 to 105: one digit more than is written.
        let last = sides.count > 1 ? exponent - decimals - 1 : -decimals
        guard (-300...300).contains(last) else { return nil }
        tolerance = 0.5 * SearchNumber.power(last)
    }

    private static func power(_ exponent: Int) -> Double {
        var result = 1.0
        for _ in 0..<abs(exponent) { result *= 10 }
        return exponent < 0 ? 1 / result : result
    }
}
