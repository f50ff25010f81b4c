internal import AccessPolicy
internal import FHIRCore

/// The look at what a condition selects: a search of this token, page by page, until it is known whether none, one or
/// several of the resources that it may see match.
///
/// Nothing of it is left to the protected server: what it finds is judged, and the write that follows names an instance.
struct ConditionLook: Sendable {
    /// What the look has come to so far.
    enum Outcome: Sendable {
        case ask(UpstreamRequest)
        /// Everything that was looked at is here, or enough to say that several match.
        case found([ConditionMatch])
        case refuse(GatewayRefusal)
    }

    /// How many pages are followed. Only what may not be seen, or a server that ignores the condition, fills so many.
    static let maxPages = 20

    private let rules: ExchangeRules
    /// The searches still to be finished; the first one is under way.
    private var searches: [Permit]
    private var found: [InstanceKey: ConditionMatch] = [:]
    private var pages = 0
    /// Types on which the protected server was seen to pass over what a search said.
    private(set) var disobeyed: Set<ResourceType> = []

    /// - Parameter permit: the permit of the condition's search.
    init(_ permit: Permit, rules: ExchangeRules) {
        searches = permit.requests
        self.rules = rules
    }

    /// The first request; asked once. Nil where there is nothing to ask.
    var request: UpstreamRequest? { searches.first.map(Self.request) }

    private static func request(_ search: Permit) -> UpstreamRequest {
        UpstreamRequest(search, judged: nil, submitted: nil, pageTarget: nil)
    }

    mutating func heard(_ reply: UpstreamReply) -> Outcome {
        switch reply {
        case .failed(let failure): return .refuse(GatewayRefusal(failure, changesUpstream: false))
        case .answer(let head, let body):
            guard let search = searches.first else { return .found(Array(found.values)) }
            let judged = judgeMatches(UpstreamAnswer(head, body), under: search)
            disobeyed.formUnion(judged.disobeyed)
            switch judged.page {
            case .refuse(let denial): return .refuse(GatewayRefusal(denial))
            case .page(let matches, let next): return take(matches, next, of: search)
            }
        }
    }

    private mutating func take(_ matches: [ConditionMatch], _ next: String?, of search: Permit) -> Outcome {
        for match in matches where found[match.key] == nil { found[match.key] = match }
        pages += 1
        guard found.count < 2 else { return .found(Array(found.values)) }
        guard let next else {
            searches.removeFirst()
            return searches.first.map { .ask(Self.request($0)) } ?? .found(Array(found.values))
        }
        guard pages < Self.maxPages, let continued = search.continuing(at: next),
            let target = rules.pageLinks.server.requestTarget(ofLink: next)
        else { return .refuse(.uncheckable("condition-undecided")) }
        return .ask(UpstreamRequest(continued, judged: nil, submitted: nil, pageTarget: target))
    }
}

extension UpstreamAnswer {
    /// The whole answer of the protected server.
    init(_ head: UpstreamHead, _ body: [UInt8]) {
        self.init(
            status: head.status, contentType: head.contentType, etag: head.etag, lastModified: head.lastModified,
            location: head.location, body: body)
    }
}
