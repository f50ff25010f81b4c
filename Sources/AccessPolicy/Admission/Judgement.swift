internal import FHIRCore

/// What the judge says about a resource before anything is cut: whether it passes, by which grants, with which edits.
enum Judgement: Sendable {
    /// It passes by these grants after this has gone from it.
    case passes(Redaction, by: [HeldScope])
    /// It does not pass.
    case fails(WithholdReason)
}

/// The one judge of resources on their way out: `Allowed(letter, R)` of the enforcer digest b.1.
struct Judge: Sendable {
    let grants: [EffectiveGrant]
    let policy: ServerPolicy
    /// Which resources stand under which `urn:` in the document that is judged.
    let entries: [String: InstanceKey]

    init(grants: [EffectiveGrant], policy: ServerPolicy, entries: [String: InstanceKey] = [:]) {
        self.grants = grants
        self.policy = policy
        self.entries = entries
    }

    var forms: ReferenceForms {
        ReferenceForms(publicBase: policy.publicBase, upstreamBase: policy.upstreamBase, entries: entries)
    }

    /// Whether some grant with one of these letters admits the resource.
    ///
    /// - Parameter released: resources that are released with it; a Provenance may stand on those it is about.
    func judge(
        _ resource: ResourceView, letters: Permissions, released: Set<InstanceKey> = []
    ) -> Judgement {
        var reason = WithholdReason.notGranted
        var best: Redaction?
        var scopes: [HeldScope] = []
        for grant in grants where grant.grants(letters, on: resource.type, types: policy.types) {
            if let constraint = grant.scope.constraint, !constraint.matches(resource) {
                reason = max(reason, .outsideConstraint)
                continue
            }
            // What is written is held against the subject alone.
            let countsFormal = letters.isDisjoint(with: [.create, .update, .delete])
            switch redaction(of: resource, for: grant.boundary, released, countsFormal) {
            case .success(let found):
                scopes.append(grant.held)
                if best.map({ found.count < $0.count }) ?? true { best = found }
            case .failure(let failure):
                reason = max(reason, failure.reason)
            }
        }
        guard let best else { return .fails(reason) }
        return .passes(best, by: scopes)
    }

    struct Failure: Error { let reason: WithholdReason }

    /// What must be cut for the resource to be inside one boundary, or why it is outside.
    private func redaction(
        of resource: ResourceView, for boundary: PatientPanel, _ released: Set<InstanceKey>, _ countsFormal: Bool
    ) -> Result<Redaction, Failure> {
        let panel: Set<ResourceID>
        switch boundary {
        case .none: return .failure(Failure(reason: .outsideBoundary))
        case .everyone: return .success(.none)
        case .patients(let patients): panel = patients
        }
        let rule = policy.types[resource.type]
        let multiPatient = MultiPatient(panel: panel, policy: policy, forms: forms)
        switch rule.typeClass {
        // It is nobody's; what it contains may still be somebody's.
        case .shared, .conformance: return multiPatient.redaction(of: resource, .allow)
        case .restricted: return .failure(Failure(reason: .outsideBoundary))
        case .compartment: break
        }
        guard
            isMember(resource, of: panel, rule, released)
                || (countsFormal && rule.countsFormalMembers && isFormalMember(resource, of: panel, rule))
        else {
            return .failure(Failure(reason: .outsideBoundary))
        }
        return multiPatient.redaction(of: resource, rule.multiPatient)
    }

    /// Member(R, p), strict: the subject element names a patient of the panel.
    private func isMember(
        _ resource: ResourceView, of panel: Set<ResourceID>, _ rule: TypeRule, _ released: Set<InstanceKey>
    ) -> Bool {
        switch rule.subject {
        case .ownID: resource.id.map(panel.contains) ?? false
        case .parameter(let parameter):
            resource.type == .provenance
                ? isProvenance(resource, visibleIn: panel, released)
                : names(resource.references(parameter), panel)
        case .securityContext: names(securityContext(of: resource), panel)
        case nil: false
        }
    }

    /// Member(R, p), full: any element of the published compartment names a patient of the panel.
    private func isFormalMember(_ resource: ResourceView, of panel: Set<ResourceID>, _ rule: TypeRule) -> Bool {
        rule.membership.contains { names(resource.references($0), panel) }
    }

    private func names(_ references: [ReferenceValue]?, _ panel: Set<ResourceID>) -> Bool {
        (references ?? []).contains { value in
            guard let key = forms.read(value.literal) else { return false }
            return key.type == .patient && panel.contains(key.id)
        }
    }

    private func securityContext(of resource: ResourceView) -> [ReferenceValue]? {
        guard let node = resource.node["securityContext"], node.kind == .object, let text = node["reference"]?.string
        else { return nil }
        return [ReferenceValue(literal: LiteralReference(text), range: node.range)]
    }

    /// b.7: at least one target is visible, and every target that belongs to a patient is.
    ///
    /// A target is visible when it is a patient of the panel or released in the same Bundle; beside a patient of the
    /// panel another clinical target could still be somebody else's.
    private func isProvenance(
        _ resource: ResourceView, visibleIn panel: Set<ResourceID>, _ released: Set<InstanceKey>
    ) -> Bool {
        guard let parameter = R4.searchParameter("target", for: .provenance),
            let targets = resource.references(parameter), !targets.isEmpty
        else { return false }
        let keys = targets.compactMap { forms.read($0.literal) }
        guard keys.count == targets.count else { return false }
        let patients = keys.filter { $0.type == .patient }
        guard patients.allSatisfy({ panel.contains($0.id) }) else { return false }
        let clinical = keys.filter {
            $0.type != .patient && ![.shared, .conformance].contains(policy.types[$0.type].typeClass)
        }
        return !(patients.isEmpty && clinical.isEmpty) && clinical.allSatisfy(released.contains)
    }
}

extension WithholdReason: Comparable {
    /// Orders reasons by how far a resource came before it failed, so that the nearest miss is reported.
    public static func < (first: WithholdReason, second: WithholdReason) -> Bool { first.rank < second.rank }

    private var rank: Int { WithholdReason.allCases.firstIndex(of: self) ?? 0 }
}
