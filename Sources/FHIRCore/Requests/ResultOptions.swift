/// How the client wants an answer written. We do this ourselves; none of it is ever forwarded (it would take from
/// the answer what has to be looked at).
public struct ResultOptions: Hashable, Sendable {
    /// The forms of an answer.
    public enum Format: Hashable, Sendable {
        /// FHIR JSON.
        case json
        /// The content of a Binary as it is, instead of the resource around it.
        case rawBinary
    }

    /// `_summary` (FHIR R4 search.html).
    public enum Summary: String, Hashable, Sendable {
        case `true`, `false`, text, data, count
    }

    /// The form of the answer.
    public var format: Format = .json
    /// `_summary`, if it was there.
    public var summary: Summary?
    /// The names in `_elements`; empty when it was not there.
    public var elements: [String] = []

    /// Plain JSON, whole.
    public init() {}

    static let parameterNames: Set<String> = ["_format", "_pretty", "_summary", "_elements"]

    /// Takes the options out of a query.
    init(takenFrom query: inout SearchQuery) throws(RequestRefusal) {
        let options = query.terms.filter { ResultOptions.parameterNames.contains($0.name) }
        guard !options.isEmpty else { return }
        for (place, term) in options.enumerated() {
            guard term.modifier == nil, term.chain.isEmpty, !options[..<place].contains(where: { $0.name == term.name })
            else { throw .invalid("`\(term.name)` stands once and without modifier") }
            try read(term)
        }
        query.terms.removeAll { ResultOptions.parameterNames.contains($0.name) }
    }

    private mutating func read(_ term: SearchTerm) throws(RequestRefusal) {
        switch term.name {
        case "_format":
            // A `+` that was not encoded has become a space by now.
            let names: Set<String> = [
                "json", "application/json", "text/json", "application/fhir+json", "application/fhir json",
            ]
            guard names.contains(term.rawValue.lowercased()) else { throw .notAcceptable }
        case "_pretty":
            guard term.rawValue == "true" || term.rawValue == "false" else {
                throw .invalid("`_pretty` is `true` or `false`")
            }
        case "_summary":
            guard let value = Summary(rawValue: term.rawValue) else {
                throw .invalid("`_summary` has a value that FHIR R4 does not know")
            }
            summary = value
        default:
            elements = term.values
            guard elements.allSatisfy(ResultOptions.isElementName) else {
                throw .invalid("`_elements` is a list of element names")
            }
        }
    }

    private static func isElementName(_ text: String) -> Bool {
        guard let first = text.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= first | 0x20 else { return false }
        return text.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte | 0x20 || (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte
                || byte == UInt8(ascii: ".")
        }
    }
}
