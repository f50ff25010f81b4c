internal import FHIRCore

/// The answer to a search: every entry judged, what came along only if it hangs on something released.
struct SearchAnswer {
    private let permit: Permit
    private var bundle: BundleView
    private let type: ResourceType
    private let judge: TypeJudge
    private let base: JSONAddress
    private var builder: ReleaseBuilder
    /// The Bundle in the making.
    private var envelope = BundleEnvelope(type: "searchset", total: nil, links: [])
    /// Whether a match is written as soon as it has passed: where nothing can come along, no entry depends on another.
    private var writesAtOnce = false
    private var matches: [Entry] = []
    /// The names of everything that stands in the answer as a match.
    private var matched: Set<InstanceKey> = []
    /// How many of them passed.
    private var matchCount = 0
    private var candidates: [Entry] = []
    private var cameAlong: Set<InstanceKey> = []
    /// Whether every entry was one that belongs into the answer.
    private var isClean = true
    private var hasHiddenMatches = false

    /// An entry that passed the judge.
    struct Entry {
        let key: InstanceKey
        let resource: ResourceView
        /// What its subject element reads, where that has been looked at.
        var subject: SubjectValue?
        var redaction = Redaction.none
        var scopes: [HeldScope] = []
    }

    init(_ permit: Permit, _ bundle: BundleView, _ type: ResourceType) {
        self.permit = permit
        self.bundle = bundle
        self.type = type
        judge = TypeJudge(permit.rule.judge(for: .match), of: type, letters: permit.letters(for: .match))
        base = JSONAddress(permit.rule.policy.publicBase)
        builder = ReleaseBuilder(permit, document: bundle.node.document)
    }

    func admit(_ pageLink: (String) -> String?) -> AnswerAdmission {
        var answer = self
        return answer.judged(pageLink)
    }

    private mutating func judged(_ pageLink: (String) -> String?) -> AnswerAdmission {
        let entries = bundle.entries
        matched.reserveCapacity(entries.count)
        if permit.rule.isCount {
            for entry in entries { sort(entry) }
            return countOnly()
        }
        // About as much as came, each entry with what is ours around it, and the links.
        envelope.reserve(bundle.node.range.count + entries.count * 64 + 1024)
        writesAtOnce = permit.rule.includes.isEmpty
        for entry in entries { sort(entry) }
        if !writesAtOnce { addWithIncluded() }
        guard close(NextPage(of: bundle, permit.rule), pageLink) else {
            return .refuse(Denial(.upstreamUnverifiable))
        }
        return .release(builder.answer(bytes: envelope.finished()))
    }

    /// Adds the matches that waited for all of them to be known, and what came along.
    private mutating func addWithIncluded() {
        let included = include()
        // In place: an entry is not small.
        let matches = matches
        for place in matches.indices { add(matches[place], isMatch: true) }
        for entry in included { add(entry, isMatch: false) }
        if isMissingIncludes(among: matches + included) { add(outcome: "includes-withheld", code: "suppressed") }
    }

    /// Adds what stands behind the entries. False when the answer must not be shown.
    private mutating func close(_ next: NextPage, _ pageLink: (String) -> String?) -> Bool {
        // b.6: pages with gaps would tell how many rows are hidden; the first gap ends them, and the answer says so.
        let isCut = next.exists && hasHiddenMatches && !mutated(.gapsInPages)
        guard let nextLink = isCut ? [] : next.linked(pageLink) else { return false }
        if isCut { add(outcome: "further-pages-withheld", code: "incomplete") }
        envelope.total = total(next)
        envelope.links = [selfLink] + nextLink
        return true
    }

    // MARK: - entry by entry

    /// Judges one entry and adds it at once. Only where no entry depends on another one.
    mutating func take(_ entry: BundleView.Entry, of document: JSONDocument) {
        builder.turn(to: document)
        writesAtOnce = true
        sort(entry)
    }

    /// Adds what stands behind the entries, when all of them have been taken. False when the answer must not seem whole.
    mutating func finish(_ bundle: BundleView, _ pageLink: (String) -> String?) -> Bool {
        self.bundle = bundle
        guard close(NextPage(of: bundle, permit.rule), pageLink) else { return false }
        envelope.end()
        return true
    }

    /// How many bytes of the Bundle have been written since the last time.
    var size: Int { envelope.size }

    /// What of the Bundle has been written since the last time.
    mutating func drain() -> [UInt8] { envelope.drain() }

    /// What was counted, without the entries.
    var summary: ReleasedAnswer { builder.answer(bytes: []) }

    var patientCount: Int { builder.patients.count }

    mutating func takePatients() -> [ResourceID] { builder.takePatients() }

    // MARK: - writing

    private mutating func add(_ entry: borrowing Entry, isMatch: Bool) {
        let subject =
            entry.subject
            ?? permit.rule.forms.subject(of: entry.resource, permit.rule.policy.types[entry.key.type])
        envelope.open(entry.key, below: base)
        builder.release(
            entry.resource, subject, entry.redaction, by: entry.scopes, isProjected: isMatch, to: &envelope.bytes)
        envelope.close(mode: isMatch ? "match" : "include")
    }

    /// Adds an entry that says that something is missing: the same for every cause (decision 5).
    private mutating func add(outcome details: String, code: String) {
        envelope.add(
            fullURL: nil,
            resource: OperationOutcome.json(
                severity: "information", code: code, diagnostics: nil, details: details),
            members: [JSONMemberValue("search", ["mode": "outcome"])])
    }

    /// The rows of one upstream page, for an answer that is put together from several.
    mutating func page() -> JudgedPage {
        for entry in bundle.entries { sort(entry) }
        return JudgedPage(
            matches: matches, candidates: candidates.filter { !matched.contains($0.key) },
            hidesMatches: hasHiddenMatches, withheld: builder.counts.withheld, securityEvents: builder.securityEvents,
            disobeyed: builder.disobeyed)
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
        let subject = judge.subject(of: resource)
        switch judge.judge(resource, subject) {
        case .passes(let redaction, let scopes):
            matchCount += 1
            pass(Entry(key: key, resource: resource, subject: subject, redaction: redaction, scopes: scopes))
        case .fails where mutated(.matchesNotJudged): pass(Entry(key: key, resource: resource))
        case .fails(let reason):
            isClean = false
            hasHiddenMatches = true
            builder.withhold(reason)
            // b.6: under exact narrowing the upstream has ignored a parameter.
            if permit.narrowingIsExact { builder.noteDisobedience(on: type) }
        }
    }

    /// Writes a match that has passed, or keeps it for when what came along is known.
    private mutating func pass(_ entry: consuming Entry) {
        if writesAtOnce { add(entry, isMatch: true) } else { matches.append(entry) }
    }

    private mutating func candidate(_ resource: ResourceView, _ key: InstanceKey) {
        guard permit.rule.includes.contains(where: { $0.arriving.contains(resource.type) }) else {
            return distrust(.unexpected, "an entry came along that was not asked for")
        }
        // Of two resources under one name neither may pass on the strength of the other.
        guard cameAlong.insert(key).inserted else {
            return distrust(.unexpected, "an entry came along twice")
        }
        candidates.append(Entry(key: key, resource: resource))
    }

    private mutating func distrust(_ reason: WithholdReason, _ event: String) {
        isClean = false
        builder.withhold(reason)
        builder.note(event)
    }

    // MARK: - what came along

    /// The candidates that are admitted and hang on something that is released, in the upstream's order.
    private mutating func include() -> [Entry] {
        let waiting = candidates.filter { !matched.contains($0.key) }
        guard !waiting.isEmpty else { return [] }
        let search = IncludeSearch(permit.rule, matches: matches, candidates: waiting)
        return search.candidates.enumerated().compactMap { place, entry in
            guard let reason = search.reasonToWithhold(place) else { return entry }
            builder.withhold(reason)
            return nil
        }
    }

    /// Whether a released resource points, by an include that was asked for, at something that is not in the answer.
    ///
    /// It depends on what the client sees and on nothing else, so it tells nothing about what is hidden.
    private func isMissingIncludes(among released: [Entry]) -> Bool {
        SearchAnswer.isMissingIncludes(of: permit.rule, matches: matches, among: released)
    }

    static func isMissingIncludes(of rule: ReleaseRule, matches: [Entry], among released: [Entry]) -> Bool {
        guard !rule.includes.isEmpty else { return false }
        let keys = Set(released.map(\.key))
        let forms = rule.forms
        return rule.includes.contains { include in
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

    // MARK: - totals and links

    /// The upstream's total, where it counts what may be seen: because the upstream knows what limits it, or because
    /// all that it counts stands here.
    private func total(_ next: NextPage) -> Int? {
        if mutated(.totalsPassedOn) { return bundle.total }
        guard isClean, let total = bundle.total else { return nil }
        if permit.rule.isCountable { return total >= matchCount ? total : nil }
        return !next.exists && permit.continuation == nil && total == matchCount ? total : nil
    }

    private mutating func countOnly() -> AnswerAdmission {
        guard isClean, permit.rule.isCountable, let total = bundle.total else {
            return .refuse(Denial(.upstreamUnverifiable))
        }
        let envelope = BundleEnvelope(type: "searchset", total: total, links: [selfLink])
        return .release(builder.answer(bytes: envelope.finished()))
    }

    private var selfLink: (relation: String, url: String) {
        let query = permit.rule.publicQuery.encoded
        let path = "\(permit.rule.policy.publicBase)/\(type.rawValue)"
        return ("self", query.isEmpty ? path : "\(path)?\(query)")
    }
}
