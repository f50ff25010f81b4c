internal import Enforcement
internal import FHIRCore
internal import Synchronization

extension ScriptedRecords {
    /// One entry on its way through a transaction.
    private struct Part {
        let place: Int
        let fullURL: String?
        var ask: Ask

        /// FHIR R4 http.html, transaction processing rules.
        var rank: Int {
            switch ask.method {
            case .delete: 0
            case .post: 1
            case .put: 2
            case .get: 3
            }
        }
    }

    /// All of a transaction or nothing, in FHIR's order; names of created entries are replaced by what they became.
    func transaction(_ body: [UInt8]) -> ScriptedUpstream.Reply {
        guard let bundle = try? JSONValue(parsing: body), bundle["type"]?.string == "transaction" else {
            return status(400)
        }
        var parts: [Part] = []
        for (place, entry) in (bundle["entry"]?.array ?? []).enumerated() {
            guard let part = part(entry, at: place) else { return status(400) }
            parts.append(part)
        }
        let before = stored.withLock { $0 }
        var answers: [Int: JSONValue] = [:]
        var names: [String: String] = [:]
        for part in parts.sorted(by: { ($0.rank, $0.place) < ($1.rank, $1.place) }) {
            var ask = part.ask
            ask.body = Self.renamed(ask.body, names)
            guard case .answer(let head, let body) = reply(to: ask), head.status < 400 else {
                stored.withLock { $0 = before }
                return status(412)
            }
            if let name = part.fullURL, let location = head.location,
                let key = LiteralReference(location).key
            {
                names[name] = key.description
            }
            answers[part.place] = Self.entry(head, body)
        }
        resolveNames(names)
        let answer = JSONValue.object([
            JSONMemberValue("resourceType", "Bundle"), JSONMemberValue("type", "transaction-response"),
            JSONMemberValue("entry", .array(parts.indices.compactMap { answers[$0] })),
        ])
        return .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), answer.serialized)
    }

    private func part(_ entry: JSONValue, at place: Int) -> Part? {
        guard let request = entry["request"], let method = request["method"]?.string,
            let parsed = UpstreamRequest.Method(rawValue: method), let url = request["url"]?.string
        else { return nil }
        let halves = url.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return Part(
            place: place, fullURL: entry["fullUrl"]?.string,
            ask: Ask(
                method: parsed, path: "/" + halves[0], query: halves.count == 2 ? halves[1] : nil, pageTarget: nil,
                ifMatch: request["ifMatch"]?.string, ifNoneExist: request["ifNoneExist"]?.string,
                body: entry["resource"]?.serialized ?? []))
    }

    private static func entry(_ head: UpstreamHead, _ body: [UInt8]) -> JSONValue {
        var response = [JSONMemberValue("status", .string("\(head.status) X"))]
        if let location = head.location { response.append(JSONMemberValue("location", .string(location))) }
        if let etag = head.etag { response.append(JSONMemberValue("etag", .string(etag))) }
        var members = [JSONMemberValue("response", .object(response))]
        if let resource = try? JSONValue(parsing: body) { members.append(JSONMemberValue("resource", resource)) }
        return .object(members)
    }

    private static func renamed(_ body: [UInt8], _ names: [String: String]) -> [UInt8] {
        guard !names.isEmpty, let value = try? JSONValue(parsing: body) else { return body }
        return renamed(value, names).serialized
    }

    private static func renamed(_ value: JSONValue, _ names: [String: String]) -> JSONValue {
        switch value {
        case .string(let text): .string(names[text] ?? text)
        case .array(let elements): .array(elements.map { renamed($0, names) })
        case .object(let members): .object(members.map { JSONMemberValue($0.name, renamed($0.value, names)) })
        case .null, .bool, .int, .number: value
        }
    }

    /// Names that stood in something stored before what they name was.
    private func resolveNames(_ names: [String: String]) {
        guard !names.isEmpty else { return }
        stored.withLock { stored in
            stored = stored.mapValues { versions in
                versions.map { version in
                    Version(number: version.number, resource: version.resource.map { Self.renamed($0, names) })
                }
            }
        }
    }
}
