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

    /// Why a resource is outside one boundary.
    struct Failure: Error { let reason: WithholdReason }

    var forms: ReferenceForms {
        ReferenceForms(publicBase: policy.publicBase, upstreamBase: policy.upstreamBase, entries: entries)
    }

    /// Whether some grant with one of these letters admits the resource.
    ///
    /// - Parameter released: resources that are released with it; a Provenance may stand on those it is about.
    func judge(
        _ resource: ResourceView, letters: Permissions, released: Set<InstanceKey> = []
    ) -> Judgement {
        let judge = TypeJudge(self, of: resource.type, letters: letters)
        return judge.judge(resource, judge.subject(of: resource), released: released)
    }
}

/// What the element that says whose a resource is reads; evaluated once, for the judgement and for the record.
struct SubjectValue: Sendable {
    /// The resources that the element names; for a patient itself its own key.
    var keys: [InstanceKey] = []

    /// Whether the element names a patient of a panel.
    func names(aPatientOf panel: Set<ResourceID>) -> Bool {
        // Mostly one patient, who is found sooner by looking than by hashing.
        if panel.count == 1, let only = panel.first { return keys.contains { $0.type == .patient && $0.id == only } }
        return keys.contains { $0.type == .patient && panel.contains($0.id) }
    }
}

/// A judge of the resources of one type, with what depends on the type alone found out beforehand.
struct TypeJudge: Sendable {
    private let policy: ServerPolicy
    private let rule: TypeRule
    private let forms: ReferenceForms
    /// The grants that say anything about the letters on the type: boundary and constraint of each, and the scopes.
    private let grants: [(boundary: PatientPanel, constraint: SearchConstraint?)]
    private let held: [HeldScope]
    /// Whether formal membership counts; what is written is held against the subject alone.
    private let countsFormalMembers: Bool

    init(_ judge: Judge, of type: ResourceType, letters: Permissions) {
        policy = judge.policy
        rule = policy.types[type]
        forms = judge.forms
        let applying = judge.grants.filter { $0.grants(letters, on: type, types: judge.policy.types) }
            .prefix(mutated(.onlyFirstScope) ? 1 : .max)
        grants = applying.map { ($0.boundary, $0.scope.constraint) }
        held = applying.map(\.held)
        countsFormalMembers =
            (rule.countsFormalMembers || mutated(.formalMembersCount))
            && letters.isDisjoint(with: [.create, .update, .delete])
    }

    /// Reads the subject element of a resource of the type.
    func subject(of resource: ResourceView) -> SubjectValue { forms.subject(of: resource, rule) }

    /// Whether one of the grants admits a resource of the type.
    func judge(
        _ resource: ResourceView, _ subject: SubjectValue, released: Set<InstanceKey> = []
    ) -> Judgement {
        // What was found out beforehand holds for no other type.
        guard resource.type == rule.type else { return .fails(.unexpected) }
        var reason = WithholdReason.notGranted
        var best: Redaction?
        // The places of the grants that do not admit it; mostly none, and then nothing is gathered.
        var failing: Set<Int> = []
        for place in grants.indices {
            if let constraint = grants[place].constraint, !constraint.matches(resource) {
                reason = max(reason, .outsideConstraint)
                failing.insert(place)
                continue
            }
            switch redaction(of: resource, subject, for: grants[place].boundary, released) {
            case .success(let found):
                if best.map({ found.count < $0.count }) ?? true { best = found }
            case .failure(let failure):
                reason = max(reason, failure.reason)
                failing.insert(place)
            }
        }
        guard let best else { return .fails(reason) }
        guard !failing.isEmpty else { return .passes(best, by: held) }
        return .passes(best, by: held.indices.filter { !failing.contains($0) }.map { held[$0] })
    }

    /// What must be cut for the resource to be inside one boundary, or why it is outside.
    private func redaction(
        of resource: ResourceView, _ subject: SubjectValue, for boundary: PatientPanel, _ released: Set<InstanceKey>
    ) -> Result<Redaction, Judge.Failure> {
        let panel: Set<ResourceID>
        switch boundary {
        case .none: return .failure(Judge.Failure(reason: .outsideBoundary))
        case .everyone: return .success(.none)
        case .patients(let patients): panel = patients
        }
        switch rule.typeClass {
        // It is nobody's; what it contains may still be somebody's.
        case .shared, .conformance: return others(in: resource, panel, .allow)
        case .restricted where !mutated(.restrictedReached):
            return .failure(Judge.Failure(reason: .outsideBoundary))
        case .restricted: return .success(.none)
        case .compartment: break
        }
        // Member(R, p), strict: the subject element names a patient of the panel.
        let isMember =
            if case .parameter = rule.subject, resource.type == .provenance {
                isProvenance(resource, visibleIn: panel, released)
            } else {
                subject.names(aPatientOf: panel)
            }
        guard isMember || (countsFormalMembers && isFormalMember(resource, of: panel)) || mutated(.boundaryNotHeld)
        else {
            return .failure(Judge.Failure(reason: .outsideBoundary))
        }
        return others(in: resource, panel, rule.multiPatient)
    }

    /// Member(R, p), full: any element of the published compartment names a patient of the panel.
    private func isFormalMember(_ resource: ResourceView, of panel: Set<ResourceID>) -> Bool {
        rule.membership.contains { parameter in
            (resource.references(parameter) ?? []).contains { value in
                guard let key = forms.read(value.literal) else { return false }
                return key.type == .patient && panel.contains(key.id)
            }
        }
    }

    /// What takes patients outside the panel out, or the failure that withholds the resource.
    private func others(
        in resource: ResourceView, _ panel: Set<ResourceID>, _ multiPatient: TypeRule.MultiPatientRule
    ) -> Result<Redaction, Judge.Failure> {
        // Where references stay as text, only what is contained could be somebody else's.
        if multiPatient == .allow, resource.node["contained"] == nil { return .success(.none) }
        return MultiPatient(panel: panel, policy: policy, forms: forms).redaction(of: resource, multiPatient)
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
        if mutated(.provenanceOfAnyTarget) { return patients.contains { panel.contains($0.id) } }
        guard patients.allSatisfy({ panel.contains($0.id) }) else { return false }
        let clinical = keys.filter {
            $0.type != .patient && ![.shared, .conformance].contains(policy.types[$0.type].typeClass)
        }
        return !(patients.isEmpty && clinical.isEmpty) && clinical.allSatisfy(released.contains)
    }
}

extension ReferenceForms {
    /// Reads the element that says whose a resource is.
    func subject(of resource: ResourceView, _ rule: TypeRule) -> SubjectValue {
        switch rule.subject {
        case .ownID:
            SubjectValue(keys: resource.id.map { [InstanceKey(type: .patient, id: $0)] } ?? [])
        case .parameter(let parameter):
            SubjectValue(keys: resource.referencedKeys(parameter) { read($0) })
        case .securityContext:
            SubjectValue(keys: securityContext(of: resource).map { [$0] } ?? [])
        case nil: SubjectValue()
        }
    }

    private func securityContext(of resource: ResourceView) -> InstanceKey? {
        guard let node = resource.node["securityContext"], node.kind == .object, let text = node["reference"]?.string
        else { return nil }
        return read(LiteralReference(text))
    }
}

extension WithholdReason: Comparable {
    /// Orders reasons by how far a resource came before it failed, so that the nearest miss is reported.
    public static func < (first: WithholdReason, second: WithholdReason) -> Bool { first.rank < second.rank }

    private var rank: Int {
        switch self {
        case .notGranted: 0
        case .outsideConstraint: 1
        case .outsideBoundary: 2
        case .otherPatients: 3
        case .unexpected: 4
        case .unreadable: 5
        case .unconnected: 6
        case .changesIdentity: 7
        case .referenceNotVisible: 8
        case .referenceForm: 9
        }
    }
}
