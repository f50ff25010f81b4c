internal import FHIRCore

/// What may stand in the condition of a conditional write, and whether a resource satisfies it.
///
/// A search that a server answers with too much is a nuisance; a condition that it answers with too much writes or
/// deletes the wrong resource. So a condition is evaluated here as well, and a parameter that cannot be is taken only
/// where the protected server says that it knows it.
struct ConditionRule {
    private let policy: ServerPolicy
    private let forms: ReferenceForms

    init(_ policy: ServerPolicy) {
        self.policy = policy
        forms = ReferenceForms(publicBase: policy.publicBase, upstreamBase: policy.upstreamBase)
    }

    /// Refuses a term that nobody could vouch for.
    func check(_ query: SearchQuery, on type: ResourceType) throws(Refused) {
        for term in query.terms where !isEvaluable(term, on: type) {
            guard term.modifier == nil, term.chain.isEmpty, policy.declares([term.name], for: type) else {
                throw Refused(.parameterNotSupported, parameter: term.fullName)
            }
        }
    }

    /// Whether a resource satisfies every term that can be evaluated here.
    func holds(_ query: SearchQuery, for resource: ResourceView) -> Bool {
        mutated(.conditionsNotEvaluated)
            || query.terms.allSatisfy { !isEvaluable($0, on: resource.type) || holds($0, for: resource) }
    }

    private func isEvaluable(_ term: SearchTerm, on type: ResourceType) -> Bool {
        guard term.chain.isEmpty else { return false }
        if term.name == "_id" { return term.modifier == nil }
        guard let parameter = R4.searchParameter(term.name, for: type) else { return false }
        switch parameter.kind {
        case .token: return term.modifier == nil && term.rawValues.allSatisfy { ConstraintToken(escaped: $0) != nil }
        case .reference:
            return term.modifier.map { ResourceType(rawValue: $0) != nil } ?? true
                && term.values.allSatisfy { target($0, term) != nil || ResourceID($0) != nil }
        case .string, .date, .number, .quantity, .uri, .composite, .special: return false
        }
    }

    /// An element that cannot be read does not satisfy anything.
    private func holds(_ term: SearchTerm, for resource: ResourceView) -> Bool {
        if term.name == "_id" { return resource.id.map { term.values.contains($0.text) } ?? false }
        guard let parameter = R4.searchParameter(term.name, for: resource.type) else { return false }
        if parameter.kind == .token {
            let wanted = term.rawValues.compactMap { ConstraintToken(escaped: $0) }
            return (resource.tokens(parameter) ?? []).contains { value in
                wanted.contains { $0.matches(system: value.system, code: value.code) }
            }
        }
        let named = (resource.references(parameter) ?? []).compactMap { forms.read($0.literal) }
        let type = term.modifier.flatMap { ResourceType(rawValue: $0) }
        return term.values.contains { value in
            named.contains { key in
                guard let target = target(value, term) else {
                    return key.id.text == value && (type ?? key.type) == key.type
                }
                return key == target && (type ?? key.type) == key.type
            }
        }
    }

    /// The resource that a value names with its type, on our own base.
    private func target(_ value: String, _ term: SearchTerm) -> InstanceKey? {
        switch LiteralReference(value) {
        case .relative(let key, nil): key
        case .absolute(let base, let key, nil): base == policy.publicBase ? key : nil
        case .relative, .absolute, .fragment, .urn, .conditional, .other: nil
        }
    }
}
