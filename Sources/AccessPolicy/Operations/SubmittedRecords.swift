internal import FHIRCore

/// Resources that are handed to an operation, held against a boundary (enforcer digest b.9, Claim operations).
///
/// In a Bundle a reference may name another entry by its `fullUrl`; it is followed there, so that a Claim is of the
/// patient who stands in the Bundle, and that patient must be one of the boundary.
struct SubmittedRecords {
    let policy: ServerPolicy
    let boundary: PatientPanel

    /// More entries than this are not looked through.
    private static let maxEntries = 1_000

    /// Whether everything in a resource is of patients inside, or of nobody.
    func holds(_ resource: ResourceView) -> Bool {
        guard boundary != .none else { return false }
        guard resource.type == .bundle else { return isInside(resource, entries: [:]) }
        guard let bundle = BundleView(resource), !bundle.entries.isEmpty, bundle.entries.count <= Self.maxEntries else {
            return false
        }
        var entries: [String: InstanceKey] = [:]
        var views: [ResourceView] = []
        for entry in bundle.entries {
            // Entries that ask for something (`request`) are no documents but instructions.
            guard entry.request == nil, let node = entry.resource, let view = try? ResourceView(node),
                view.type != .bundle, view.type != .parameters
            else { return false }
            views.append(view)
            guard let address = entry.fullURL, let key = view.key else { continue }
            // An address that itself names a resource must name this one.
            if let named = LiteralReference(address).key, named != key { return false }
            // Two entries under one address could be read either way.
            guard entries.updateValue(key, forKey: address) == nil else { return false }
        }
        return views.allSatisfy { isInside($0, entries: entries) }
    }

    private func isInside(_ resource: ResourceView, entries: [String: InstanceKey]) -> Bool {
        guard case .patients(let panel) = boundary else { return true }
        guard let contained = resource.containedResources else { return false }
        let rule = policy.types[resource.type]
        switch rule.typeClass {
        case .shared, .conformance: break
        case .restricted: return false
        case .compartment: guard isOwn(resource, rule, panel, entries) else { return false }
        }
        // Whoever else is named must be inside as well: nothing here is stored under one patient and tells of another.
        let foreign = MultiPatient(
            panel: panel, policy: policy,
            forms: ReferenceForms(publicBase: policy.publicBase, upstreamBase: policy.publicBase))
        guard !contained.contains(where: foreign.isForeign),
            resource.pointedBinaries(foreign.forms).isEmpty
        else { return false }
        return ([resource] + contained).flatMap { $0.allReferences() }.allSatisfy { value in
            guard let key = key(value, entries) else { return isHarmless(value) }
            return key.type != .patient || panel.contains(key.id)
        }
    }

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
            return !subjects.isEmpty
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
