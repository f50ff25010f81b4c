public import FHIRCore

/// The proof that a request was decided, the form in which it may be forwarded, and the rule for what may leave.
///
/// Only `decide` makes one. It carries the request that it is for, and an upstream request can be made of nothing else.
public struct Permit: Sendable {
    /// What it says. A class so that handing a permit on costs one reference count; nothing in it changes.
    private final class Facts: Sendable {
        let request: CanonicalRequest
        let access: GrantedAccess
        let determining: [HeldScope]
        let upstreamInteraction: FHIRInteraction
        let upstreamQuery: SearchQuery?
        let narrowingIsExact: Bool
        let precondition: Precondition?
        let continuation: String?
        let gathering: Gathering?
        let rule: ReleaseRule

        init(
            request: CanonicalRequest, access: GrantedAccess, determining: [HeldScope],
            upstreamInteraction: FHIRInteraction, upstreamQuery: SearchQuery?, narrowingIsExact: Bool,
            precondition: Precondition?, continuation: String?, gathering: Gathering?, rule: ReleaseRule
        ) {
            self.request = request
            self.access = access
            self.determining = determining
            self.upstreamInteraction = upstreamInteraction
            self.upstreamQuery = upstreamQuery
            self.narrowingIsExact = narrowingIsExact
            self.precondition = precondition
            self.continuation = continuation
            self.gathering = gathering
            self.rule = rule
        }
    }

    private let facts: Facts

    /// The request that was decided.
    public var request: CanonicalRequest { facts.request }
    /// The token that it was decided for.
    public var access: GrantedAccess { facts.access }
    /// The scopes that allow it: for a search all whose limits were added, otherwise all that could admit the answer.
    public var determining: [HeldScope] { facts.determining }
    /// The interaction to ask of the upstream; a search through the patient's compartment becomes one of its type.
    public var upstreamInteraction: FHIRInteraction { facts.upstreamInteraction }
    /// The query to send, made of parsed and narrowed terms only; nil when none is sent.
    public var upstreamQuery: SearchQuery? { facts.upstreamQuery }
    /// Whether the upstream, if it obeys, returns exactly the rows that may be seen, so that its counts may pass.
    public var narrowingIsExact: Bool { facts.narrowingIsExact }
    /// What must be looked at first.
    public var precondition: Precondition? { facts.precondition }
    /// The upstream's own address of a further page; nil for a first page.
    public var continuation: String? { facts.continuation }

    /// The several requests that the answer is put together from; nil where the request is one upstream request.
    var gathering: Gathering? { facts.gathering }

    var rule: ReleaseRule { facts.rule }

    init(
        request: CanonicalRequest, access: GrantedAccess, determining: [HeldScope],
        upstreamInteraction: FHIRInteraction, upstreamQuery: SearchQuery?, narrowingIsExact: Bool,
        precondition: Precondition?, continuation: String? = nil, gathering: Gathering? = nil, rule: ReleaseRule
    ) {
        facts = Facts(
            request: request, access: access, determining: determining, upstreamInteraction: upstreamInteraction,
            upstreamQuery: upstreamQuery, narrowingIsExact: narrowingIsExact, precondition: precondition,
            continuation: continuation, gathering: gathering, rule: rule)
    }

    /// The same permit for a further page that the upstream named; nil unless it stands below the upstream's base.
    ///
    /// The permit must have been made anew, with today's token, for the request that the page belongs to: a page link
    /// is never itself a proof of anything.
    public func continuing(at upstreamURL: String) -> Permit? {
        guard rule.isUpstreamAddress(upstreamURL) else { return nil }
        switch upstreamInteraction {
        case .search, .instanceHistory, .typeHistory, .systemHistory, .operation:
            break
        case .capabilities, .read, .vread, .searchSystem, .searchCompartment, .create,
            .conditionalCreate, .update, .conditionalUpdate, .patch, .conditionalPatch, .delete, .conditionalDelete,
            .batch, .transaction, .page:
            return nil
        }
        return Permit(
            request: request, access: access, determining: determining, upstreamInteraction: upstreamInteraction,
            upstreamQuery: upstreamQuery, narrowingIsExact: narrowingIsExact, precondition: precondition,
            continuation: upstreamURL, rule: rule)
    }

    /// The refusal that a withheld resource leads to, where it is what the whole request is about.
    public func denial(for reason: WithholdReason, as role: ResourceRole) -> Denial {
        // The stored version has passed by then; it is the client's own body that is refused.
        if reason == .changesIdentity { return Denial(.bodyOutsideBoundary) }
        guard role == .submitted else { return Denial(.notFound) }
        switch reason {
        case .unexpected, .unreadable: return Denial(.bodyInvalid)
        case .referenceNotVisible, .referenceForm: return Denial(.referenceNotVisible)
        case .notGranted, .outsideConstraint, .outsideBoundary, .otherPatients, .unconnected, .changesIdentity:
            return Denial(.bodyOutsideBoundary)
        }
    }
}
