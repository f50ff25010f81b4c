internal import Enforcement
internal import FHIRCore
internal import Synchronization

extension ScriptedRecords {
    /// Operations as a server without any boundary does them: `$everything` gives whatever mentions the patient, or all
    /// of the store where it is lenient; others of a type give all of the type; `$submit` gives back what it got.
    func call(
        _ operation: String, _ place: [String], _ text: String, _ request: Ask
    ) -> ScriptedUpstream.Reply {
        switch operation {
        case "$everything": return everything(of: place.count == 2 ? "Patient/\(place[1])" : nil, text)
        case "$docref", "$lastn":
            guard let type = place.first.flatMap(ResourceType.init(rawValue:)) else { return notFound }
            return search(type, text)
        case "$expand":
            return answer(["resourceType": "ValueSet", "id": "expanded", "status": "active"])
        case "$submit", "$inquire":
            return .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), request.body)
        case "$member-match":
            return answer([
                "resourceType": "Parameters",
                "parameter": [
                    ["name": "MemberIdentifier", "valueIdentifier": ["system": "http://mrn.example", "value": "A100"]]
                ],
            ])
        default: return notFound
        }
    }

    private func everything(of patient: String?, _ text: String) -> ScriptedUpstream.Reply {
        let query = (try? SearchQuery(parsing: text)) ?? SearchQuery()
        let current = stored.withLock { $0.compactMapValues { $0.last.flatMap(Self.stamped) } }
        let all = current.sorted { $0.key < $1.key }.filter { key, resource in
            guard let patient, obedience == .obedient else { return true }
            return key.description == patient || resource.text.contains("\"\(patient)\"")
        }
        let count = query.terms(named: "_count").first.flatMap { Int($0.rawValue) } ?? 1_000
        let offset = query.terms(named: "_offset").first.flatMap { Int($0.rawValue) } ?? 0
        let path = patient.map { "\(base)/\($0)/$everything" } ?? "\(base)/Patient/$everything"
        var links: [JSONValue] = []
        if offset + count < all.count {
            let rest = SearchQuery(query.terms.filter { $0.name != "_offset" }).encoded
            links.append(["relation": "next", "url": .string("\(path)?\(rest)&_offset=\(offset + count)")])
        }
        let entries = all.dropFirst(offset).prefix(count).map { key, resource -> JSONValue in
            ["fullUrl": .string("\(base)/\(key)"), "resource": resource, "search": ["mode": "match"]]
        }
        return answer([
            "resourceType": "Bundle", "type": "searchset", "total": .int(Int64(all.count)), "link": .array(links),
            "entry": .array(Array(entries)),
        ])
    }

    private func answer(_ json: JSONValue) -> ScriptedUpstream.Reply {
        .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), json.serialized)
    }
}
