internal import FHIRCore

/// What one of several searches adds to the client's own terms, in a form in which a row can be held against it.
///
/// Where an answer is put together from several searches, a row belongs to the first of them whose limit it is within,
/// and is taken from no other: so it stands in the answer once, on whatever page, without anything being remembered.
struct RowLimit: Hashable, Sendable {
    /// A reference that a row must have: the compartment of a practitioner, an encounter and the like.
    struct Association: Hashable, Sendable {
        let parameter: SearchParameter
        let key: InstanceKey
    }

    /// Whose rows; nil when it does not matter.
    var patients: Set<ResourceID>?
    /// The parameter that says whose; nil for the type's own.
    var member: SearchParameter?
    /// Constraints, of which one must hold; nil when none is added.
    var constraints: [SearchConstraint]?
    /// A reference that the row must have.
    var association: Association?

    /// Whether a row is within the limit.
    func holds(_ resource: ResourceView, _ policy: ServerPolicy, _ forms: ReferenceForms) -> Bool {
        if let association {
            let found = resource.references(association.parameter) ?? []
            guard found.contains(where: { forms.read($0.literal) == association.key }) else { return false }
        }
        if let constraints, !constraints.contains(where: { $0.matches(resource) }) { return false }
        guard let patients else { return true }
        if let member { return names(resource.references(member), patients, forms) }
        switch policy.types[resource.type].subject {
        case .ownID: return resource.id.map(patients.contains) ?? false
        case .parameter(let parameter): return names(resource.references(parameter), patients, forms)
        case .securityContext, nil: return false
        }
    }

    private func names(_ references: [ReferenceValue]?, _ patients: Set<ResourceID>, _ forms: ReferenceForms) -> Bool {
        (references ?? []).contains { value in
            guard let key = forms.read(value.literal) else { return false }
            return key.type == .patient && patients.contains(key.id)
        }
    }
}
