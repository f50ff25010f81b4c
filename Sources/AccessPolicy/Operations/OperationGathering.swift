internal import FHIRCore

/// The answer of an operation that comes in pages: each entry judged as what comes along would be, pages filled like
/// those of a search.
struct OperationGathering: AnswerGathering {
    private struct Row {
        let key: InstanceKey
        let resource: ResourceView
        let redaction: Redaction
        let scopes: [HeldScope]
    }

    private let permit: Permit
    private let gathering: Gathering
    private var progress: GatheringProgress
    private var rows: [Row] = []
    private var seen: Set<InstanceKey> = []
    private var counts = ReleaseCounts()
    private var securityEvents: [String] = []
    private var hidesRows = false
    /// What an operation finds no search has narrowed.
    var disobeyed: Set<ResourceType> { [] }

    init(_ permit: Permit, _ gathering: Gathering, from start: GatheringPosition) {
        self.permit = permit
        self.gathering = gathering
        progress = GatheringProgress(from: start, permit.rule.policy)
    }

    private var part: Permit { gathering.parts[0] }

    var next: Permit? {
        guard !progress.isOver else { return nil }
        guard let page = progress.position.page else { return part }
        return part.continuing(at: page)
    }

    mutating func take(_ answer: UpstreamAnswer) -> Denial? {
        if let denial = OperationAnswer.denial(answer.status, for: part) { return denial }
        guard let bundle = bundle(answer, type: "searchset") else { return Denial(.upstreamUnverifiable) }
        guard let link = NextPage(of: bundle, part.rule).address else { return Denial(.upstreamUnverifiable) }
        add(judged(bundle), of: bundle.node.document)
        guard !progress.isOver else { return nil }
        progress.advance(to: link, parts: 1)
        return nil
    }

    // MARK: - rows

    /// The rows of an upstream page that pass, in its order. What a Provenance is about has to stand on the same page.
    private mutating func judged(_ bundle: BundleView) -> [Row] {
        var views: [(key: InstanceKey, view: ResourceView)] = []
        for entry in bundle.entries {
            guard let node = entry.resource, entry.searchMode != "outcome" else { continue }
            guard let view = try? ResourceView(node), let key = view.key else {
                counts.withhold(.unreadable)
                note("an entry of an operation is no resource with an id")
                continue
            }
            if view.type != .operationOutcome { views.append((key, view)) }
        }
        let judge = part.rule.judge(for: .answer)
        var released: Set<InstanceKey> = []
        var verdicts: [Int: Row] = [:]
        let late = views.indices.filter { views[$0].key.type == .provenance }
        for place in views.indices.filter({ views[$0].key.type != .provenance }) + late {
            let (key, view) = views[place]
            switch judge.judge(view, letters: [.read, .search], released: released) {
            case .fails(let reason):
                counts.withhold(reason)
                hidesRows = true
            case .passes(let redaction, let scopes):
                released.insert(key)
                verdicts[place] = Row(key: key, resource: view, redaction: redaction, scopes: scopes)
            }
        }
        return views.indices.compactMap { verdicts[$0] }
    }

    private mutating func add(_ visible: [Row], of document: JSONDocument) {
        var taken: [Row] = []
        for (number, row) in visible.enumerated() where number >= progress.position.skip {
            guard rows.count + taken.count < gathering.pageSize, progress.hasRoom(for: row.resource) else {
                progress.found(next: GatheringPosition(part: 0, page: progress.position.page, skip: number))
                break
            }
            guard seen.insert(row.key).inserted else { continue }
            taken.append(row)
            progress.fill(row.resource)
        }
        let keeping = KeptRows(taken.map(\.resource), of: document)
        rows += taken.map { row in
            let (resource, redaction) = keeping.kept(row.resource, row.redaction)
            return Row(key: row.key, resource: resource, redaction: redaction, scopes: row.scopes)
        }
    }

    private mutating func note(_ event: String) {
        if !securityEvents.contains(event) { securityEvents.append(event) }
    }

    // MARK: - the answer

    func finished(pageLink: (GatheringPosition) -> String?) -> AnswerAdmission {
        let isCut = progress.isExhausted && hidesRows && progress.nextPage?.page != nil
        let query = gathering.publicQuery.encoded
        let base = permit.rule.policy.publicBase
        var links = [(relation: "self", url: base + gathering.publicPath + (query.isEmpty ? "" : "?\(query)"))]
        if let next = progress.nextPage, !isCut {
            guard let ours = pageLink(next) else { return .refuse(Denial(.upstreamUnverifiable)) }
            links.append((relation: "next", url: ours))
        }
        let isWhole = progress.nextPage == nil && progress.start == .start
        var envelope = BundleEnvelope(type: "searchset", total: isWhole ? rows.count : nil, links: links)
        var builder = ReleaseBuilder(permit, document: nil)
        builder.adopt(counts, securityEvents)
        for row in rows {
            builder.turn(to: row.resource.node.document)
            let bytes = builder.release(row.resource, row.redaction, by: row.scopes, isProjected: false)
            envelope.add(
                fullURL: "\(base)/\(row.key)", resource: bytes,
                members: [JSONMemberValue("search", ["mode": "match"])])
        }
        if isCut {
            envelope.add(
                fullURL: nil,
                resource: OperationOutcome.json(
                    severity: "information", code: "incomplete", diagnostics: nil, details: "further-pages-withheld"),
                members: [JSONMemberValue("search", ["mode": "outcome"])])
        }
        return .release(builder.answer(bytes: envelope.finished()))
    }
}
