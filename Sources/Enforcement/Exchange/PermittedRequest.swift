internal import AccessPolicy
internal import FHIRCore

/// A request that was permitted, with what its answer will need and what is still to be looked up for it.
struct PermittedRequest: Sendable {
    let permit: Permit
    /// The body as the client sent it, where there is one.
    let body: ResourceView?
    /// Whether the token reaches only some records, so that no answer may betray what stands outside.
    let isBounded: Bool
    /// Of a further page, the request that it belongs to.
    let openedOrigin: PageOrigin?
    /// The request that came in; of a batch, the whole of it.
    let received: FHIRRequest
    /// The request target of a further page.
    let pageTarget: String?
    let now: Int64
    var record: RecordDraft
    /// The body as it may be forwarded, once it has passed.
    var submitted: Released?
    /// Reads of what the body refers to, still to be made; the next one first.
    var unproven: [ProvingRead] = []
    /// What the body refers to and this token may read.
    var visible: Set<InstanceKey> = []
    /// Whether the stored version, if the permit names one, has still to be judged.
    var isStoredUnjudged = true
    /// The stored version that was judged, to which a write is tied.
    var judged: JudgedVersion?
    /// What the write has to do with others of the same exchange.
    var setting = WriteSetting.alone

    /// Where further pages of the answer begin.
    var origin: PageOrigin {
        openedOrigin
            ?? PageOrigin(
                received, permit.request, narrowed: PageOrigin.digest(of: permit.upstreamQuery?.encoded ?? ""),
                holder: PageHolder(permit.access))
    }

    var changesUpstream: Bool { permit.request.interaction.isWrite }

    /// The request itself.
    var upstreamRequest: UpstreamRequest {
        UpstreamRequest(
            permit, judged: judged, submitted: submitted, pageTarget: pageTarget, ifNoneExist: setting.condition)
    }

    /// Whether the answer is about one resource that the client named, so that its face must not depend on what is
    /// stored there.
    var isAboutOneInstance: Bool {
        switch permit.request.interaction {
        case .read, .vread, .instanceHistory: true
        default: false
        }
    }
}

/// The read of a resource that a body refers to, permitted like any other read of this token.
struct ProvingRead: Sendable {
    let key: InstanceKey
    let permit: Permit

    var upstreamRequest: UpstreamRequest { UpstreamRequest(permit, judged: nil, submitted: nil, pageTarget: nil) }
}

/// A stored version that was judged and found to be within the token's reach.
struct JudgedVersion: Sendable, Hashable {
    let key: InstanceKey
    let version: VersionID

    /// FHIR R4 http.html: the weak entity tag of a version.
    var entityTag: String { EntityTag.text(version) }
}

/// What a write depends on beside itself.
struct WriteSetting: Sendable {
    /// Under which condition a create makes something.
    var condition: NarrowedCondition?
    /// The entries of the same transaction that create something, by their names.
    var siblings: [String: ResourceType] = [:]

    /// A write of its own.
    static let alone = WriteSetting()
}

/// The condition of a create, in the words of the search that it was permitted as: the protected server looks only where
/// the token may look.
struct NarrowedCondition: Sendable, Hashable {
    let text: String

    /// Nil where the permit is none of a search whose limits one query says.
    init?(_ permit: Permit) {
        guard permit.requests.count == 1, let search = permit.requests.first, search.narrowingIsExact,
            let query = search.upstreamQuery?.encoded, !query.isEmpty
        else { return nil }
        text = query
    }
}
