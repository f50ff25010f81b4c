internal import FHIRCore
internal import GRDB

/// Follows `_include` and `_revinclude` from the matches of a page (FHIR R4 search §3.1.1.5.4).
struct IncludeEngine {
    let transaction: StoreTransaction
    let ownBase: String

    /// The resources that the rules bring in, each once and none that is a match.
    func resources(for matches: [StoredResource], rules: [IncludeRule]) throws -> [StoredResource] {
        guard !rules.isEmpty, !matches.isEmpty else { return [] }
        var known = Set(matches.map(\.key))
        var included: [StoredResource] = []
        var frontier = matches
        var rules = rules
        while !frontier.isEmpty {
            var found: [StoredResource] = []
            for rule in rules {
                for key in try follow(rule, from: frontier.map(\.key)) where known.insert(key).inserted {
                    if let resource = try transaction.current(key), !resource.isDeleted { found.append(resource) }
                }
            }
            included += found
            frontier = found
            // Only iterating rules look at what was included.
            rules = rules.filter(\.iterates)
        }
        return included
    }

    private func follow(_ rule: IncludeRule, from keys: [InstanceKey]) throws -> [InstanceKey] {
        let parameters = transaction.registry.parameters(for: rule.source).all.filter {
            $0.kind == .reference && (rule.code == "*" || rule.code == $0.code)
        }
        guard !parameters.isEmpty else {
            throw SandboxFailure.notSupported(
                "`\(rule.source.rawValue):\(rule.code)` is not a reference parameter that is known here")
        }
        return try parameters.flatMap { parameter in
            rule.isReverse
                ? try sources(of: parameter, rule, to: keys) : try targets(of: parameter, rule, from: keys)
        }
    }

    private func targets(of parameter: IndexedParameter, _ rule: IncludeRule, from keys: [InstanceKey]) throws
        -> [InstanceKey]
    {
        let ids = keys.filter { $0.type == rule.source }.map(\.id.text)
        guard !ids.isEmpty else { return [] }
        let rows = try Row.fetchAll(
            transaction.db,
            sql: """
                SELECT DISTINCT x.target_type, x.target_id FROM resource r JOIN reference_index x ON x.resource = r.pk
                WHERE r.type = ? AND r.id IN (SELECT value FROM json_each(?)) AND x.param = ?
                AND x.target_id IS NOT NULL AND x.base IN ('', ?) ORDER BY 1, 2
                """, arguments: [rule.source.rawValue, IncludeEngine.list(ids), parameter.key, ownBase])
        return try rows.map(IncludeEngine.key).filter { rule.target == nil || rule.target == $0.type }
    }

    private func sources(of parameter: IndexedParameter, _ rule: IncludeRule, to keys: [InstanceKey]) throws
        -> [InstanceKey]
    {
        try Dictionary(grouping: keys, by: \.type).sorted { $0.key < $1.key }.flatMap { type, keys in
            guard rule.target == nil || rule.target == type else { return [InstanceKey]() }
            let rows = try Row.fetchAll(
                transaction.db,
                sql: """
                    SELECT DISTINCT r.type, r.id FROM reference_index x JOIN resource r ON r.pk = x.resource
                    WHERE x.param = ? AND x.target_id IN (SELECT value FROM json_each(?)) AND x.target_type = ?
                    AND x.base IN ('', ?) AND r.deleted = 0 ORDER BY r.pk
                    """,
                arguments: [parameter.key, IncludeEngine.list(keys.map(\.id.text)), type.rawValue, ownBase])
            return try rows.map(IncludeEngine.key)
        }
    }

    private static func list(_ ids: [String]) -> String {
        JSONValue.array(ids.map { .string($0) }).text
    }

    private static func key(_ row: Row) throws -> InstanceKey {
        let name: String = row[1]
        guard let id = ResourceID(name) else {
            throw SandboxFailure(status: 500, issueCode: "exception", diagnostics: "an id in the index is not legal")
        }
        return InstanceKey(type: try StoreTransaction.type(row[0]), id: id)
    }
}
