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

    /// The permit of the search.
    let permit: Permit
    private let rules: ExchangeRules
    private var found: [InstanceKey: ConditionMatch] = [:]
    private var pages = 0

    init(_ permit: Permit, rules: ExchangeRules) {
        self.permit = permit
        self.rules = rules
    }

    /// The first page's request.
    var request: UpstreamRequest { UpstreamRequest(permit, judged: nil, submitted: nil, pageTarget: nil) }

    mutating func heard(_ reply: UpstreamReply) -> Outcome {
        switch reply {
        case .failed(let failure): return .refuse(GatewayRefusal(failure, changesUpstream: false))
        case .answer(let head, let body):
            switch admitMatches(UpstreamAnswer(head, body), under: permit) {
            case .refuse(let denial): return .refuse(GatewayRefusal(denial))
            case .page(let matches, let next): return take(matches, next)
            }
        }
    }

    private mutating func take(_ matches: [ConditionMatch], _ next: String?) -> Outcome {
        for match in matches where found[match.key] == nil { found[match.key] = match }
        pages += 1
        guard let next, found.count < 2 else { return .found(Array(found.values)) }
        guard pages < Self.maxPages, let continued = permit.continuing(at: next),
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
