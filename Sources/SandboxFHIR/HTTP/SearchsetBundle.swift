internal import FHIRCore

/// Renders what a search found as a Bundle of type `searchset`.
struct SearchsetBundle {
    let base: String
    /// The path of the search below the base.
    let path: String

    func bundle(_ result: SearchResult) throws -> JSONValue {
        var links = [link("self", result.applied, cursor: nil)]
        if let next = result.next { links.append(link("next", result.applied, cursor: next)) }
        var entries = try result.matches.map { try entry($0, mode: "match", result.controls) }
        entries += try result.included.map { try entry($0, mode: "include", result.controls) }
        if !result.notes.isEmpty {
            let outcome = JSONTree.outcome(
                severity: "warning", code: "not-supported", diagnostics: result.notes.joined(separator: "; "))
            entries.append(JSONTree.object([("resource", outcome), ("search", ["mode": "outcome"])]))
        }
        return JSONTree.object([
            ("resourceType", "Bundle"), ("type", "searchset"), ("total", result.total.map { .int(Int64($0)) }),
            ("link", .array(links)), ("entry", entries.isEmpty ? nil : .array(entries)),
        ])
    }

    private func link(_ relation: String, _ query: QueryString, cursor: SearchCursor?) -> JSONValue {
        var query = query
        if let cursor { query.pairs.append(QueryString.Pair(name: "_cursor", value: cursor.text)) }
        let address = path.isEmpty ? base : "\(base)/\(path)"
        let url = query.pairs.isEmpty ? address : "\(address)?\(query.encoded)"
        return ["relation": .string(relation), "url": .string(url)]
    }

    private func entry(_ resource: StoredResource, mode: String, _ controls: SearchControls) throws -> JSONValue {
        var tree = try StoreTransaction.parse(resource.body)
        if controls.withoutText { tree = subset(tree) { $0 != "text" } }
        if let elements = controls.elements {
            tree = subset(tree) { elements.contains($0) || SearchsetBundle.always.contains($0) }
        }
        return JSONTree.object([
            ("fullUrl", .string("\(base)/\(resource.key)")), ("resource", tree),
            ("search", ["mode": .string(mode)]),
        ])
    }

    /// What `_elements` never takes away: what says which resource it is.
    private static let always: Set<String> = ["resourceType", "id", "meta"]

    /// A resource with elements taken away, tagged as incomplete (FHIR R4 search §3.1.1.5.8).
    private func subset(_ tree: JSONValue, keeping isKept: (String) -> Bool) -> JSONValue {
        let kept = tree.keeping(isKept)
        let tag: JSONValue = [
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED",
        ]
        let meta = kept["meta"] ?? .object([])
        return kept.setting("meta", to: meta.setting("tag", to: .array((meta["tag"]?.flattened ?? []) + [tag])))
    }
}
