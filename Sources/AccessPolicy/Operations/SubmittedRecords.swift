internal import FHIRCore

/// Resources that are handed to an operation, held against a boundary (enforcer digest b.9, Claim operations).
///
/// In a Bundle a reference may name another entry by its `fullUrl`; it is followed there, so that a Claim is of the
/// patient who stands in the Bundle, and that patient must be one of the boundary.
struct SubmittedRecords {
    let policy: ServerPolicy
    let boundary: PatientPanel
    /// Whether the call may store what it is handed.
    let isStored: Bool

    /// The records of the protected server that what is handed in hangs on.
    struct Needs {
        /// Those that it refers to and that are not handed in with it: each must be shown to be within reach.
        var referred: Set<InstanceKey> = []
        /// Those whose place it would take: each must be shown to be one that may be updated.
        var replaced: Set<InstanceKey> = []

        var all: Set<InstanceKey> { referred.union(replaced) }
    }

    /// What resources hang on; nil when not everything in them is of patients inside, or of nobody.
    func needs(of resources: [ResourceView]) -> Needs? {
        guard boundary != .none else { return nil }
        var found = Needs()
        for resource in resources {
            guard let document = SubmittedDocument(resource) else { return nil }
            for part in document.parts {
                guard let some = needs(of: part, in: document) else { return nil }
                found.referred.formUnion(some.referred)
                found.replaced.formUnion(some.replaced)
            }
        }
        return found
    }

    private func needs(of part: SubmittedDocument.Part, in document: SubmittedDocument) -> Needs? {
        guard case .patients(let panel) = boundary else { return Needs() }
        let resource = part.resource
        let rule = policy.types[resource.type]
        guard let contained = resource.containedResources, !(isStored && decides(resource, rule)) else { return nil }
        switch rule.typeClass {
        case .shared, .conformance: break
        case .restricted: return nil
        case .compartment: guard isOwn(part, rule, panel, in: document) else { return nil }
        }
        // Whoever else is named must be inside as well: nothing here is stored under one patient and tells of another.
        let foreign = MultiPatient(
            panel: panel, policy: policy,
            forms: ReferenceForms(publicBase: policy.publicBase, upstreamBase: policy.publicBase))
        // A file is opened by whatever points at it, in whichever spelling the server reads.
        let forms = ReferenceForms(publicBase: policy.publicBase, upstreamBase: policy.upstreamBase)
        guard !contained.contains(where: foreign.isForeign), resource.pointedBinaries(forms).isEmpty else { return nil }
        var found = Needs()
        // Under the server's own address stands a record of its own: what is to take its place must be within reach, and
        // what is everybody's is not replaced from inside a boundary.
        if isStored, let own = storedKey(of: part) {
            guard rule.typeClass == .compartment else { return nil }
            found.replaced.insert(own)
        }
        for value in ([resource] + contained).flatMap({ $0.allReferences() }) {
            if let entry = document.entry(value, of: part) {
                // It is judged where it stands; only a patient has to be somebody.
                guard entry.type != .patient || entry.id.map(panel.contains) == true else { return nil }
                continue
            }
            guard let key = key(value) else {
                guard isHarmless(value) else { return nil }
                continue
            }
            if key.type == .patient {
                guard panel.contains(key.id) else { return nil }
                continue
            }
            switch policy.types[key.type].typeClass {
            case .shared, .conformance: break
            case .restricted: return nil
            case .compartment: found.referred.insert(key)
            }
        }
        return found
    }

    /// The edits that take out of what is handed in whatever the server could store by and nobody has proven: the ids, and
    /// the addresses of entries, whoever's they are. An entry under no address of the server's is no record of it yet, and
    /// could take the place of one by an id or by the end of an address. What refers to such an entry gets its new name.
    /// A patient's own id is one of the boundary; what stands under the server's own address is looked up first.
    func unprovenIdentities(in resources: [ResourceView], _ names: inout EntryNames) -> [ByteEdit] {
        var edits: [ByteEdit] = []
        for resource in resources {
            let document = SubmittedDocument(resource)
            let unproven = (document?.parts ?? []).filter { storedKey(of: $0) == nil }
            var unnamed = unproven.map(\.resource).filter { $0.type != .patient }
            if resource.type == .bundle { unnamed.append(resource) }
            edits += unnamed.flatMap { $0.node.cut(members: { $0.isNamed("id") || $0.isNamed("_id") }) }
            guard let document, !mutated(.submittedAddressesKept) else { continue }
            edits += document.renaming(unproven, &names)
        }
        return edits
    }

    /// The record of the protected server that an entry stands for by its address, in either spelling of the base.
    private func storedKey(of part: SubmittedDocument.Part) -> InstanceKey? {
        guard let address = part.address, case .absolute(let base, let key, nil) = LiteralReference(address),
            [policy.publicBase, policy.upstreamBase].contains(base)
        else { return nil }
        return key
    }

    /// Whether a resource would, where it is stored, decide who reaches what: nobody inside a boundary writes such a one,
    /// through whatever door (enforcer digest row 30, ADR 0069).
    private func decides(_ resource: ResourceView, _ rule: TypeRule) -> Bool {
        if rule.bearsPolicy { return true }
        return switch rule.panelRule {
        case .none: false
        case .resource: true
        case .elements(let parameters): !parameters.allSatisfy { resource.references($0)?.isEmpty == true }
        }
    }

    // MARK: - the record

    /// The patients whose resources are handed in.
    func subjects(of resources: [ResourceView]) -> Set<ResourceID> {
        var found: Set<ResourceID> = []
        for document in resources.compactMap(SubmittedDocument.init) {
            let forms = ReferenceForms(
                publicBase: policy.publicBase, upstreamBase: policy.upstreamBase, entries: document.keys)
            for part in document.parts {
                let subject = forms.subject(of: part.resource, policy.types[part.resource.type])
                found.formUnion(subject.keys.filter { $0.type == .patient }.map(\.id))
            }
        }
        return found
    }

    /// What is handed in, by name or, where it has none, by type.
    func targets(of resources: [ResourceView]) -> [String] {
        resources.compactMap(SubmittedDocument.init).flatMap(\.parts).map { part in
            part.resource.key?.description ?? part.resource.type.rawValue
        }
    }

    // MARK: - references

    /// Whether a reference that names nothing here can be no patient either.
    private func isHarmless(_ value: ReferenceValue) -> Bool {
        switch value.literal {
        case nil: value.declaredType != ResourceType.patient.rawValue
        case .fragment: true
        case .relative(let key, _), .absolute(_, let key, _):
            [.shared, .conformance].contains(policy.types[key.type].typeClass)
        case .urn, .conditional, .other: false
        }
    }

    private func isOwn(
        _ part: SubmittedDocument.Part, _ rule: TypeRule, _ panel: Set<ResourceID>, in document: SubmittedDocument
    ) -> Bool {
        let resource = part.resource
        switch rule.subject {
        case .ownID: return resource.id.map(panel.contains) ?? false
        case .parameter(let parameter):
            let subjects = resource.references(parameter) ?? []
            // A logical reference where the compartment looks may be resolved to anybody.
            let membership = rule.membership.compactMap { resource.references($0) }.flatMap { $0 }
            return !subjects.isEmpty && !membership.contains(where: \.hasIdentifier)
                && subjects.allSatisfy { value in
                    guard !value.hasIdentifier, let key = document.entry(value, of: part)?.key ?? key(value) else {
                        return false
                    }
                    return key.type == .patient && panel.contains(key.id)
                }
        case .securityContext, nil: return false
        }
    }

    /// The resource of the server that a reference names.
    private func key(_ value: ReferenceValue) -> InstanceKey? {
        switch value.literal {
        case .absolute(let base, let key, nil): return base == policy.publicBase ? key : nil
        case .relative(let key, nil): return key
        case .relative, .absolute, .fragment, .urn, .conditional, .other, nil: return nil
        }
    }
}
