internal import FHIRCore
internal import GRDB

/// What a search found: one page of matches, what they include, and where the next page begins.
struct SearchResult {
    var matches: [StoredResource] = []
    var included: [StoredResource] = []
    var total: Int?
    var next: SearchCursor?
    /// The parameters that were in force, for the links.
    var applied = QueryString()
    /// What was asked and left out, as told in an `outcome` entry.
    var notes: [String] = []
    var controls: SearchControls
}

/// Runs searches inside one transaction.
struct SearchEngine {
    let transaction: StoreTransaction
    let ownBase: String
    let limits: SandboxConfiguration

    private var compiler: CriterionCompiler {
        CriterionCompiler(registry: transaction.registry, ownBase: ownBase, now: transaction.now())
    }

    func search(_ request: SearchRequest) throws -> SearchResult {
        var unused: [QueryString.Pair] = []
        let controls = try SearchControls(request.query, limits: limits, unused: &unused)
        var result = SearchResult(controls: controls)
        let types = try searchedTypes(request, controls)
        var (conditions, applied) = try criteria(request, types: types, notes: &result.notes)
        conditions.append(place(request, types: types))
        let sort = SearchSort(controls.sort, types: types, registry: transaction.registry)
        if !sort.ignored.isEmpty {
            let note = "`_sort` cannot use \(sort.ignored.map { "`\($0)`" }.joined(separator: ", "))"
            guard request.handling == .lenient else { throw SandboxFailure.notSupported(note) }
            result.notes.append(note)
        }
        applied += controlsForLinks(request, sort: sort, unused: unused)
        result.applied = QueryString(applied)

        let matching = SQLFragment.all(conditions)
        if controls.total == .accurate || controls.countOnly { result.total = try count(matching) }
        guard !controls.countOnly else { return result }
        let rows = try page(matching, sort: sort, controls: controls)
        result.matches = try rows.prefix(controls.count).map(StoreTransaction.stored)
        if rows.count > controls.count, controls.count > 0 {
            result.next = SearchCursor(values: (0..<sort.count).map { rows[controls.count - 1][7 + $0] })
        }
        result.included = try IncludeEngine(transaction: transaction, ownBase: ownBase)
            .resources(for: result.matches, rules: controls.includes)
        return result
    }

    /// The matches of a conditional interaction, at most two of them: more need not be told apart.
    func matches(_ type: ResourceType, _ query: QueryString) throws -> [StoredResource] {
        guard !query.pairs.isEmpty else { throw SandboxFailure.invalid("a conditional request needs a criterion") }
        let asked = QueryString(
            query.pairs.filter { !SearchControls.names.contains($0.name) } + [
                QueryString.Pair(name: "_count", value: "2")
            ]
        )
        guard asked.pairs.count > 1 else { throw SandboxFailure.invalid("a conditional request needs a criterion") }
        // A criterion that is not understood must not widen what a write applies to.
        return try search(SearchRequest(type: type, compartment: nil, query: asked, handling: .strict)).matches
    }

    /// All matches of a search, in its order; a parameter that is not understood is refused.
    func everyMatch(_ type: ResourceType, _ query: QueryString) throws -> [StoredResource] {
        let request = SearchRequest(type: type, compartment: nil, query: query, handling: .strict)
        var unused: [QueryString.Pair] = []
        var controls = try SearchControls(query, limits: limits, unused: &unused)
        controls.count = Int(Int32.max)
        var notes: [String] = []
        let conditions = try criteria(request, types: [type], notes: &notes).0 + [place(request, types: [type])]
        let sort = SearchSort(controls.sort, types: [type], registry: transaction.registry)
        return try page(.all(conditions), sort: sort, controls: controls).map(StoreTransaction.stored)
    }

    /// The keys of the rows that a search without controls matches.
    func rows(_ type: ResourceType, _ query: QueryString) throws -> [Int64] {
        let request = SearchRequest(type: type, compartment: nil, query: query, handling: .strict)
        var notes: [String] = []
        let matching = SQLFragment.all(
            try criteria(request, types: [type], notes: &notes).0 + [place(request, types: [type])])
        return try Int64.fetchAll(
            transaction.db, sql: "SELECT r0.pk FROM resource r0 WHERE \(matching.sql)", arguments: matching.arguments)
    }

    // MARK: Conditions

    private func searchedTypes(_ request: SearchRequest, _ controls: SearchControls) throws -> [ResourceType] {
        if let type = request.type { return [type] }
        if let types = controls.types { return types }
        return try String.fetchAll(transaction.db, sql: "SELECT DISTINCT type FROM resource WHERE deleted = 0")
            .map(StoreTransaction.type)
    }

    private func criteria(_ request: SearchRequest, types: [ResourceType], notes: inout [String]) throws
        -> ([SQLFragment], [QueryString.Pair])
    {
        var conditions: [SQLFragment] = []
        var applied: [QueryString.Pair] = []
        let compiler = compiler
        for pair in request.query.pairs {
            let criterion = Criterion(pair)
            guard !SearchControls.names.contains(criterion.code) else { continue }
            let known =
                request.type == nil && types.isEmpty
                ? SQLFragment("0") : try compiler.condition(criterion, onAnyOf: types)
            if let known {
                conditions.append(known)
                applied.append(pair)
            } else {
                let note = "the search parameter `\(pair.name)` is not known here or has no value"
                guard request.handling == .lenient else { throw SandboxFailure.notSupported(note) }
                notes.append(note)
            }
        }
        return (conditions, applied)
    }

    /// The rows that can match at all: current, of the types asked, in the compartment.
    private func place(_ request: SearchRequest, types: [ResourceType]) -> SQLFragment {
        let alternatives = types.map { type -> SQLFragment in
            let ofType = SQLFragment("r0.type = ?", [type.rawValue])
            guard let compartment = request.compartment else { return ofType }
            return .all([ofType, member(of: compartment.kind, compartment.id, type)])
        }
        return .all([SQLFragment("r0.deleted = 0"), .any(alternatives)])
    }

    /// Membership of a compartment: by any inclusion parameter, or by being its subject (FHIR R4 §3.1.0.5.2).
    private func member(of kind: CompartmentKind, _ id: ResourceID, _ type: ResourceType) -> SQLFragment {
        var ways = R4.compartmentParameters(kind, type)
            .compactMap { transaction.registry.parameter($0, for: type) }
            .map { parameter in
                SQLFragment(
                    """
                    r0.pk IN (SELECT x.resource FROM reference_index x WHERE x.param = ? AND x.target_id = ?
                    AND x.target_type = ? AND x.base IN ('', ?))
                    """, [parameter.key, id.text, kind.rawValue, ownBase])
            }
        if type == kind.resourceType { ways.append(SQLFragment("r0.id = ?", [id.text])) }
        return .any(ways)
    }

    private func controlsForLinks(_ request: SearchRequest, sort: SearchSort, unused: [QueryString.Pair])
        -> [QueryString.Pair]
    {
        var pairs = request.query.pairs.filter { pair in
            let name = pair.name.split(separator: ":", maxSplits: 1).first.map(String.init) ?? pair.name
            return SearchControls.names.contains(name) && !["_sort", "_cursor"].contains(name) && !unused.contains(pair)
        }
        if !sort.applied.isEmpty {
            pairs.append(QueryString.Pair(name: "_sort", value: sort.applied.joined(separator: ",")))
        }
        return pairs
    }

    // MARK: Queries

    private func count(_ matching: SQLFragment) throws -> Int {
        try Int.fetchOne(
            transaction.db, sql: "SELECT COUNT(*) FROM resource r0 WHERE \(matching.sql)",
            arguments: matching.arguments) ?? 0
    }

    /// One row more than the page, which tells whether there is a next one.
    private func page(_ matching: SQLFragment, sort: SearchSort, controls: SearchControls) throws -> [Row] {
        let columns = sort.columns
        var query =
            SQLFragment(
                """
                SELECT m.type, m.id, v.version, v.updated, v.deleted, v.method, v.body, m.* FROM (
                SELECT
                """ + " ") + columns
            + SQLFragment(", r0.pk AS pk, r0.version AS version, r0.type AS type, r0.id AS id FROM resource r0 WHERE ")
            + matching
        query = SQLFragment(
            query.sql + ") m JOIN version v ON v.resource = m.pk AND v.version = m.version", query.arguments)
        if let cursor = controls.cursor { query = query + SQLFragment(" WHERE ") + (try sort.after(cursor)) }
        query = query + SQLFragment(" ORDER BY \(sort.order) LIMIT ?", [controls.count + 1])
        return try Row.fetchAll(transaction.db, sql: query.sql, arguments: query.arguments)
    }
}
