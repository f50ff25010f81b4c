internal import AccessPolicy
public import Enforcement
public import FHIRCore
internal import Synchronization

/// A small FHIR server in memory for attack tests: reads, versions, search by reference, token and id, includes,
/// paging and writes with `If-Match`.
///
/// It is an upstream, so it knows nothing of the enforcer. A class because tests look at it while exchanges change it;
/// the lock is `stored`.
public final class ScriptedRecords: Sendable {
    /// How it treats a search.
    public enum Obedience: Sendable {
        /// Applies every parameter that it understands.
        case obedient
        /// Ignores every parameter but includes: each search returns the whole type.
        case lenient
    }

    struct Version {
        let number: Int
        /// Nil when the version is a deletion.
        let resource: JSONValue?
    }

    let base: String
    let obedience: Obedience
    /// Its own edits only; `ScriptedRecords+Transaction.swift` puts a whole state back.
    let stored: Mutex<[InstanceKey: [Version]]>

    /// Takes resources in this order; the same id again is a further version, a `null` resource is not possible here:
    /// use `delete`.
    public init(_ resources: [JSONValue], base: String, obedience: Obedience = .obedient) {
        self.base = base
        self.obedience = obedience
        stored = Mutex([:])
        for resource in resources { _ = put(resource) }
    }

    public func delete(_ key: InstanceKey) {
        stored.withLock { stored in
            let next = (stored[key]?.last?.number ?? 0) + 1
            stored[key, default: []].append(Version(number: next, resource: nil))
        }
    }

    /// Stores a resource as somebody else would, past the gateway.
    public func add(_ resource: [UInt8]) {
        if let value = try? JSONValue(parsing: resource) { _ = put(value) }
    }

    /// The answer to a search in pages of a size that the server chooses; nil for anything but a search.
    public func paged(_ request: UpstreamRequest, by count: Int) -> ScriptedUpstream.Reply? {
        var ask = Ask(request)
        guard request.method == .get, request.pageTarget == nil, ask.path.split(separator: "/").count == 1 else {
            return nil
        }
        ask.query = (ask.query.map { "\($0)&" } ?? "") + "_count=\(count)"
        return reply(to: ask)
    }

    /// The current content, as it would be read.
    public func current(_ key: InstanceKey) -> JSONValue? {
        stored.withLock { $0[key]?.last }.flatMap { Self.stamped($0) }
    }

    /// The current content of everything that is there.
    public var currentRecords: [InstanceKey: JSONValue] {
        stored.withLock { $0.compactMapValues { $0.last.flatMap { Self.stamped($0) } } }
    }

    public var upstream: ScriptedUpstream {
        ScriptedUpstream { [self] request in reply(to: Ask(request)) }
    }

    private func put(_ resource: JSONValue) -> (InstanceKey, Int)? {
        guard let type = resource["resourceType"]?.string.flatMap(ResourceType.init(rawValue:)),
            let id = resource["id"]?.string.flatMap({ ResourceID($0) })
        else { return nil }
        let key = InstanceKey(type: type, id: id)
        return stored.withLock { stored in
            let next = (stored[key]?.last?.number ?? 0) + 1
            stored[key, default: []].append(Version(number: next, resource: resource))
            return (key, next)
        }
    }

    static func stamped(_ version: Version) -> JSONValue? {
        guard let members = version.resource?.object else { return nil }
        let meta = members.first { $0.name == "meta" }?.value.object ?? []
        let stamp = JSONMemberValue(
            "meta",
            .object(
                meta.filter { $0.name != "versionId" && $0.name != "lastUpdated" } + [
                    JSONMemberValue("versionId", .string(String(version.number))),
                    JSONMemberValue("lastUpdated", "2026-01-01T00:00:00Z"),
                ]))
        return .object(members.filter { $0.name != "meta" } + [stamp])
    }
}

extension ScriptedRecords.Ask {
    init(_ request: UpstreamRequest) {
        self.init(
            method: request.method, path: request.path, query: request.query, pageTarget: request.pageTarget,
            ifMatch: request.ifMatch, ifNoneExist: request.ifNoneExist, body: request.body)
    }
}

// MARK: - requests

extension ScriptedRecords {
    /// A request as this server reads it: one of its own, or an entry of a transaction.
    struct Ask {
        var method: UpstreamRequest.Method
        var path: String
        var query: String?
        var pageTarget: String?
        var ifMatch: String?
        var ifNoneExist: String?
        var body: [UInt8]
    }

    func reply(to request: Ask) -> ScriptedUpstream.Reply {
        var (path, query) = (request.path, request.query)
        if let target = request.pageTarget {
            let parts = target.split(separator: "?", maxSplits: 1)
            path = String(parts[0].dropFirst(basePath.count))
            query = parts.count == 2 ? String(parts[1]) : nil
        }
        let segments = path.split(separator: "/").map(String.init)
        if segments.isEmpty, request.method == .post { return transaction(request.body) }
        if request.method == .get, segments.last == "_history", segments.count <= 2 {
            return wideHistory(of: segments.count == 2 ? segments[0] : nil, query ?? "")
        }
        if let operation = segments.last, operation.hasPrefix("$") {
            return call(operation, Array(segments.dropLast()), query ?? "", request)
        }
        guard let type = segments.first.flatMap(ResourceType.init(rawValue:)) else { return notFound }
        switch (request.method, segments.count) {
        case (.get, 1): return search(type, query ?? "")
        case (.post, 2) where segments[1] == "_search":
            return search(type, String(decoding: request.body, as: UTF8.self))
        case (.post, 1):
            if let condition = request.ifNoneExist, let found = existing(type, condition) { return found }
            return create(request.body)
        case (_, 2...):
            guard let id = ResourceID(segments[1]) else { return notFound }
            return instance(InstanceKey(type: type, id: id), segments.dropFirst(2).map { $0 }, request)
        default: return notFound
        }
    }

    private var basePath: String {
        let afterScheme = base.drop { $0 != "/" }.dropFirst(2)
        return String(afterScheme.drop { $0 != "/" })
    }

    private func instance(_ key: InstanceKey, _ rest: [String], _ request: Ask) -> ScriptedUpstream.Reply {
        let versions = stored.withLock { $0[key] ?? [] }
        switch (request.method, rest.count) {
        case (.get, 0): return read(versions.last)
        case (.get, 1) where rest[0] == "_history": return history(key, versions)
        case (.get, 2) where rest[0] == "_history": return read(versions.first { String($0.number) == rest[1] })
        case (.put, 0): return update(key, versions, request)
        case (.delete, 0):
            guard matches(request.ifMatch, versions.last) else { return status(412) }
            delete(key)
            return status(204)
        default: return notFound
        }
    }

    private func read(_ version: Version?) -> ScriptedUpstream.Reply {
        guard let version else { return notFound }
        guard let resource = Self.stamped(version) else { return status(410) }
        return .answer(head(200, version.number), resource.serialized)
    }

    private func matches(_ ifMatch: String?, _ version: Version?) -> Bool {
        guard let ifMatch else { return true }
        return version.map { ifMatch == "W/\"\($0.number)\"" } ?? false
    }

    private func update(
        _ key: InstanceKey, _ versions: [Version], _ request: Ask
    ) -> ScriptedUpstream.Reply {
        guard matches(request.ifMatch, versions.last), let body = try? JSONValue(parsing: request.body),
            let (_, number) = put(body)
        else { return status(412) }
        return .answer(
            head(versions.isEmpty ? 201 : 200, number), current(key)?.serialized ?? [])
    }

    private func create(_ body: [UInt8]) -> ScriptedUpstream.Reply {
        guard let members = (try? JSONValue(parsing: body))?.object else { return status(400) }
        let id = stored.withLock { "new-\($0.count + 1)" }
        let named = JSONValue.object(members.filter { $0.name != "id" } + [JSONMemberValue("id", .string(id))])
        guard let (key, number) = put(named) else { return status(400) }
        var answer = head(201, number)
        answer.location = "\(base)/\(key)/_history/\(number)"
        return .answer(answer, current(key)?.serialized ?? [])
    }

    /// FHIR R4 http.html, conditional create: nil where nothing matches.
    private func existing(_ type: ResourceType, _ condition: String) -> ScriptedUpstream.Reply? {
        guard let query = try? SearchQuery(parsing: condition) else { return status(400) }
        let found = stored.withLock { stored in
            stored.compactMapValues { $0.last }.filter { key, version in
                guard key.type == type, let resource = Self.stamped(version),
                    let view = (try? JSONDocument(resource.serialized)).flatMap({ try? ResourceView($0.root) })
                else { return false }
                return isMatch(view, query)
            }
        }
        guard found.count == 1, let (key, version) = found.first else { return found.isEmpty ? nil : status(412) }
        var answer = head(200, version.number)
        answer.location = "\(base)/\(key)/_history/\(version.number)"
        return .answer(answer, Self.stamped(version)?.serialized ?? [])
    }

    private func history(_ key: InstanceKey, _ versions: [Version]) -> ScriptedUpstream.Reply {
        guard !versions.isEmpty else { return notFound }
        let entries = versions.reversed().map { version -> JSONValue in
            var members = [JSONMemberValue("fullUrl", .string("\(base)/\(key)"))]
            if let resource = Self.stamped(version) { members.append(JSONMemberValue("resource", resource)) }
            let method = version.resource == nil ? "DELETE" : (version.number == 1 ? "POST" : "PUT")
            members.append(
                JSONMemberValue("request", ["method": .string(method), "url": .string(key.description)]))
            members.append(
                JSONMemberValue(
                    "response",
                    ["status": "200", "etag": .string("W/\"\(version.number)\"")]))
            return .object(members)
        }
        return .answer(
            UpstreamHead(status: 200, contentType: "application/fhir+json"),
            JSONValue.object([
                JSONMemberValue("resourceType", "Bundle"), JSONMemberValue("type", "history"),
                JSONMemberValue("total", .int(Int64(entries.count))), JSONMemberValue("entry", .array(entries)),
            ]).serialized)
    }

    private func head(_ status: Int, _ version: Int) -> UpstreamHead {
        UpstreamHead(
            status: status, contentType: "application/fhir+json;charset=UTF-8", etag: "W/\"\(version)\"",
            lastModified: "Thu, 01 Jan 2026 00:00:00 GMT")
    }

    var notFound: ScriptedUpstream.Reply { status(404) }

    func status(_ status: Int) -> ScriptedUpstream.Reply {
        let body =
            status == 204
            ? [] : OperationOutcome.json(severity: "error", code: "processing", diagnostics: "upstream says \(status)")
        return .answer(UpstreamHead(status: status, contentType: "application/fhir+json"), body)
    }
}

// MARK: - search

extension ScriptedRecords {
    func search(_ type: ResourceType, _ text: String) -> ScriptedUpstream.Reply {
        guard let query = try? SearchQuery(parsing: text) else { return status(400) }
        let current = stored.withLock { stored in
            stored.compactMapValues { $0.last.flatMap { Self.stamped($0) } }
        }
        let views = current.compactMapValues { value in
            (try? JSONDocument(value.serialized)).flatMap { try? ResourceView($0.root) }
        }
        var found = views.filter { $0.key.type == type && isMatch($0.value, query) }.map(\.key)
            .sorted { $0.id.text < $1.id.text }
        let total = found.count
        let count = query.terms(named: "_count").first.flatMap { Int($0.rawValue) } ?? 100
        let offset = query.terms(named: "_offset").first.flatMap { Int($0.rawValue) } ?? 0
        let hasMore = offset + count < found.count
        found = Array(found.dropFirst(offset).prefix(count))
        let included = included(with: found, query, views)
        let entries =
            found.compactMap { key in current[key].map { entry(key, $0, "match") } }
            + included.compactMap { key in current[key].map { entry(key, $0, "include") } }
        var links: [JSONValue] = [["relation": "self", "url": .string("\(base)/\(type.rawValue)?\(text)")]]
        if hasMore {
            let rest = query.terms.filter { $0.name != "_offset" }
            let next = SearchQuery(rest).encoded + "&_offset=\(offset + count)"
            links.append(["relation": "next", "url": .string("\(base)/\(type.rawValue)?\(next)")])
        }
        let body = JSONValue.object([
            JSONMemberValue("resourceType", "Bundle"), JSONMemberValue("type", "searchset"),
            JSONMemberValue("total", .int(Int64(total))), JSONMemberValue("link", .array(links)),
            JSONMemberValue("entry", .array(entries)),
        ])
        return .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), body.serialized)
    }

    private func entry(_ key: InstanceKey, _ resource: JSONValue, _ mode: String) -> JSONValue {
        .object([
            JSONMemberValue("fullUrl", .string("\(base)/\(key)")), JSONMemberValue("resource", resource),
            JSONMemberValue("search", ["mode": .string(mode)]),
        ])
    }

    private func isMatch(_ resource: ResourceView, _ query: SearchQuery) -> Bool {
        guard obedience == .obedient else { return true }
        return query.terms.allSatisfy { term in
            let values = term.values
            if term.name == "_id" { return values.contains { $0 == resource.id?.text } }
            guard let parameter = R4.searchParameter(term.name, for: resource.type) else { return true }
            switch parameter.kind {
            case .reference:
                let references = (resource.references(parameter) ?? []).compactMap(\.literal)
                return values.contains { value in references.contains { Self.names($0, value, parameter) } }
            case .token:
                let tokens = resource.tokens(parameter) ?? []
                return values.contains { value in tokens.contains { Self.isToken($0, value) } }
            case .string, .date, .uri, .number, .quantity, .composite, .special: return true
            }
        }
    }

    private static func names(_ reference: LiteralReference, _ value: String, _ parameter: SearchParameter) -> Bool {
        switch reference {
        case .relative(let key, _), .absolute(_, let key, _): key.description == value || key.id.text == value
        case .fragment, .urn, .conditional, .other: false
        }
    }

    private static func isToken(_ token: TokenValue, _ value: String) -> Bool {
        let parts = value.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { return token.code == value }
        return (token.system ?? "") == parts[0] && (parts[1].isEmpty || token.code == parts[1])
    }

    /// Includes as a server without any boundary would do them.
    private func included(
        with found: [InstanceKey], _ query: SearchQuery, _ views: [InstanceKey: ResourceView]
    ) -> [InstanceKey] {
        var included: [InstanceKey] = []
        for _ in 0..<2 {
            let reached = found + included
            for term in query.terms where term.name == "_include" || term.name == "_revinclude" {
                let parts = term.rawValue.split(separator: ":").map(String.init)
                for (key, view) in views {
                    let wanted: [InstanceKey]
                    if term.name == "_include" {
                        wanted = reached.contains(key) ? targets(of: view, parts) : []
                    } else {
                        wanted = targets(of: view, parts).contains(where: reached.contains) ? [key] : []
                    }
                    included += wanted.filter { views[$0] != nil && !found.contains($0) && !included.contains($0) }
                }
            }
        }
        return included.sorted { $0.description < $1.description }
    }

    private func targets(of view: ResourceView, _ parts: [String]) -> [InstanceKey] {
        let references: [ReferenceValue]
        if parts == ["*"] {
            references = view.allReferences()
        } else {
            guard parts.count >= 2, parts[0] == view.type.rawValue,
                let parameter = R4.searchParameter(parts[1], for: view.type)
            else { return [] }
            references = view.references(parameter) ?? []
        }
        return references.compactMap { reference in
            switch reference.literal {
            case .relative(let key, _), .absolute(_, let key, _): key
            case .fragment, .urn, .conditional, .other, nil: nil
            }
        }
    }
}
