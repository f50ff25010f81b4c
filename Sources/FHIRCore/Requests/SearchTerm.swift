/// One `name=value` of a query, with its name taken apart.
public struct SearchTerm: Hashable, Sendable {
    /// One step of a chain. Each ends in a parameter; the last one's parameter is what the value is compared with.
    public enum ChainLink: Hashable, Sendable {
        /// `.parameter` or `:Type.parameter`: of the resources that the parameter before points at.
        case forward(to: ResourceType?, parameter: String)
        /// `_has:Type:reference:parameter`: of the resources of a type that point here by `reference`.
        case reverse(from: ResourceType, reference: String, parameter: String)
    }

    /// The first parameter of the name; `_has` when a reverse chain begins there.
    public let name: String
    /// What follows the last `:` when that is no chain: `exact`, `not`, a type …
    public let modifier: String?
    /// The steps from the first parameter to the one that is compared; mostly none.
    public let chain: [ChainLink]
    /// The value, percent-decoded, with FHIR's own escapes (`\,`) still in it.
    public let rawValue: String

    /// A plain parameter with a value in which FHIR's escapes stand where they must.
    public init(name: String, modifier: String? = nil, rawValue: String) {
        self.name = name
        self.modifier = modifier
        chain = []
        self.rawValue = rawValue
    }

    /// Takes a decoded name apart; nil when it has not the grammar of a FHIR search parameter (search.html).
    init?(decodedName: String, rawValue: String) {
        guard let parsed = SearchTermName.parse(decodedName) else { return nil }
        name = parsed.name
        modifier = parsed.modifier
        chain = parsed.chain
        self.rawValue = rawValue
    }

    /// The whole name as it stands in a query.
    public var fullName: String {
        var text = name
        for link in chain {
            switch link {
            case .forward(let type, let parameter): text += (type.map { ":\($0.rawValue)" } ?? "") + ".\(parameter)"
            case .reverse(let type, let reference, let parameter):
                text += ":\(type.rawValue):\(reference):\(parameter)"
            }
        }
        return text + (modifier.map { ":\($0)" } ?? "")
    }

    /// The alternatives between commas, with FHIR's escapes still in them.
    public var rawValues: [String] { SearchValue.split(rawValue, at: ",") }

    /// The alternatives between commas, with FHIR's escapes undone.
    public var values: [String] { rawValues.map(SearchValue.unescaped) }

    /// The term as it is sent: encoded by us, whatever the client wrote.
    public var encoded: String { "\(fullName)=\(PercentCoding.encoded(rawValue))" }
}

/// FHIR's own escapes in search values (R4 search.html, escaping search parameters).
///
/// Works on Unicode scalars: a separator with a combining mark after it is still a separator.
public enum SearchValue {
    private static let backslash: Unicode.Scalar = "\\"

    /// The parts between separators that no backslash stands before; escapes stay in the parts.
    public static func split(_ text: String, at separator: Unicode.Scalar) -> [String] {
        var parts: [String] = []
        var current = String.UnicodeScalarView()
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if scalar == separator && !isEscaped {
                parts.append(String(current))
                current = String.UnicodeScalarView()
                continue
            }
            current.append(scalar)
            isEscaped = scalar == backslash && !isEscaped
        }
        parts.append(String(current))
        return parts
    }

    private static func isSpecial(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "," || scalar == "$" || scalar == "|" || scalar == backslash
    }

    /// The text with `\,` `\$` `\|` and `\\` undone; any other backslash is itself.
    public static func unescaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var isPending = false
        for scalar in text.unicodeScalars {
            if isPending {
                if !isSpecial(scalar) { result.append(backslash) }
                result.append(scalar)
                isPending = false
            } else if scalar == backslash {
                isPending = true
            } else {
                result.append(scalar)
            }
        }
        if isPending { result.append(backslash) }
        return String(result)
    }
}
