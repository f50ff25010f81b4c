internal import FHIRCore

/// What a permit knows about which resources may pass: the grants, the server, and how the search was put.
struct ReleaseRule: Sendable {
    /// Every grant of the token inside its boundary, for whatever else comes along.
    let grants: [EffectiveGrant]
    /// The grants that permit the request; no other one admits what it is about. Another grant with the same letter may
    /// be one that a rule of the decision has set aside.
    let deciding: [EffectiveGrant]
    /// The protected server.
    let policy: ServerPolicy
    /// The includes that were asked for and forwarded; resources of no other kind may come along.
    var includes: [Include] = []
    /// The query that the client's search came to, for the `self` link.
    var publicQuery: SearchQuery = SearchQuery()
    /// The client's own query without anything that narrows it, for a `self` link where several searches do.
    var clientQuery: SearchQuery = SearchQuery()
    /// Whether the answer is a count and nothing else.
    var isCount = false
    /// Whether the upstream's total counts exactly what may be seen.
    var isCountable = false
    /// What a search among several adds to the client's terms.
    var limit = RowLimit()
    /// Rows on a page, where the client says how many.
    var pageSize: Int?
    /// Whether rows that the search finds can be ones that may not be seen.
    var hidesRows = false
    /// The operation that is called, where the request is one.
    var operation: OperationCall?

    /// The judge of what comes in a role.
    func judge(for role: ResourceRole) -> Judge {
        switch role {
        case .match, .version, .stored, .submitted: Judge(grants: deciding, policy: policy)
        case .include, .answer: Judge(grants: grants, policy: policy)
        }
    }

    var forms: ReferenceForms {
        ReferenceForms(publicBase: policy.publicBase, upstreamBase: policy.upstreamBase)
    }

    /// Whether an address is below the upstream's base, in a form that two readers read alike.
    ///
    /// The base alone is none: it names the whole server and no page.
    func isUpstreamAddress(_ url: String) -> Bool {
        if mutated(.pagesElsewhere) { return true }
        guard let server = policy.upstreamAddress, let target = server.requestTarget(ofLink: url) else { return false }
        return target != server.path && target != server.path + "/"
    }
}

/// One `_include` or `_revinclude` that was understood and forwarded.
struct Include: Hashable, Sendable {
    /// The type whose parameter is followed.
    let source: ResourceType
    /// The parameter that is followed.
    let parameter: SearchParameter
    /// The types that may come along: the targets of an include, the source of a reverse include.
    let arriving: Set<ResourceType>
    /// Whether it is a `_revinclude`.
    let isReverse: Bool
    /// Whether it also follows what was itself included.
    let iterates: Bool
}
