public import FHIRCore

/// A resource that a condition selects and that the token may see. Only this module makes one.
public struct ConditionMatch: Sendable {
    /// The resource.
    public let key: InstanceKey
    /// The version that satisfied the condition; nil where the server does not say which it was.
    public let version: VersionID?
    let resource: ResourceView
    let redaction: Redaction
    let scopes: [HeldScope]
    private let permit: Permit

    init(
        key: InstanceKey, resource: ResourceView, redaction: Redaction, scopes: [HeldScope], permit: Permit
    ) {
        self.key = key
        version = resource.versionID
        self.resource = resource
        self.redaction = redaction
        self.scopes = scopes
        self.permit = permit
    }

    /// The answer to a conditional create where this is there already: 200, its place, and the resource itself, which
    /// was admitted as what a search of this token finds (FHIR R4 http.html, conditional create).
    public func answer() -> ReleasedAnswer {
        var builder = ReleaseBuilder(permit, document: resource.node.document)
        var bytes: [UInt8] = []
        switch permit.request.prefer.answer {
        case nil, .representation:
            bytes = builder.release(resource, redaction, by: scopes, isProjected: false)
        case .minimal, .operationOutcome: break
        }
        let place = "\(permit.rule.policy.publicBase)/\(key)" + (version.map { "/_history/\($0.text)" } ?? "")
        return builder.answer(
            bytes: bytes, etag: redaction.isEmpty ? version.map(EntityTag.text) : nil, location: place)
    }
}

/// What one page of the answer to a condition comes to.
public enum ConditionPage: Sendable {
    /// The matches on it that may be seen, and the server's own address of the next page.
    case page([ConditionMatch], next: String?)
    /// It cannot be read as the answer to a search.
    case refuse(Denial)
}

/// Judges a page of the answer to a condition's search: every entry as a search's match is judged, by the same judge.
///
/// What may not be seen is passed over in silence, so that it counts for nothing. What may be seen and does not satisfy
/// the condition is passed over too: a server that does not know a parameter may have left it out.
public func admitMatches(_ answer: UpstreamAnswer, under permit: Permit) -> ConditionPage {
    judgeMatches(answer, under: permit).page
}

/// The same, with the type of the search where the upstream was seen to pass over what an exact one said.
public func judgeMatches(
    _ answer: UpstreamAnswer, under permit: Permit
) -> (page: ConditionPage, disobeyed: Set<ResourceType>) {
    var disobeyed: Set<ResourceType> = []
    return (conditionPage(answer, permit, &disobeyed), disobeyed)
}

private func conditionPage(
    _ answer: UpstreamAnswer, _ permit: Permit, _ disobeyed: inout Set<ResourceType>
) -> ConditionPage {
    if let denial = UpstreamStatus.denial(answer.status, for: permit.request.interaction) { return .refuse(denial) }
    guard case .search(let type) = permit.upstreamInteraction, let bundle = bundle(answer, type: "searchset") else {
        return .refuse(Denial(.upstreamUnverifiable))
    }
    let rule = ConditionRule(permit.rule.policy)
    var matches: [ConditionMatch] = []
    for entry in bundle.entries {
        guard let node = entry.resource else { continue }
        guard let resource = try? ResourceView(node) else { return .refuse(Denial(.upstreamUnverifiable)) }
        guard entry.searchMode.map({ $0 == "match" }) ?? true, resource.type == type, let key = resource.key else {
            continue
        }
        guard case .passes(let redaction, let scopes) = permit.judgement(of: resource, as: .match) else {
            if permit.narrowingIsExact { disobeyed.insert(type) }
            continue
        }
        guard rule.holds(permit.request.query, for: resource) else { continue }
        matches.append(
            ConditionMatch(key: key, resource: resource, redaction: redaction, scopes: scopes, permit: permit))
    }
    let next = bundle.links.filter { $0.relation == "next" }.map(\.url)
    guard next.count <= 1, next.allSatisfy(permit.rule.isUpstreamAddress) else {
        return .refuse(Denial(.upstreamUnverifiable))
    }
    return .page(matches, next: next.first)
}
