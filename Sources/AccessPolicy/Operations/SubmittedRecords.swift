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

    /// More entries than this are not looked through.
    private static let maxEntries = 1_000

    /// A resource with the address that it is handed in under.
    private struct Part {
        let address: String?
        let resource: ResourceView
    }

    /// What one resource that is handed in consists of.
    private struct Document {
        var parts: [Part] = []
        /// What stands under which address.
        var entries: [String: InstanceKey] = [:]
    }

    /// The records that resources refer to and that are not handed in with them: each must be shown to be within reach.
    /// Nil when not everything in the resources is of patients inside, or of nobody.
    func references(in resources: [ResourceView]) -> Set<InstanceKey>? {
        guard boundary != .none else { return nil }
        var found: Set<InstanceKey> = []
        for resource in resources {
            guard let document = document(resource) else { return nil }
            for part in document.parts {
                guard let some = references(in: part, document.entries) else { return nil }
                found.formUnion(some)
            }
        }
        return found
    }

    /// Nil when a Bundle could be read in more than one way.
    private func document(_ resource: ResourceView) -> Document? {
        guard resource.type == .bundle else { return Document(parts: [Part(address: nil, resource: resource)]) }
        guard let bundle = BundleView(resource), !bundle.entries.isEmpty, bundle.entries.count <= Self.maxEntries else {
            return nil
        }
        var document = Document()
        for entry in bundle.entries {
            // Entries that ask for something (`request`) are no documents but instructions.
            guard entry.request == nil, let node = entry.resource, let view = try? ResourceView(node),
                view.type != .bundle, view.type != .parameters
            else { return nil }
            document.parts.append(Part(address: entry.fullURL, resource: view))
            guard let address = entry.fullURL, let key = view.key else { continue }
            // An address that itself names a resource must name this one.
            if let named = LiteralReference(address).key, named != key { return nil }
            // Two entries under one address could be read either way.
            guard address.utf8.allSatisfy({ $0 < 0x80 }), document.entries.updateValue(key, forKey: address) == nil
            else { return nil }
        }
        return document
    }

    private func references(in part: Part, _ entries: [String: InstanceKey]) -> Set<InstanceKey>? {
        guard case .patients(let panel) = boundary else { return [] }
        let resource = part.resource
        let rule = policy.types[resource.type]
        guard let contained = resource.containedResources, !(isStored && decides(resource, rule)) else { return nil }
        switch rule.typeClass {
        case .shared, .conformance: break
        case .restricted: return nil
        case .compartment: guard isOwn(resource, rule, panel, entries) else { return nil }
        }
        // Whoever else is named must be inside as well: nothing here is stored under one patient and tells of another.
        let foreign = MultiPatient(
            panel: panel, policy: policy,
            forms: ReferenceForms(publicBase: policy.publicBase, upstreamBase: policy.publicBase))
        // A file is opened by whatever points at it, in whichever spelling the server reads.
        let forms = ReferenceForms(publicBase: policy.publicBase, upstreamBase: policy.upstreamBase)
        guard !contained.contains(where: foreign.isForeign), resource.pointedBinaries(forms).isEmpty else { return nil }
        var found: Set<InstanceKey> = []
        // Under the server's own address stands a record of its own: what is to take its place must be within reach, and
        // what is everybody's is not replaced from inside a boundary.
        if isStored, let own = storedKey(of: part) {
            guard rule.typeClass == .compartment else { return nil }
            found.insert(own)
        }
        for value in ([resource] + contained).flatMap({ $0.allReferences() }) {
            guard let key = key(value, entries) else {
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
            case .compartment: if !isEntry(value, of: part, entries) { found.insert(key) }
            }
        }
        return found
    }

    /// The edits that take the ids out of what is handed in which the server could store by, and which nobody has proven:
    /// an entry under an address of somebody else's, or under none, is no record of the server yet, and with an id it
    /// could take the place of one. A patient's own id is one of the boundary; what stands under the server's own address
    /// is looked up first.
    func unprovenIdentities(in resources: [ResourceView]) -> [ByteEdit] {
        resources.flatMap { resource -> [ByteEdit] in
            let parts = document(resource)?.parts ?? []
            var unproven = parts.filter { $0.resource.type != .patient && storedKey(of: $0) == nil }.map(\.resource)
            if resource.type == .bundle { unproven.append(resource) }
            return unproven.flatMap { $0.node.cut(members: { $0.isNamed("id") || $0.isNamed("_id") }) }
        }
    }

    /// The record of the protected server that an entry stands for by its address, in either spelling of the base.
    private func storedKey(of part: Part) -> InstanceKey? {
        guard let address = part.address, case .absolute(let base, let key, _) = LiteralReference(address),
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

    /// Whether a reference is to an entry of the same Bundle: by its address as it stands there, or below the base of the
    /// address that it is itself under (FHIR R4 bundle.html, resolving references in bundles).
    private func isEntry(_ value: ReferenceValue, of part: Part, _ entries: [String: InstanceKey]) -> Bool {
        switch value.literal {
        case .urn(let text): return entries[text] != nil
        case .absolute(let base, let key, nil): return entries["\(base)/\(key)"] == key
        case .relative(let key, nil):
            guard let address = part.address, case .absolute(let base, _, nil) = LiteralReference(address) else {
                return false
            }
            return entries["\(base)/\(key)"] == key
        case .relative, .absolute, .fragment, .conditional, .other, nil: return false
        }
    }

    // MARK: - the record

    /// The patients whose resources are handed in.
    func subjects(of resources: [ResourceView]) -> Set<ResourceID> {
        var found: Set<ResourceID> = []
        for document in resources.compactMap(document) {
            let forms = ReferenceForms(
                publicBase: policy.publicBase, upstreamBase: policy.upstreamBase, entries: document.entries)
            for part in document.parts {
                let subject = forms.subject(of: part.resource, policy.types[part.resource.type])
                found.formUnion(subject.keys.filter { $0.type == .patient }.map(\.id))
            }
        }
        return found
    }

    /// What is handed in, by name or, where it has none, by type.
    func targets(of resources: [ResourceView]) -> [String] {
        resources.compactMap(document).flatMap(\.parts).map { part in
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
        _ resource: ResourceView, _ rule: TypeRule, _ panel: Set<ResourceID>, _ entries: [String: InstanceKey]
    ) -> Bool {
        switch rule.subject {
        case .ownID: return resource.id.map(panel.contains) ?? false
        case .parameter(let parameter):
            let subjects = resource.references(parameter) ?? []
            // A logical reference where the compartment looks may be resolved to anybody.
            let membership = rule.membership.compactMap { resource.references($0) }.flatMap { $0 }
            return !subjects.isEmpty && !membership.contains(where: \.hasIdentifier)
                && subjects.allSatisfy { value in
                    guard !value.hasIdentifier, let key = key(value, entries) else { return false }
                    return key.type == .patient && panel.contains(key.id)
                }
        case .securityContext, nil: return false
        }
    }

    /// The resource that a reference names: of the Bundle by its address, or of the server.
    private func key(_ value: ReferenceValue, _ entries: [String: InstanceKey]) -> InstanceKey? {
        switch value.literal {
        case .urn(let text): return entries[text]
        case .absolute(let base, let key, nil):
            return entries["\(base)/\(key)"] ?? (base == policy.publicBase ? key : nil)
        case .relative(let key, nil): return key
        case .relative, .absolute, .fragment, .conditional, .other, nil: return nil
        }
    }
}
