internal import FHIRCore

/// A search parameter that the sandbox indexes for one type.
struct IndexedParameter: Sendable {
    /// The kinds of parameter that have an index table.
    enum Kind: String, CaseIterable, Sendable {
        case token, reference, string, date, uri, number, quantity

        /// The table that holds its values.
        var table: String { "\(rawValue)_index" }
    }

    let type: ResourceType
    let code: String
    let kind: Kind
    /// The types that a reference can point at; empty for any.
    let targets: [ResourceType]
    /// The key of its rows in the index tables, the same for ever.
    let key: Int64
    /// The key of the identifiers of logical references (`:identifier`).
    let identifierKey: Int64
    private let expression: PathExpression

    init(type: ResourceType, code: String, kind: Kind, targets: [ResourceType], expression: PathExpression) {
        self.type = type
        self.code = code
        self.kind = kind
        self.targets = targets
        self.expression = expression
        key = IndexedParameter.key("\(type.rawValue).\(code)")
        identifierKey = IndexedParameter.key("\(type.rawValue).\(code):identifier")
    }

    /// The values of the parameter in a resource, with the key of the rows they belong to; each once.
    func entries(in resource: JSONValue) -> [(key: Int64, entry: IndexEntry)] {
        var seen = Set<IndexEntry>()
        var rows: [(key: Int64, entry: IndexEntry)] = []
        let elements = expression.evaluate(resource)
        for entry in elements.flatMap({ read($0.value) }) where seen.insert(entry).inserted {
            rows.append((key, entry))
        }
        if kind == .reference {
            let identifiers = Set(elements.flatMap { IndexReader.referenceIdentifiers($0.value) })
            rows += identifiers.map { (identifierKey, $0) }
        }
        return rows
    }

    private func read(_ value: JSONValue) -> [IndexEntry] {
        switch kind {
        case .token: IndexReader.tokens(value)
        case .reference: IndexReader.references(value)
        case .string: IndexReader.strings(value)
        case .date: IndexReader.dates(value)
        case .uri: IndexReader.uris(value)
        case .number: IndexReader.numbers(value)
        case .quantity: IndexReader.quantities(value)
        }
    }

    /// FNV-1a over the parameter's full name, 63 bits: a key that needs no table of names.
    static func key(_ name: String) -> Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        return Int64(hash >> 1)
    }
}
