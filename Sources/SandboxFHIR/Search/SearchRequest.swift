internal import FHIRCore

/// What a search asks for: where, and with which parameters.
struct SearchRequest {
    /// The type searched; `nil` for all types that the store has.
    let type: ResourceType?
    /// The compartment that matches must be in.
    let compartment: (kind: CompartmentKind, id: ResourceID)?
    let query: QueryString
    let handling: SearchHandling
}

/// The parameters that shape the answer rather than choose the matches.
struct SearchControls {
    enum Total { case none, accurate }

    var count: Int
    var total = Total.accurate
    var countOnly = false
    var subset = ResourceSubset.whole
    var sort: String?
    var cursor: SearchCursor?
    var includes: [IncludeRule] = []
    var types: [ResourceType]?

    /// The names that are controls, with those that are accepted and change nothing here.
    static let names: Set<String> = [
        "_count", "_total", "_summary", "_elements", "_sort", "_cursor", "_include", "_revinclude", "_type", "_format",
        "_pretty",
    ]

    /// Reads the controls of a query. `unused` receives the pairs that change nothing.
    init(_ query: QueryString, limits: SandboxConfiguration, unused: inout [QueryString.Pair])
        throws(SandboxFailure)
    {
        count = limits.defaultPageSize
        for pair in query.pairs {
            let name = pair.name.split(separator: ":", maxSplits: 1).first.map(String.init) ?? pair.name
            guard SearchControls.names.contains(name) else { continue }
            if try !read(name, pair, limits: limits) { unused.append(pair) }
        }
    }

    private mutating func read(_ name: String, _ pair: QueryString.Pair, limits: SandboxConfiguration)
        throws(SandboxFailure) -> Bool
    {
        switch name {
        case "_count":
            guard let number = Int(pair.value), number >= 0 else { throw .invalid("`_count` is not a number") }
            count = min(number, limits.maximumPageSize)
            if number == 0 { countOnly = true }
        case "_total":
            guard ["none", "estimate", "accurate"].contains(pair.value) else {
                throw .invalid("`_total` is none, estimate or accurate")
            }
            total = pair.value == "none" ? .none : .accurate
        case "_summary": try readSummary(pair.value)
        case "_elements":
            subset = subset.adding(elements: pair.value)
        case "_sort": sort = sort.map { "\($0),\(pair.value)" } ?? pair.value
        case "_cursor": cursor = try SearchCursor(parsing: pair.value)
        case "_include", "_revinclude": includes.append(try IncludeRule(pair))
        case "_type": types = try (types ?? []) + SearchControls.readTypes(pair.value)
        default: return true
        }
        return true
    }

    private mutating func readSummary(_ value: String) throws(SandboxFailure) {
        if value == "count" {
            countOnly = true
        } else {
            guard let named = ResourceSubset(summary: value) else {
                throw .invalid("`_summary` is not one of true, text, data, count, false")
            }
            subset = named
        }
    }

    private static func readTypes(_ text: String) throws(SandboxFailure) -> [ResourceType] {
        var types: [ResourceType] = []
        for name in text.split(separator: ",") {
            guard let type = ResourceType(rawValue: String(name)) else {
                throw .invalid("`\(name)` is not a resource type of R4")
            }
            types.append(type)
        }
        return types
    }
}

/// An `_include` or `_revinclude`: which references are followed, and in which direction.
struct IncludeRule: Hashable, Sendable {
    let isReverse: Bool
    /// Whether included resources are looked at too.
    let iterates: Bool
    let source: ResourceType
    /// The code of the reference parameter; `*` for all.
    let code: String
    let target: ResourceType?

    init(_ pair: QueryString.Pair) throws(SandboxFailure) {
        let name = pair.name.split(separator: ":", maxSplits: 1).map(String.init)
        isReverse = name[0] == "_revinclude"
        // `:recurse` is the name that the modifier had before R4.
        guard name.count == 1 || name[1] == "iterate" || name[1] == "recurse" else {
            throw .notSupported("the modifier of `\(pair.name)` is not known")
        }
        iterates = name.count > 1
        let parts = pair.value.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), let source = ResourceType(rawValue: parts[0]) else {
            throw .invalid("`\(pair.name)` is written `Type:parameter` or `Type:parameter:Target`")
        }
        self.source = source
        code = parts[1]
        if parts.count == 3 {
            guard let target = ResourceType(rawValue: parts[2]) else {
                throw .invalid("`\(parts[2])` is not a resource type of R4")
            }
            self.target = target
        } else {
            target = nil
        }
    }
}
