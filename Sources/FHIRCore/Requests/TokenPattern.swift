/// What a search value of a token parameter asks for (FHIR R4 search.html, token).
public enum TokenPattern: Hashable, Sendable {
    /// `code`: whatever its system.
    case code(String)
    /// `system|code`.
    case systemAndCode(system: String, code: String)
    /// `|code`: a code that has no system.
    case codeWithoutSystem(String)
    /// `system|`: any code of a system.
    case system(String)

    /// Reads one alternative with its escapes still in it; nil for an empty one or one with more than one bar.
    public init?(rawValue: String) {
        let parts = SearchValue.split(rawValue, at: "|").map(SearchValue.unescaped)
        switch (parts.count, parts.first ?? "", parts.last ?? "") {
        case (1, let code, _) where !code.isEmpty: self = .code(code)
        case (2, "", let code) where !code.isEmpty: self = .codeWithoutSystem(code)
        case (2, let system, "") where !system.isEmpty: self = .system(system)
        case (2, let system, let code) where !system.isEmpty && !code.isEmpty:
            self = .systemAndCode(system: system, code: code)
        default: return nil
        }
    }

    /// Whether an element has what is asked for. Codes and systems are compared byte for byte.
    public func matches(_ value: TokenValue) -> Bool {
        switch self {
        case .code(let code): TokenPattern.isSame(value.code, code)
        case .systemAndCode(let system, let code):
            TokenPattern.isSame(value.system, system) && TokenPattern.isSame(value.code, code)
        case .codeWithoutSystem(let code): value.system == nil && TokenPattern.isSame(value.code, code)
        case .system(let system): TokenPattern.isSame(value.system, system)
        }
    }

    /// Swift's `==` on strings takes canonically equivalent texts for the same; other servers do not.
    private static func isSame(_ left: String?, _ right: String) -> Bool {
        left.map { $0.utf8.elementsEqual(right.utf8) } ?? false
    }
}
