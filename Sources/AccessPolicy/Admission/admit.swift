public import FHIRCore

/// Judges one resource under a permit: whether it may pass in its role, and with what cut out.
///
/// Pure and total. It judges the resource's own elements and never that a search or a URL has led to it. It does not
/// look at other resources: see ``admitReplacement(_:of:under:visible:)`` for an update and ``admitAnswer(_:under:pageLink:)``
/// for what only a whole answer can tell.
///
/// - Parameter visible: for a body, the resources that it refers to and that were looked up and admitted.
public func admit(
    _ resource: ResourceView, as role: ResourceRole, under permit: Permit, visible: Set<InstanceKey> = []
) -> Admission {
    guard Expectation(permit).allows(resource, as: role) else { return .withhold(.unexpected) }
    let judge = Judge(permit.rule)
    if role == .submitted {
        let body = SubmittedBody(judge: judge, visible: visible)
        switch body.judgement(resource, letter: permit.letters(for: role)) {
        case .fails(let reason): return .withhold(reason)
        case .passes:
            guard case .create = permit.request.interaction else {
                return .release(Released(bytes: body.rewritten(resource, dropsID: false)))
            }
            return .release(Released(bytes: body.rewritten(resource, dropsID: true)))
        }
    }
    switch judge.judge(resource, letters: permit.letters(for: role)) {
    case .fails(let reason): return .withhold(reason)
    case .passes(let edits, _):
        let bytes = OutgoingResource(resource, permit.rule).bytes(edits)
        return edits.isEmpty ? .release(Released(bytes: bytes)) : .redact(Released(bytes: bytes), edits: edits.count)
    }
}

/// Judges the body of an update against the version that it replaces.
///
/// Both must pass on their own; moreover the body changes nothing that says whose the resource is, unless both name
/// the boundary's own patient and nobody else (enforcer digest row 14).
public func admitReplacement(
    _ body: ResourceView, of stored: ResourceView, under permit: Permit, visible: Set<InstanceKey> = []
) -> Admission {
    if case .withhold = admit(stored, as: .stored, under: permit) { return .withhold(.outsideBoundary) }
    let admission = admit(body, as: .submitted, under: permit, visible: visible)
    guard admission.released != nil else { return admission }
    let unlimited = permit.rule.grants.contains {
        $0.isEveryone && $0.grants(.update, on: body.type, types: permit.rule.policy.types)
    }
    if !unlimited, !Replacement(rule: permit.rule).keepsIdentity(of: stored, in: body) {
        return .withhold(.outsideBoundary)
    }
    return admission
}

extension Permit {
    /// The resources that must be looked up, and admitted as a match would be, before the body may be written.
    public func referencesToProve(in body: ResourceView) -> [InstanceKey] {
        guard !rule.grants.contains(where: \.isEveryone) else { return [] }
        return SubmittedBody(judge: Judge(rule), visible: []).referencesToProve(body)
    }

    /// The letters, any one of which admits a resource in a role.
    func letters(for role: ResourceRole) -> Permissions {
        switch role {
        case .include, .answer: return [.read, .search]
        case .match, .version, .stored, .submitted: break
        }
        switch request.interaction {
        case .create: return .create
        case .update: return .update
        case .delete: return .delete
        case .search, .searchCompartment: return .search
        case .read, .vread, .instanceHistory: return .read
        case .capabilities, .typeHistory, .systemHistory, .searchSystem, .conditionalCreate, .conditionalUpdate,
            .patch, .conditionalPatch, .conditionalDelete, .batch, .transaction, .operation, .page:
            return []
        }
    }
}
