internal import Enforcement
internal import FHIRCore
internal import Synchronization

extension ScriptedRecords {
    /// The history of a type, or of everything: all versions, the highest number first, in pages.
    func wideHistory(of type: String?, _ text: String) -> ScriptedUpstream.Reply {
        guard let query = try? SearchQuery(parsing: text) else {
            return .answer(UpstreamHead(status: 400, contentType: "application/fhir+json"), [])
        }
        let everything: [InstanceKey: [Version]] = stored.withLock { $0 }
        var all: [(key: InstanceKey, version: Version)] = []
        for (key, versions) in everything where type == nil || key.type.rawValue == type {
            all += versions.map { (key: key, version: $0) }
        }
        all.sort { left, right in
            left.version.number != right.version.number
                ? left.version.number > right.version.number : left.key < right.key
        }
        let count = query.terms(named: "_count").first.flatMap { Int($0.rawValue) } ?? 100
        let offset = query.terms(named: "_offset").first.flatMap { Int($0.rawValue) } ?? 0
        let entries = all.dropFirst(offset).prefix(count).map { entry(of: $0.key, $0.version) }
        let path = type.map { "\(base)/\($0)/_history" } ?? "\(base)/_history"
        var links: [JSONValue] = [["relation": "self", "url": .string(path)]]
        if offset + count < all.count {
            let rest = SearchQuery(query.terms.filter { $0.name != "_offset" }).encoded
            let next = (rest.isEmpty ? "" : rest + "&") + "_offset=\(offset + count)"
            links.append(["relation": "next", "url": .string("\(path)?\(next)")])
        }
        let body = JSONValue.object([
            JSONMemberValue("resourceType", "Bundle"), JSONMemberValue("type", "history"),
            JSONMemberValue("total", .int(Int64(all.count))), JSONMemberValue("link", .array(links)),
            JSONMemberValue("entry", .array(Array(entries))),
        ])
        return .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), body.serialized)
    }

    private func entry(of key: InstanceKey, _ version: Version) -> JSONValue {
        var members = [JSONMemberValue("fullUrl", .string("\(base)/\(key)"))]
        if let resource = Self.stamped(version) { members.append(JSONMemberValue("resource", resource)) }
        let method = version.resource == nil ? "DELETE" : "PUT"
        members.append(JSONMemberValue("request", ["method": .string(method), "url": .string(key.description)]))
        members.append(JSONMemberValue("response", ["status": "200", "etag": .string("W/\"\(version.number)\"")]))
        return .object(members)
    }
}
