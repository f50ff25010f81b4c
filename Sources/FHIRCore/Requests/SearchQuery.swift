/// The parameters of a search or an operation, in their order, duplicates kept.
public struct SearchQuery: Hashable, Sendable {
    /// The parameters.
    public var terms: [SearchTerm]

    /// A query of these parameters.
    public init(_ terms: [SearchTerm] = []) { self.terms = terms }

    /// Reads a raw query or form: split at `&` only, then at the first `=`, then decoded once.
    public init(parsing raw: String) throws(RequestRefusal) {
        try self.init(parsing: raw, limits: .default)
    }

    /// Reads a raw query or form within limits.
    public init(parsing raw: String, limits: RequestLimits) throws(RequestRefusal) {
        terms = []
        guard !raw.isEmpty else { return }
        guard raw.utf8.count <= limits.maxQueryBytes else { throw .tooLong("the query is too long") }
        let parts = raw.utf8.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false)
        guard parts.count <= limits.maxTerms else { throw .tooLong("the query has too many parameters") }
        terms.reserveCapacity(parts.count)
        for part in parts {
            guard let separator = part.firstIndex(of: UInt8(ascii: "=")) else {
                throw .invalid("a part of the query is not of the form name=value")
            }
            guard let name = PercentCoding.decoded(Substring(part[..<separator])),
                let value = PercentCoding.decoded(Substring(part[part.index(after: separator)...]))
            else { throw .invalid("the query has a character or an escape that it cannot have") }
            guard let term = SearchTerm(decodedName: name, rawValue: value) else {
                throw .invalid("the query has a name that no search parameter can have")
            }
            terms.append(term)
        }
    }

    /// The query as it is sent: built from the parsed terms only. Reading it again gives the same terms.
    public var encoded: String { terms.map(\.encoded).joined(separator: "&") }

    /// The parameters whose name begins with this one, chains and modifiers included.
    public func terms(named name: String) -> [SearchTerm] { terms.filter { $0.name == name } }
}
