/// How the client wants an answer written. We do this ourselves; none of it is ever forwarded (it would take from
/// the answer what has to be looked at).
public struct ResultOptions: Hashable, Sendable {
    /// What an answer holds.
    public enum Content: Hashable, Sendable {
        /// Resources, in a format of FHIR.
        case resource
        /// The content of a Binary as it is, instead of the resource around it.
        case rawBinary
    }

    /// `_summary` (FHIR R4 search.html).
    public enum Summary: String, Hashable, Sendable {
        case `true`, `false`, text, data, count
    }

    /// What the answer holds.
    public var content: Content = .resource
    /// What `_format` named, for the links to further pages; the answer itself is written by whoever sends it.
    public var namedFormat: AnswerFormat?
    /// `_summary`, if it was there.
    public var summary: Summary?
    /// The names in `_elements`; empty when it was not there.
    public var elements: [String] = []

    /// Resources, whole.
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
            guard let format = AnswerFormat.named(term.rawValue) else { throw .notAcceptable }
            namedFormat = format
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
