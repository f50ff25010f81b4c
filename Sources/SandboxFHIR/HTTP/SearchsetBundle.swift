internal import FHIRCore

/// Renders what a search or an operation found as a Bundle of type `searchset`.
struct SearchsetBundle {
    let base: String
    /// The path of the search below the base.
    let path: String
    let registry: ParameterRegistry

    /// The answer to a search.
    func bundle(_ result: SearchResult) throws -> JSONValue {
        var page = Page(matches: result.matches, included: result.included, total: result.total)
        page.subset = result.controls.subset
        page.applied = result.applied
        page.nextCursor = result.next?.text
        page.notes = result.notes
        return try bundle(page)
    }

    /// One page of resources, with what its links say.
    struct Page {
        var matches: [StoredResource]
        var included: [StoredResource]
        var total: Int?
        var subset = ResourceSubset.whole
        /// The parameters that were in force, for the links.
        var applied = QueryString()
        /// Where the next page begins, when there is one.
        var nextCursor: String?
        var notes: [String] = []
    }

    /// Any page.
    func bundle(_ page: Page) throws -> JSONValue {
        var links = [link("self", page.applied, cursor: nil)]
        if let next = page.nextCursor { links.append(link("next", page.applied, cursor: next)) }
        var entries = try page.matches.map { try entry($0, mode: "match", page.subset) }
        entries += try page.included.map { try entry($0, mode: "include", page.subset) }
        if !page.notes.isEmpty {
            let outcome = JSONTree.outcome(
                severity: "warning", code: "not-supported", diagnostics: page.notes.joined(separator: "; "))
            entries.append(JSONTree.object([("resource", outcome), ("search", ["mode": "outcome"])]))
        }
        return JSONTree.object([
            ("resourceType", "Bundle"), ("type", "searchset"), ("total", page.total.map { .int(Int64($0)) }),
            ("link", .array(links)), ("entry", entries.isEmpty ? nil : .array(entries)),
        ])
    }

    private func link(_ relation: String, _ query: QueryString, cursor: String?) -> JSONValue {
        var query = query
        if let cursor { query.pairs.append(QueryString.Pair(name: "_cursor", value: cursor)) }
        let address = path.isEmpty ? base : "\(base)/\(path)"
        let url = query.pairs.isEmpty ? address : "\(address)?\(query.encoded)"
        return ["relation": .string(relation), "url": .string(url)]
    }

    private func entry(_ resource: StoredResource, mode: String, _ subset: ResourceSubset) throws -> JSONValue {
        let tree = subset.applied(to: try StoreTransaction.parse(resource.body), registry: registry)
        return JSONTree.object([
            ("fullUrl", .string("\(base)/\(resource.key)")), ("resource", tree),
            ("search", ["mode": .string(mode)]),
        ])
    }
}
