internal import FHIRCore

extension SearchConstraint {
    /// Whether a resource satisfies every term, evaluated on its own elements.
    ///
    /// A term that cannot be evaluated is not satisfied.
    func matches(_ resource: ResourceView) -> Bool {
        guard isEnforceable(on: resource.type) else { return mutated(.unevaluableIgnored) }
        if mutated(.constraintNotHeld) { return true }
        return terms.allSatisfy { term in
            guard let parameter = R4.searchParameter(term.name, for: resource.type), let wanted = term.tokens,
                let found = resource.tokens(parameter)
            else { return false }
            return found.contains { value in
                wanted.contains { $0.matches(system: value.system, code: value.code) }
            }
        }
    }
}
