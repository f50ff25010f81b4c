internal import FHIRCore

/// A code with what a CodeSystem or a ValueSet says about it.
struct Concept: Hashable {
    let system: String?
    let version: String?
    let code: String
    let display: String?

    /// What tells one concept from another.
    var identity: String { "\(system ?? "")|\(code)" }
}

/// The code systems and value sets of the store, looked up by their canonical addresses.
struct StoredTerminology {
    let search: SearchEngine

    /// The newest stored resource with a canonical address; `version`, or what follows `|`, picks one.
    func find(_ type: ResourceType, _ canonical: String, version: String? = nil) throws -> JSONValue? {
        let sides = canonical.split(separator: "|", maxSplits: 1).map(String.init)
        guard let url = sides.first else { return nil }
        let wanted = version ?? (sides.count > 1 ? sides[1] : nil)
        let query = QueryString([
            QueryString.Pair(name: "url", value: EscapedText.escape(url)),
            QueryString.Pair(name: "_sort", value: "-_lastUpdated"),
        ])
        return try search.everyMatch(type, query).lazy.map { try StoreTransaction.parse($0.body) }
            .first { wanted == nil || $0["version"]?.string == wanted }
    }

    // MARK: Code systems

    /// The tree of concepts of a code system, flat: parents before their children, with all ancestors' codes.
    static func concepts(of system: JSONValue) -> [(tree: JSONValue, ancestors: [String])] {
        func walk(_ concepts: [JSONValue], _ ancestors: [String]) -> [(tree: JSONValue, ancestors: [String])] {
            concepts.flatMap { concept -> [(tree: JSONValue, ancestors: [String])] in
                let below = ancestors + [concept["code"]?.string ?? ""]
                return [(concept, ancestors)] + walk(concept["concept"]?.flattened ?? [], below)
            }
        }
        return walk(system["concept"]?.flattened ?? [], [])
    }

    // MARK: Value sets

    /// The concepts of a value set; a value set that contains itself or that says more than is understood is refused.
    func expand(_ valueSet: JSONValue, above: [String] = []) throws -> [Concept] {
        let name = valueSet["url"]?.string ?? ""
        guard name.isEmpty || !above.contains(name) else {
            throw StoredTerminology.notSupported("the value set `\(name)` contains itself")
        }
        let path = above + [name]
        guard let compose = valueSet["compose"] else {
            guard let contains = valueSet["expansion"]?["contains"] else {
                throw StoredTerminology.notSupported("the value set has neither `compose` nor `expansion`")
            }
            return StoredTerminology.contained(contains.flattened)
        }
        var seen = Set<String>()
        let included = try (compose["include"]?.flattened ?? []).flatMap { try concepts($0, path) }
            .filter { seen.insert($0.identity).inserted }
        let excluded = Set(
            try (compose["exclude"]?.flattened ?? []).flatMap { try concepts($0, path) }.map(\.identity))
        return included.filter { !excluded.contains($0.identity) }
    }

    private static func contained(_ entries: [JSONValue]) -> [Concept] {
        entries.flatMap { entry -> [Concept] in
            let below = contained(entry["contains"]?.flattened ?? [])
            guard let code = entry["code"]?.string, entry["abstract"]?.bool != true else { return below }
            return [
                Concept(
                    system: entry["system"]?.string, version: entry["version"]?.string, code: code,
                    display: entry["display"]?.string)
            ] + below
        }
    }

    /// What one `include` or `exclude` names: a system's codes, and value sets that all must hold them.
    private func concepts(_ part: JSONValue, _ path: [String]) throws -> [Concept] {
        var result: [Concept]?
        for canonical in (part["valueSet"]?.flattened ?? []).compactMap(\.string) {
            guard let other = try find(.valueSet, canonical) else {
                throw StoredTerminology.notSupported("the value set `\(canonical)` is not stored here")
            }
            let expanded = try expand(other, above: path)
            let identities = Set(expanded.map(\.identity))
            result = result.map { $0.filter { identities.contains($0.identity) } } ?? expanded
        }
        if let system = part["system"]?.string {
            let own = try codes(of: system, part)
            let identities = Set(own.map(\.identity))
            result = result.map { $0.filter { identities.contains($0.identity) } } ?? own
        }
        return result ?? []
    }

    private func codes(of url: String, _ part: JSONValue) throws -> [Concept] {
        let version = part["version"]?.string
        let system = try find(.codeSystem, url, version: version)
        let known = system.map { StoredTerminology.concepts(of: $0) } ?? []
        let named = known.compactMap { concept -> (String, String)? in
            guard let code = concept.tree["code"]?.string, let display = concept.tree["display"]?.string else {
                return nil
            }
            return (code, display)
        }
        let displays = Dictionary(named) { first, _ in first }
        func concept(_ tree: JSONValue) -> Concept? {
            guard let code = tree["code"]?.string else { return nil }
            let display = tree["display"]?.string ?? displays[code]
            return Concept(system: url, version: version ?? system?["version"]?.string, code: code, display: display)
        }
        if let listed = part["concept"]?.flattened { return listed.compactMap(concept) }
        guard let system, system["content"]?.string == "complete" else {
            throw StoredTerminology.notSupported("the code system `\(url)` is not stored here in full")
        }
        var chosen = known
        for filter in part["filter"]?.flattened ?? [] { chosen = try StoredTerminology.filtered(chosen, filter) }
        return chosen.compactMap { concept($0.tree) }
    }

    private static func filtered(_ concepts: [(tree: JSONValue, ancestors: [String])], _ filter: JSONValue) throws
        -> [(tree: JSONValue, ancestors: [String])]
    {
        guard let property = filter["property"]?.string, let operation = filter["op"]?.string,
            let value = filter["value"]?.string
        else { throw notSupported("a filter of the value set is not complete") }
        let isCode = property == "concept" || property == "code"
        switch operation {
        case "is-a" where isCode:
            return concepts.filter { $0.tree["code"]?.string == value || $0.ancestors.contains(value) }
        case "descendent-of" where isCode: return concepts.filter { $0.ancestors.contains(value) }
        case "is-not-a" where isCode:
            return concepts.filter { $0.tree["code"]?.string != value && !$0.ancestors.contains(value) }
        case "in" where isCode, "=" where isCode:
            let codes = Set(value.split(separator: ",").map { String($0).trimmed })
            return concepts.filter { $0.tree["code"]?.string.map { codes.contains($0) } ?? false }
        case "=":
            return concepts.filter { concept in
                (concept.tree["property"]?.flattened ?? []).contains {
                    $0["code"]?.string == property && text(of: $0) == value
                }
            }
        default: throw notSupported("the filter `\(property) \(operation)` is not understood here")
        }
    }

    /// The value of a property of a concept as text.
    private static func text(of property: JSONValue) -> String? {
        let value = property.object?.first { $0.name.hasPrefix("value") }?.value
        return value?.string ?? value?["code"]?.string ?? value?.numberText ?? value?.bool.map { String($0) }
    }

    static func notSupported(_ diagnostics: String) -> SandboxFailure { .notSupported(diagnostics, status: 422) }
}

extension EscapedText {
    /// A text in which nothing has a meaning of its own to a search.
    static func escape(_ text: String) -> String {
        text.map { "\\,|$".contains($0) ? "\\\($0)" : "\($0)" }.joined()
    }
}
