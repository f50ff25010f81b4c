internal import FHIRCore

/// Several upstream requests that one answer is put together from, each with a permit of its own.
struct Gathering: Sendable {
    /// What is gathered.
    enum Kind: Hashable, Sendable {
        /// Rows of searches.
        case search
        /// Versions of many resources.
        case history
        /// What an operation answers in pages, or a call that hangs on a read.
        case operation
        /// Documents that point at a Binary, and then the Binary.
        case binary
    }

    let kind: Kind
    /// The requests, in the order in which their rows stand in the answer.
    let parts: [Permit]
    /// A read of the resource that the request hangs on; the whole answer is refused when it does not pass.
    ///
    /// One or none; a list, because a permit cannot hold one of its own kind.
    let proofs: [Permit]
    /// Rows on a page.
    let pageSize: Int
    /// What the client asked, as it stands in the `self` link, below the base.
    let publicPath: String
    /// The client's own query, as it stands in the `self` link.
    let publicQuery: SearchQuery
}

extension Permit {
    /// Whether the answer is put together from several upstream answers; see ``AnswerGathering``.
    public var isGathered: Bool { gathering != nil }

    /// The permits of the upstream requests that the answer is made of: this one, where it is not gathered.
    public var requests: [Permit] { gathering?.parts ?? [self] }

    /// A read that must be made and must pass as the answer of its own request would, before anything is gathered.
    public var proof: Permit? { proofs.first }

    /// The same, where there may be several: each must pass.
    public var proofs: [Permit] { gathering?.proofs ?? rule.operation?.proofs ?? [] }

    /// What goes upstream, for the record and for tying further pages to it: the query, or one line for each of several.
    public var recordedQuery: String? {
        guard let gathering else { return upstreamQuery?.encoded }
        return gathering.parts.map { part in
            let query = part.upstreamQuery?.encoded ?? ""
            let type = part.upstreamInteraction.type?.rawValue ?? ""
            return query.isEmpty ? type : "\(type)?\(query)"
        }.joined(separator: "\n")
    }
}

extension Decider {
    /// One permit for what several come to; the one itself, where it is one whose rows all may be seen.
    ///
    /// - Parameter shown: path and query of the `self` link; nil for those of a search over one type.
    func gathered(
        _ parts: [Permit], kind: Gathering.Kind = .search, proof: Permit? = nil,
        shown: (path: String, query: SearchQuery)?
    ) throws(Refused) -> Permit {
        guard let first = parts.first else { throw Refused(.contextRefused) }
        guard parts.count > 1 || proof != nil || shown != nil || first.rule.hidesRows || kind != .search else {
            return first
        }
        guard parts.count <= policy.maxSearches else { throw Refused(.operationNotSupported) }
        // A number of rows has no pages; it was offered only where one search says all.
        if first.rule.isCount, parts.count > 1 || proof != nil || shown != nil {
            throw Refused(.parameterNotSupported, parameter: "_summary")
        }
        if first.rule.isCount { return first }
        var determining: [HeldScope] = []
        for held in parts.flatMap(\.determining) where !determining.contains(held) { determining.append(held) }
        let gathering = Gathering(
            kind: kind, parts: parts, proofs: [proof].compactMap { $0 },
            pageSize: first.rule.pageSize ?? policy.pageSize,
            publicPath: shown?.path ?? "/\(first.upstreamInteraction.type?.rawValue ?? "")",
            publicQuery: shown?.query ?? (parts.count == 1 ? first.rule.publicQuery : first.rule.clientQuery))
        return Permit(
            request: request, access: access, determining: determining,
            upstreamInteraction: first.upstreamInteraction, upstreamQuery: first.upstreamQuery,
            narrowingIsExact: parts.allSatisfy(\.narrowingIsExact), precondition: nil, gathering: gathering,
            rule: first.rule)
    }
}
