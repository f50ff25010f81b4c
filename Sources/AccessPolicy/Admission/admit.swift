public import FHIRCore

/// Judges one resource under a permit: whether it may pass in its role, and with what cut out.
///
/// Pure and total. It judges the resource's own elements and never that a search or a URL has led to it. What only a
/// whole answer can tell is for ``admitAnswer(_:under:pageLink:)``. The stored version of an update is withheld also
/// when the body that the permit carries would change whose the resource is.
///
/// - Parameters:
///   - visible: for a body, the resources that it refers to and that were looked up and admitted.
///   - siblings: for a body in a transaction, the names of the entries that create something, with its type.
public func admit(
    _ resource: ResourceView, as role: ResourceRole, under permit: Permit, visible: Set<InstanceKey> = [],
    siblings: [String: ResourceType] = [:]
) -> Admission {
    guard Expectation(permit).allows(resource, as: role) else { return .withhold(.unexpected) }
    switch permit.judgement(of: resource, as: role, visible: visible, siblings: siblings) {
    case .fails(let reason): return .withhold(reason)
    case .passes where role == .submitted:
        let body = SubmittedBody(judge: permit.rule.judge(for: role), visible: visible, siblings: siblings)
        let isCreate = if case .create = permit.request.interaction { true } else { false }
        return .release(Released(bytes: body.rewritten(resource, dropsID: isCreate)))
    case .passes(let redaction, _):
        if role == .stored {
            let replacement = Replacement(permit)
            // What was masked for the token's reader would be lost with what replaces it (ADR 0070).
            guard replacement.keepsIdentity(of: resource), redaction.isEmpty || !replacement.replaces else {
                return .withhold(.changesIdentity)
            }
        }
        let addresses = AddressMap(permit.rule.policy, for: resource.node.document)
        let released = Released(bytes: OutgoingResource(resource, addresses).bytes(redaction))
        return redaction.isEmpty ? .release(released) : .redact(released, edits: redaction.count)
    }
}

/// Judges the body of an update against the version that it replaces.
///
/// Both must pass on their own. That the body changes nothing that says whose the resource is, is part of the stored
/// version's admission, since the permit carries the body (enforcer digest row 14).
public func admitReplacement(
    _ body: ResourceView, of stored: ResourceView, under permit: Permit, visible: Set<InstanceKey> = [],
    siblings: [String: ResourceType] = [:]
) -> Admission {
    if case .withhold(let reason) = admit(stored, as: .stored, under: permit) { return .withhold(reason) }
    guard case .resource(let carried) = permit.request.body, carried == body else { return .withhold(.unexpected) }
    return admit(body, as: .submitted, under: permit, visible: visible, siblings: siblings)
}

extension Permit {
    /// What the judge says of a resource in a role.
    func judgement(
        of resource: ResourceView, as role: ResourceRole, visible: Set<InstanceKey> = [],
        siblings: [String: ResourceType] = [:]
    ) -> Judgement {
        if skipsJudgement(as: role) { return .passes(.none, by: determining) }
        let judge = rule.judge(for: role)
        guard role == .submitted else { return judge.judge(resource, letters: letters(for: role)) }
        var body = SubmittedBody(judge: judge, visible: visible, siblings: siblings)
        if case .update = request.interaction { body.replacesStored = true }
        return body.judgement(resource, letter: letters(for: role))
    }

    /// The resources that must be looked up, and admitted as a match would be, before the body may be written.
    public func referencesToProve(in body: ResourceView) -> [InstanceKey] {
        let isFree = rule.deciding.contains { $0.isEveryone && ($0.scope.constraint?.matches(body) ?? true) }
        guard !isFree else { return [] }
        return SubmittedBody(judge: rule.judge(for: .submitted), visible: [], siblings: [:]).referencesToProve(body)
    }

    /// Whether this run does without the judgement of a role, to show that a test would see it.
    @inline(__always)
    private func skipsJudgement(as role: ResourceRole) -> Bool {
        switch role {
        case .match: mutated(.readsNotJudged)
        case .version: mutated(.versionsNotJudged)
        case .stored: mutated(.storedNotJudged)
        case .submitted: mutated(.bodiesNotJudged)
        case .answer: mutated(.echoesNotJudged)
        case .include: false
        }
    }

    /// The letters, any one of which admits a resource in a role.
    func letters(for role: ResourceRole) -> Permissions {
        switch role {
        case .include, .answer: return [.read, .search]
        case .match, .version, .stored, .submitted: break
        }
        switch request.interaction {
        case .create: return .create
        case .update, .patch: return .update
        case .delete: return .delete
        case .search, .searchCompartment, .searchSystem, .typeHistory, .systemHistory: return .search
        case .read, .vread, .instanceHistory: return .read
        case .capabilities, .conditionalCreate, .conditionalUpdate, .conditionalPatch, .conditionalDelete, .batch,
            .transaction, .operation, .page:
            return []
        }
    }
}
