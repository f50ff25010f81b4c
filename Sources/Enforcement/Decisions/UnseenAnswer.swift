internal import AccessPolicy
internal import FHIRCore

/// Whether a permitted request can be let through by a gateway that shows us no answer: only where nothing of the
/// answer of an obedient server could have been withheld or redacted.
///
/// Pure. What the protected server sends against the query it was asked, and what resources carry inside themselves
/// (`contained`), nobody looks at then; `docs/foreign-gateways.md` says so.
enum UnseenAnswer: Hashable, Sendable {
    /// The decision is enough.
    case harmless
    /// Only the answer could tell; the word is the reason in the record.
    case mustBeSeen(String)

    init(_ permit: Permit, of question: AccessRequest) {
        self = Self.judge(permit, question)
    }

    private static func judge(_ permit: Permit, _ question: AccessRequest) -> UnseenAnswer {
        let request = permit.request
        guard request.method == .get, !request.isPostSearch else { return .mustBeSeen("body-unseen") }
        // A gateway forwards one query; what is put together from several, or hangs on a proof, is not in any one.
        guard !permit.isGathered else {
            return .mustBeSeen(permit.narrowingIsExact ? "several-requests" : "narrowing-not-exact")
        }
        guard permit.precondition == nil else { return .mustBeSeen("stored-version-unseen") }
        switch request.options.summary {
        case .true, .text, .data: return .mustBeSeen("projection-unseen")
        case nil, .false, .count: break
        }
        guard request.options.elements.isEmpty else { return .mustBeSeen("projection-unseen") }
        switch permit.upstreamInteraction {
        case .search(let type): return search(permit, type, question)
        case .read(let key): return read(permit, key, question)
        case .capabilities, .vread, .instanceHistory, .typeHistory, .systemHistory, .searchSystem, .searchCompartment,
            .create, .conditionalCreate, .update, .conditionalUpdate, .patch, .conditionalPatch, .delete,
            .conditionalDelete, .batch, .transaction, .operation, .page:
            return .mustBeSeen("interaction-unseen")
        }
    }

    private static func search(_ permit: Permit, _ type: ResourceType, _ question: AccessRequest) -> UnseenAnswer {
        let terms = permit.upstreamQuery?.terms ?? []
        // What comes along is not narrowed by anything.
        guard !terms.contains(where: { ["_include", "_revinclude"].contains($0.name) }) else {
            return .mustBeSeen("include-unseen")
        }
        if !question.isBounded(permit) { return .harmless }
        guard permit.narrowingIsExact else { return .mustBeSeen("narrowing-not-exact") }
        // A parameter that the server does not know it may pass over, and nobody would see the rows.
        guard permit.narrowingIsDeclared else { return .mustBeSeen("narrowing-not-declared") }
        return keepsOthers(type, question) ? .harmless : .mustBeSeen("redaction-unseen")
    }

    private static func read(_ permit: Permit, _ key: InstanceKey, _ question: AccessRequest) -> UnseenAnswer {
        if !question.isBounded(permit) { return .harmless }
        guard permit.determining.contains(where: { $0.scope.constraint == nil }) else {
            return .mustBeSeen("constraint-unseen")
        }
        switch question.policy.types[key.type].typeClass {
        case .shared, .conformance: return .harmless
        case .restricted: return .mustBeSeen("owner-unseen")
        case .compartment:
            // `decide` has judged a Patient by its id; of anything else only the content says whose it is.
            guard key.type == .patient else { return .mustBeSeen("owner-unseen") }
            return keepsOthers(.patient, question) ? .harmless : .mustBeSeen("redaction-unseen")
        }
    }

    /// Whether nothing is cut out of resources of a type that also name patients outside the boundary.
    private static func keepsOthers(_ type: ResourceType, _ question: AccessRequest) -> Bool {
        let rule = question.policy.types[type]
        return rule.typeClass != .compartment || rule.multiPatient == .allow
    }
}
