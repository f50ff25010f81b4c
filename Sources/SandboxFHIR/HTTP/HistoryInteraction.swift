internal import FHIRCore
internal import GRDB

/// Answers history requests: versions newest first, in pages (FHIR R4 http §3.1.0.13).
struct HistoryInteraction {
    enum Scope {
        case instance(InstanceKey), type(ResourceType), system
    }

    private let interactions: Interactions

    init(_ interactions: Interactions) { self.interactions = interactions }

    func respond(_ scope: Scope, _ request: SandboxRequest) throws -> SandboxResponse {
        let count = try pageSize(request.query)
        var conditions = [place(scope)]
        var applied: [QueryString.Pair] = []
        for pair in request.query.pairs {
            switch pair.name {
            case "_since":
                guard let range = FHIRTime.range(pair.value) else {
                    throw SandboxFailure.invalid("`_since` is not an instant")
                }
                conditions.append(SQLFragment("v.updated >= ?", [range.lowerBound]))
                applied.append(pair)
            case "_count": applied.append(pair)
            default: break
            }
        }
        let matching = SQLFragment.all(conditions)
        let total = try total(matching)
        if case .instance(let key) = scope, total == 0, try interactions.transaction.current(key) == nil {
            throw SandboxFailure.notFound("\(key) is not known")
        }
        let rows = try page(matching, after: request.query.values("_cursor").first, count: count)
        let versions = try rows.prefix(count).map(StoreTransaction.stored)
        let next: Int64? = rows.count > count && count > 0 ? rows[count - 1][7] : nil
        let entries = try versions.map { try entry($0) }
        return SandboxResponse(
            status: 200,
            body: .tree(
                JSONTree.object([
                    ("resourceType", "Bundle"), ("type", "history"), ("total", .int(Int64(total))),
                    ("link", .array(links(scope, applied, next: next))),
                    ("entry", entries.isEmpty ? nil : .array(entries)),
                ])))
    }

    private func pageSize(_ query: QueryString) throws -> Int {
        guard let text = query.values("_count").last else { return interactions.limits.defaultPageSize }
        guard let number = Int(text), number >= 0 else { throw SandboxFailure.invalid("`_count` is not a number") }
        return min(number, interactions.limits.maximumPageSize)
    }

    private func place(_ scope: Scope) -> SQLFragment {
        switch scope {
        case .instance(let key): SQLFragment("(r.type = ? AND r.id = ?)", [key.type.rawValue, key.id.text])
        case .type(let type): SQLFragment("r.type = ?", [type.rawValue])
        case .system: SQLFragment("1")
        }
    }

    private func total(_ matching: SQLFragment) throws -> Int {
        try Int.fetchOne(
            interactions.transaction.db,
            sql: "SELECT COUNT(*) FROM version v JOIN resource r ON r.pk = v.resource WHERE \(matching.sql)",
            arguments: matching.arguments) ?? 0
    }

    private func page(_ matching: SQLFragment, after cursor: String?, count: Int) throws -> [Row] {
        var query =
            SQLFragment(
                """
                SELECT r.type, r.id, v.version, v.updated, v.deleted, v.method, v.body, v.seq FROM version v
                JOIN resource r ON r.pk = v.resource WHERE
                """ + " ") + matching
        if let cursor {
            guard let place = Int64(cursor) else { throw SandboxFailure.invalid("`_cursor` is not this server's") }
            query = query + SQLFragment(" AND v.seq < ?", [place])
        }
        query = query + SQLFragment(" ORDER BY v.seq DESC LIMIT ?", [count + 1])
        return try Row.fetchAll(interactions.transaction.db, sql: query.sql, arguments: query.arguments)
    }

    private func links(_ scope: Scope, _ applied: [QueryString.Pair], next: Int64?) -> [JSONValue] {
        let path =
            switch scope {
            case .instance(let key): "\(key)/_history"
            case .type(let type): "\(type.rawValue)/_history"
            case .system: "_history"
            }
        func link(_ relation: String, _ pairs: [QueryString.Pair]) -> JSONValue {
            let query = pairs.isEmpty ? "" : "?\(QueryString(pairs).encoded)"
            return ["relation": .string(relation), "url": .string("\(interactions.base)/\(path)\(query)")]
        }
        var links = [link("self", applied)]
        if let next { links.append(link("next", applied + [QueryString.Pair(name: "_cursor", value: "\(next)")])) }
        return links
    }

    private func entry(_ version: StoredResource) throws -> JSONValue {
        let url = version.method == "POST" ? version.key.type.rawValue : version.key.description
        let status =
            switch version.method {
            case "DELETE": "204 No Content"
            case "POST": "201 Created"
            default: version.version == 1 ? "201 Created" : "200 OK"
            }
        return JSONTree.object([
            ("fullUrl", .string("\(interactions.base)/\(version.key)")),
            ("resource", version.isDeleted ? nil : try StoreTransaction.parse(version.body)),
            ("request", ["method": .string(version.method), "url": .string(url)]),
            (
                "response",
                [
                    "status": .string(status), "etag": .string(version.entityTag),
                    "lastModified": .string(FHIRTime.instant(version.lastUpdated)),
                ]
            ),
        ])
    }
}
