internal import FHIRCore

/// The answer to the history of a type or of the whole server: each version judged on its own, pages filled, no total.
///
/// As with a single resource's history, a version is shown only where the current one may be seen too: an old version
/// that says somebody else's name was probably a mistake. Where a grant has limits, the current versions are looked up.
struct HistoryGathering: AnswerGathering {
    /// A version, or a deletion, that may be shown as far as it alone says.
    private struct Row {
        let key: InstanceKey
        let resource: ResourceView?
        let redaction: Redaction
        let scopes: [HeldScope]
        let members: [JSONMemberValue]
        /// Whether the current version has to pass as well.
        let hangsOnCurrent: Bool
    }

    private let permit: Permit
    private let gathering: Gathering
    private var progress: GatheringProgress
    private var rows: [Row] = []
    private var counts = ReleaseCounts()
    private var securityEvents: [String] = []
    private var hidesRows = false
    private(set) var disobeyed: Set<ResourceType> = []
    /// The rows of the upstream page at hand, until the current versions behind them are known.
    private var waiting: [Row] = []
    private var afterWaiting: String?
    private var lookups: [Permit] = []
    private var current: Set<InstanceKey> = []

    init(_ permit: Permit, _ gathering: Gathering, from start: GatheringPosition) {
        self.permit = permit
        self.gathering = gathering
        progress = GatheringProgress(from: start, permit.rule.policy)
    }

    var next: Permit? {
        if let lookup = lookups.first { return lookup }
        guard !progress.isOver else { return nil }
        let part = gathering.parts[0]
        guard let page = progress.position.page else { return part }
        return part.continuing(at: page)
    }

    mutating func take(_ answer: UpstreamAnswer) -> Denial? {
        if let lookup = lookups.first {
            lookups.removeFirst()
            if let denial = takeCurrent(answer, lookup) { return denial }
        } else {
            if let denial = takeVersions(answer) { return denial }
            lookups = currentLookups()
            // Each is a call like any other. A page as long as it was asked for is always looked through; a longer one
            // could ask for thousands, and is refused where they cannot be afforded.
            guard progress.spend(lookups: lookups.count) || waiting.count <= gathering.pageSize else {
                return Denial(.upstreamUnverifiable)
            }
        }
        if lookups.isEmpty { settle() }
        return nil
    }

    // MARK: - versions

    private mutating func takeVersions(_ answer: UpstreamAnswer) -> Denial? {
        let part = gathering.parts[0]
        if let denial = UpstreamStatus.denial(answer.status, for: part.upstreamInteraction) { return denial }
        guard let bundle = bundle(answer, type: "history"),
            let link = NextPage(of: bundle, part.rule).address
        else { return Denial(.upstreamUnverifiable) }
        afterWaiting = link
        waiting = bundle.entries.compactMap { row($0, part) }
        return nil
    }

    private mutating func row(_ entry: BundleView.Entry, _ part: Permit) -> Row? {
        guard let node = entry.resource else { return deletion(entry, part) }
        guard let view = try? ResourceView(node), let key = view.key, expects(key.type) else {
            counts.withhold(.unexpected)
            note("an entry of a history is of another type")
            return nil
        }
        switch part.judgement(of: view, as: .version) {
        case .fails(let reason):
            counts.withhold(reason)
            hidesRows = true
            return nil
        case .passes(let redaction, let scopes):
            let isFree = scopes.contains { held in
                part.rule.deciding.contains { $0.held == held && $0.isEveryone && held.scope.constraint == nil }
            }
            return Row(
                key: key, resource: view, redaction: redaction, scopes: scopes,
                members: HistoryEntry.version(view, key, entry),
                hangsOnCurrent: !isFree && !mutated(.historyWithoutCurrent))
        }
    }

    /// A deletion says nothing about whose the resource was: only who may see all of the type is told of it (row 4).
    private mutating func deletion(_ entry: BundleView.Entry, _ part: Permit) -> Row? {
        guard let request = entry.request, request.method == "DELETE",
            let key = part.rule.forms.read(LiteralReference(request.url)), expects(key.type)
        else { return nil }
        let isFree = part.rule.deciding.contains {
            $0.isEveryone && $0.scope.constraint == nil
                && $0.grants(.search, on: key.type, types: part.rule.policy.types)
        }
        guard isFree || mutated(.deletionsShown) else {
            hidesRows = true
            return nil
        }
        return Row(
            key: key, resource: nil, redaction: .none, scopes: [], members: HistoryEntry.deletion(key, entry),
            hangsOnCurrent: false)
    }

    private func expects(_ type: ResourceType) -> Bool {
        if case .typeHistory(let wanted) = permit.request.interaction { return type == wanted }
        return true
    }

    private mutating func note(_ event: String) {
        if !securityEvents.contains(event) { securityEvents.append(event) }
    }

    // MARK: - the current versions behind them

    /// The most ids in one look-up.
    private static let idsPerLookup = 40

    private func currentLookups() -> [Permit] {
        let keys = Set(waiting.filter(\.hangsOnCurrent).map(\.key))
        let types = Dictionary(grouping: keys, by: \.type)
        return types.keys.sorted().flatMap { type -> [Permit] in
            let ids = (types[type] ?? []).map(\.id).sorted()
            return stride(from: 0, to: ids.count, by: Self.idsPerLookup).map { start in
                let some = ids[start..<min(start + Self.idsPerLookup, ids.count)]
                return gathering.parts[0].lookingUp(type, Array(some))
            }
        }
    }

    private mutating func takeCurrent(_ answer: UpstreamAnswer, _ lookup: Permit) -> Denial? {
        if let denial = UpstreamStatus.denial(answer.status, for: lookup.upstreamInteraction) { return denial }
        guard case .search(let type) = lookup.upstreamInteraction, let bundle = bundle(answer, type: "searchset") else {
            return Denial(.upstreamUnverifiable)
        }
        var search = SearchAnswer(lookup, bundle, type)
        let page = search.page()
        disobeyed.formUnion(page.disobeyed)
        current.formUnion(page.matches.map(\.key))
        return nil
    }

    // MARK: - pages

    private mutating func settle() {
        var visible: [Row] = []
        for row in waiting {
            guard !row.hangsOnCurrent || current.contains(row.key) else {
                counts.withhold(.outsideBoundary)
                hidesRows = true
                continue
            }
            visible.append(row)
        }
        waiting = []
        var taken: [Row] = []
        for (number, row) in visible.enumerated() where number >= progress.position.skip {
            guard rows.count + taken.count < gathering.pageSize, progress.hasRoom(for: row.resource) else {
                progress.found(next: GatheringPosition(part: 0, page: progress.position.page, skip: number))
                break
            }
            taken.append(row)
            progress.fill(row.resource)
        }
        keep(taken)
        guard !progress.isOver else { return }
        progress.advance(to: afterWaiting, parts: 1)
    }

    private mutating func keep(_ taken: [Row]) {
        guard let document = taken.lazy.compactMap(\.resource?.node.document).first else { return rows += taken }
        let keeping = KeptRows(taken.compactMap(\.resource), of: document)
        rows += taken.map { row in
            guard let resource = row.resource else { return row }
            let (kept, redaction) = keeping.kept(resource, row.redaction)
            return Row(
                key: row.key, resource: kept, redaction: redaction, scopes: row.scopes, members: row.members,
                hangsOnCurrent: row.hangsOnCurrent)
        }
    }

    func finished(pageLink: (GatheringPosition) -> String?) -> AnswerAdmission {
        let isCut = progress.isExhausted && hidesRows && progress.nextPage?.page != nil
        let query = gathering.publicQuery.encoded
        let base = permit.rule.policy.publicBase
        var links = [(relation: "self", url: base + gathering.publicPath + (query.isEmpty ? "" : "?\(query)"))]
        if let next = progress.nextPage, !isCut {
            guard let ours = pageLink(next) else { return .refuse(Denial(.upstreamUnverifiable)) }
            links.append((relation: "next", url: ours))
        }
        var envelope = BundleEnvelope(type: "history", total: nil, links: links)
        var builder = ReleaseBuilder(permit, document: nil)
        builder.adopt(counts, securityEvents, disobeyed: disobeyed)
        for row in rows {
            var bytes: [UInt8]?
            if let resource = row.resource {
                builder.turn(to: resource.node.document)
                bytes = builder.release(resource, row.redaction, by: row.scopes, isProjected: true)
            }
            envelope.add(fullURL: "\(base)/\(row.key)", resource: bytes, members: row.members)
        }
        return .release(builder.answer(bytes: envelope.finished()))
    }
}

extension Permit {
    /// A look at the current versions of some resources, to be judged like matches of the history that they stand in.
    func lookingUp(_ type: ResourceType, _ ids: [ResourceID]) -> Permit {
        let query = SearchQuery([
            SearchTerm(name: "_id", rawValue: ids.map(\.text).joined(separator: ",")),
            SearchTerm(name: "_count", rawValue: String(ids.count)),
        ])
        return Permit(
            request: request, access: access, determining: determining, upstreamInteraction: .search(type),
            upstreamQuery: query, narrowingIsExact: false, precondition: nil, rule: rule)
    }
}
