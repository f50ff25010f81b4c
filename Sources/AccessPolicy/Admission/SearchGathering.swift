internal import FHIRCore

/// The answer to a search that is several upstream searches, or one whose rows are not all visible.
///
/// Rows stand in the order of the searches and within each in the upstream's. A row belongs to the first search whose
/// limit it is within and to no other. A page is short only at its end: it is filled from as many upstream pages as it
/// takes, within a bound, and it has a next page only when a visible row for that was seen (enforcer digest b.6.8).
struct SearchGathering: AnswerGathering {
    /// The visible rows of one upstream page.
    private struct Piece {
        let part: Int
        var matches: [SearchAnswer.Entry]
        var included: [SearchAnswer.Entry]
    }

    private let permit: Permit
    private let gathering: Gathering
    private var progress: GatheringProgress
    private var pieces: [Piece] = []
    private var seen: Set<InstanceKey> = []
    private var count = 0
    private var counts = ReleaseCounts()
    private var securityEvents: [String] = []
    private var hidesRows = false
    private(set) var disobeyed: Set<ResourceType> = []

    init(_ permit: Permit, _ gathering: Gathering, from start: GatheringPosition) {
        self.permit = permit
        self.gathering = gathering
        progress = GatheringProgress(from: start, permit.rule.policy)
    }

    var next: Permit? {
        guard !progress.isOver else { return nil }
        let part = gathering.parts[progress.position.part]
        guard let page = progress.position.page else { return part }
        return part.continuing(at: page)
    }

    mutating func take(_ answer: UpstreamAnswer) -> Denial? {
        let place = progress.position.part
        let part = gathering.parts[place]
        if let denial = UpstreamStatus.denial(answer.status, for: part.upstreamInteraction) { return denial }
        guard case .search(let type) = part.upstreamInteraction, let bundle = bundle(answer, type: "searchset") else {
            return Denial(.upstreamUnverifiable)
        }
        let further = NextPage(of: bundle, part.rule)
        guard let link = further.address else { return Denial(.upstreamUnverifiable) }
        var search = SearchAnswer(part, bundle, type)
        let page = search.page()
        note(page)
        add(page, of: place, in: bundle.node.document)
        guard !progress.isOver else { return nil }
        progress.advance(to: link, parts: gathering.parts.count)
        return nil
    }

    // MARK: - rows

    private mutating func add(_ page: JudgedPage, of place: Int, in document: JSONDocument) {
        let rows = page.matches.filter { owner(of: $0.resource, in: place) == place }
        var taken: [SearchAnswer.Entry] = []
        for (number, row) in rows.enumerated() where number >= progress.position.skip {
            guard count < gathering.pageSize, progress.hasRoom(for: row.resource) else {
                progress.found(
                    next: GatheringPosition(part: place, page: progress.position.page, skip: number))
                break
            }
            guard seen.insert(row.key).inserted else { continue }
            taken.append(row)
            count += 1
            progress.fill(row.resource)
        }
        let rule = gathering.parts[place].rule
        guard !taken.isEmpty else { return }
        let search = IncludeSearch(rule, matches: taken, candidates: page.candidates)
        let included = search.candidates.enumerated().compactMap { number, entry -> SearchAnswer.Entry? in
            guard let reason = search.reasonToWithhold(number) else { return entry }
            counts.withhold(reason)
            return nil
        }
        for entry in included { progress.fill(entry.resource) }
        let keeping = KeptRows((taken + included).map(\.resource), of: document)
        pieces.append(
            Piece(part: place, matches: taken.map(keeping.kept), included: included.map(keeping.kept)))
    }

    /// The first search of the same type whose limit a row is within.
    private func owner(of row: ResourceView, in place: Int) -> Int? {
        gathering.parts.indices.first { number in
            let part = gathering.parts[number]
            return part.upstreamInteraction == gathering.parts[place].upstreamInteraction
                && part.rule.limit.holds(row, part.rule.policy, part.rule.forms)
        }
    }

    private mutating func note(_ page: JudgedPage) {
        for (reason, number) in page.withheld { for _ in 0..<number { counts.withhold(reason) } }
        for event in page.securityEvents where !securityEvents.contains(event) { securityEvents.append(event) }
        hidesRows = hidesRows || page.hidesMatches
        disobeyed.formUnion(page.disobeyed)
    }

    // MARK: - the answer

    func finished(pageLink: (GatheringPosition) -> String?) -> AnswerAdmission {
        // What is hidden in such numbers ends the list, and the list says so: a short page would tell how many.
        let isCut = progress.isExhausted && hidesRows && progress.nextPage?.page != nil
        var links = [(relation: "self", url: selfLink)]
        if let next = progress.nextPage, !isCut {
            guard let ours = pageLink(next) else { return .refuse(Denial(.upstreamUnverifiable)) }
            links.append((relation: "next", url: ours))
        }
        let isWhole = progress.nextPage == nil && progress.start == .start
        var envelope = BundleEnvelope(type: "searchset", total: isWhole ? count : nil, links: links)
        var builder = ReleaseBuilder(permit, document: nil)
        builder.adopt(counts, securityEvents, disobeyed: disobeyed)
        for piece in pieces { for entry in piece.matches { add(entry, "match", &builder, &envelope) } }
        var shown = seen
        for piece in pieces {
            for entry in piece.included where shown.insert(entry.key).inserted {
                add(entry, "include", &builder, &envelope)
            }
        }
        if isMissingIncludes { add(outcome: "includes-withheld", code: "suppressed", &envelope) }
        if isCut { add(outcome: "further-pages-withheld", code: "incomplete", &envelope) }
        return .release(builder.answer(bytes: envelope.finished()))
    }

    private var isMissingIncludes: Bool {
        let released = pieces.flatMap { $0.matches + $0.included }
        return pieces.contains { piece in
            SearchAnswer.isMissingIncludes(
                of: gathering.parts[piece.part].rule, matches: piece.matches, among: released)
        }
    }

    private func add(
        _ entry: SearchAnswer.Entry, _ mode: String, _ builder: inout ReleaseBuilder, _ envelope: inout BundleEnvelope
    ) {
        builder.turn(to: entry.resource.node.document)
        let bytes = builder.release(entry.resource, entry.redaction, by: entry.scopes, isProjected: mode == "match")
        envelope.add(
            fullURL: "\(permit.rule.policy.publicBase)/\(entry.key)", resource: bytes,
            members: [JSONMemberValue("search", ["mode": .string(mode)])])
    }

    private func add(outcome details: String, code: String, _ envelope: inout BundleEnvelope) {
        envelope.add(
            fullURL: nil,
            resource: OperationOutcome.json(
                severity: "information", code: code, diagnostics: nil, details: details),
            members: [JSONMemberValue("search", ["mode": "outcome"])])
    }

    private var selfLink: String {
        let query = gathering.publicQuery.encoded
        let path = permit.rule.policy.publicBase + gathering.publicPath
        return query.isEmpty ? path : "\(path)?\(query)"
    }
}
