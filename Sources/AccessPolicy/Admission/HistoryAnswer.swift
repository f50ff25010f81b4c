internal import FHIRCore

/// The answer to an instance history: every version judged on its own, no total.
///
/// The current version has been admitted before the history was asked for, so a deletion between two versions is
/// one of a resource that the client may see.
struct HistoryAnswer {
    private let permit: Permit
    private let bundle: BundleView
    private let key: InstanceKey

    init(_ permit: Permit, _ bundle: BundleView, _ key: InstanceKey) {
        self.permit = permit
        self.bundle = bundle
        self.key = key
    }

    func admit(_ pageLink: (String) -> String?) -> AnswerAdmission {
        var builder = ReleaseBuilder(permit, document: bundle.node.document)
        var entries: [(resource: [UInt8]?, members: [JSONMemberValue])] = []
        for entry in bundle.entries {
            guard let node = entry.resource else {
                if let members = deletion(entry) { entries.append((nil, members)) }
                continue
            }
            guard let view = try? ResourceView(node), view.key == key || mutated(.historiesMixed) else {
                builder.withhold(.unexpected)
                builder.note("an entry of a history is of another resource")
                continue
            }
            switch permit.judgement(of: view, as: .version) {
            case .fails(let reason): builder.withhold(reason)
            case .passes(let redaction, let scopes):
                let bytes = builder.release(view, redaction, by: scopes, isProjected: true)
                entries.append((bytes, version(view, entry)))
            }
        }
        guard let next = NextPage(of: bundle, permit.rule).linked(pageLink) else {
            return .refuse(Denial(.upstreamUnverifiable))
        }
        var envelope = BundleEnvelope(type: "history", total: nil, links: [selfLink] + next)
        for entry in entries {
            envelope.add(fullURL: "\(base)/\(key)", resource: entry.resource, members: entry.members)
        }
        return .release(builder.answer(bytes: envelope.finished()))
    }

    private var base: String { permit.rule.policy.publicBase }

    private var selfLink: (relation: String, url: String) {
        let query = permit.rule.publicQuery.encoded
        return ("self", "\(base)/\(key)/_history" + (query.isEmpty ? "" : "?\(query)"))
    }

    private func version(_ view: ResourceView, _ entry: BundleView.Entry) -> [JSONMemberValue] {
        HistoryEntry.version(view, key, entry)
    }

    /// A deletion of this very resource, told in our own words; nil for any other entry without a resource.
    private func deletion(_ entry: BundleView.Entry) -> [JSONMemberValue]? {
        guard let request = entry.request, request.method == "DELETE",
            permit.rule.forms.read(LiteralReference(request.url)) == key
        else { return nil }
        return HistoryEntry.deletion(key, entry)
    }
}

/// What stands beside a resource in an entry of a history, told in our own words.
enum HistoryEntry {
    static func version(
        _ view: ResourceView, _ key: InstanceKey, _ entry: BundleView.Entry
    ) -> [JSONMemberValue] {
        let isCreate = entry.request?.method == "POST"
        let request: JSONValue = [
            "method": .string(isCreate ? "POST" : "PUT"),
            "url": .string(isCreate ? key.type.rawValue : key.description),
        ]
        var response = [JSONMemberValue("status", .string(isCreate ? "201" : "200"))]
        if let version = view.versionID { response.append(JSONMemberValue("etag", .string(EntityTag.text(version)))) }
        if let date = view.lastUpdated { response.append(JSONMemberValue("lastModified", .string(date))) }
        return [JSONMemberValue("request", request), JSONMemberValue("response", .object(response))]
    }

    static func deletion(_ key: InstanceKey, _ entry: BundleView.Entry) -> [JSONMemberValue] {
        var response = [JSONMemberValue("status", "204")]
        if let date = AnswerHeaders.date(entry.response?["lastModified"]?.string) {
            response.append(JSONMemberValue("lastModified", .string(date)))
        }
        return [
            JSONMemberValue("request", ["method": "DELETE", "url": .string(key.description)]),
            JSONMemberValue("response", .object(response)),
        ]
    }
}
