internal import FHIRCore

/// The answer to a search: every entry judged, what came along only if it hangs on something released.
struct SearchAnswer {
    private let permit: Permit
    private let bundle: BundleView
    private let type: ResourceType
    private let judge: Judge
    private var builder: ReleaseBuilder
    private var matches: [Entry] = []
    private var matched: Set<InstanceKey> = []
    private var candidates: [Entry] = []
    private var isTotalTrusted: Bool

    /// An entry that passed the judge.
    struct Entry {
        let key: InstanceKey
        let resource: ResourceView
        var edits: [ByteEdit] = []
        var scopes: [HeldScope] = []
    }

    init(_ permit: Permit, _ bundle: BundleView, _ type: ResourceType) {
        self.permit = permit
        self.bundle = bundle
        self.type = type
        judge = Judge(permit.rule)
        builder = ReleaseBuilder(permit, document: bundle.node.document)
        isTotalTrusted = permit.narrowingIsExact
    }

    func admit(_ pageLink: (String) -> String?) -> AnswerAdmission {
        var answer = self
        return answer.judged(pageLink)
    }

    private mutating func judged(_ pageLink: (String) -> String?) -> AnswerAdmission {
        for entry in bundle.entries { sort(entry) }
        if permit.rule.isCount { return countOnly() }
        let included = include()
        var envelope = BundleEnvelope(type: "searchset", total: total, links: links(pageLink))
        for entry in matches { add(entry, mode: "match", to: &envelope) }
        for entry in included { add(entry, mode: "include", to: &envelope) }
        if isMissingIncludes(among: matches + included) {
            envelope.add(
                fullURL: nil, resource: SearchAnswer.missingIncludes,
                members: [JSONMemberValue("search", ["mode": "outcome"])])
        }
        return .release(builder.answer(bytes: envelope.finished()))
    }

    private mutating func add(_ entry: Entry, mode: String, to envelope: inout BundleEnvelope) {
        let bytes = builder.release(
            entry.resource, edits: entry.edits, by: entry.scopes, isProjected: mode == "match")
        envelope.add(
            fullURL: "\(permit.rule.policy.publicBase)/\(entry.key)", resource: bytes,
            members: [JSONMemberValue("search", ["mode": .string(mode)])])
    }

    // MARK: - entries

    /// Puts an entry among the matches or the candidates for inclusion, or withholds it.
    private mutating func sort(_ entry: BundleView.Entry) {
        // b.10: an entry without a resource is not evidence of anything.
        guard let node = entry.resource else { return }
        guard let resource = try? ResourceView(node) else {
            return distrust(.unreadable, "an entry of a search is no resource")
        }
        // What the upstream has to say about the search may name what was removed.
        if entry.searchMode == "outcome" || resource.type == .operationOutcome { return }
        guard let key = resource.key else { return distrust(.unexpected, "an entry of a search has no id") }
        let isMatch = entry.searchMode.map { $0 == "match" } ?? (resource.type == type)
        guard isMatch || entry.searchMode == nil || entry.searchMode == "include" else {
            return distrust(.unexpected, "an entry of a search has an unknown mode")
        }
        isMatch ? match(resource, key) : candidate(resource, key)
    }

    private mutating func match(_ resource: ResourceView, _ key: InstanceKey) {
        guard resource.type == type else { return distrust(.unexpected, "a match is of another type") }
        guard matched.insert(key).inserted else {
            return distrust(.unexpected, "a match stands in the answer twice")
        }
        switch judge.judge(resource, letters: .search) {
        case .passes(let edits, let scopes):
            matches.append(Entry(key: key, resource: resource, edits: edits, scopes: scopes))
        case .fails(let reason):
            isTotalTrusted = false
            builder.withhold(reason)
            // b.6: under exact narrowing the upstream has ignored a parameter.
            if permit.narrowingIsExact { builder.note("a match is outside the search that was asked for") }
        }
    }

    private mutating func candidate(_ resource: ResourceView, _ key: InstanceKey) {
        guard permit.rule.includes.contains(where: { $0.arriving.contains(resource.type) }) else {
            return distrust(.unexpected, "an entry came along that was not asked for")
        }
        candidates.append(Entry(key: key, resource: resource))
    }

    private mutating func distrust(_ reason: WithholdReason, _ event: String) {
        isTotalTrusted = false
        builder.withhold(reason)
        builder.note(event)
    }

    // MARK: - what came along

    /// The candidates that are admitted and hang on something that is released, in the upstream's order.
    private mutating func include() -> [Entry] {
        guard !candidates.isEmpty else { return [] }
        var connection = IncludeConnection(permit.rule, matches: matches)
        var waiting = candidates
        var taken: Set<InstanceKey> = []
        var refused: [InstanceKey: WithholdReason] = [:]
        var changed = true
        while changed {
            changed = false
            for (place, entry) in waiting.enumerated() where !taken.contains(entry.key) {
                guard connection.reaches(entry) else { continue }
                switch judge.judge(entry.resource, letters: [.read, .search], released: connection.released) {
                case .passes(let edits, let scopes):
                    waiting[place].edits = edits
                    waiting[place].scopes = scopes
                    taken.insert(entry.key)
                    connection.add(entry)
                    changed = true
                case .fails(let reason):
                    refused[entry.key] = reason
                }
            }
        }
        var result: [Entry] = []
        var seen = Set(matches.map(\.key))
        for entry in waiting {
            guard taken.contains(entry.key) else {
                builder.withhold(refused[entry.key] ?? .unconnected)
                continue
            }
            if seen.insert(entry.key).inserted { result.append(entry) }
        }
        return result
    }

    /// Whether a released resource points, by an include that was asked for, at something that is not in the answer.
    ///
    /// It depends on what the client sees and on nothing else, so it tells nothing about what is hidden.
    private func isMissingIncludes(among released: [Entry]) -> Bool {
        let keys = Set(released.map(\.key))
        let forms = permit.rule.forms
        return permit.rule.includes.contains { include in
            guard !include.isReverse else { return false }
            let sources = include.iterates ? released : matches
            return sources.contains { entry in
                guard entry.resource.type == include.source else { return false }
                return (entry.resource.references(include.parameter) ?? []).contains { value in
                    guard let key = forms.read(value.literal) else { return false }
                    return !keys.contains(key)
                }
            }
        }
    }

    /// The entry that says that something is missing: the same for every cause (decision 5).
    private static let missingIncludes = OperationOutcome.json(
        severity: "information", code: "suppressed", diagnostics: nil, details: "includes-withheld")

    // MARK: - totals and links

    private var total: Int? {
        guard isTotalTrusted, let total = bundle.total, total >= matches.count else { return nil }
        return total
    }

    private mutating func countOnly() -> AnswerAdmission {
        guard isTotalTrusted, let total = bundle.total else { return .refuse(Denial(.upstreamUnverifiable)) }
        let envelope = BundleEnvelope(type: "searchset", total: total, links: [selfLink])
        return .release(builder.answer(bytes: envelope.finished()))
    }

    private var selfLink: (relation: String, url: String) {
        let query = permit.rule.publicQuery.encoded
        let path = "\(permit.rule.policy.publicBase)/\(type.rawValue)"
        return ("self", query.isEmpty ? path : "\(path)?\(query)")
    }

    private mutating func links(_ pageLink: (String) -> String?) -> [(relation: String, url: String)] {
        guard let next = PageLink.next(bundle, permit.rule, &builder, pageLink) else { return [selfLink] }
        return [selfLink, ("next", next)]
    }
}

/// The one link of the upstream that is followed up.
enum PageLink {
    /// Our address for the next page; nil when there is none, or when the upstream's is not its own.
    static func next(
        _ bundle: BundleView, _ rule: ReleaseRule, _ builder: inout ReleaseBuilder, _ pageLink: (String) -> String?
    ) -> String? {
        let all = bundle.links.filter { $0.relation == "next" }
        guard let upstream = all.first?.url else { return nil }
        guard all.count == 1, rule.isUpstreamAddress(upstream) else {
            builder.note("the next page is not below the upstream's base")
            return nil
        }
        return pageLink(upstream)
    }
}
