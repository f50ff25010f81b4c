internal import FHIRCore

/// Judges `_include` and `_revinclude`: named triples only, toward types that are granted.
struct IncludeGate {
    let grants: [EffectiveGrant]
    let policy: ServerPolicy
    /// The type that is searched.
    let type: ResourceType

    /// Adds an include to the plan. One that leads to granted types in part is cut to those; one that leads to none
    /// is not forwarded, and the answer says that something is missing (decision 5).
    func add(_ term: SearchTerm, to plan: inout SearchPlan) throws(Refused) {
        let iterates = term.modifier == "iterate"
        guard term.chain.isEmpty, term.modifier == nil || iterates else { throw notSupported(term) }
        let parts = term.rawValue.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), let source = ResourceType(rawValue: parts[0]),
            let parameter = policy.searchParameter(parts[1], for: source), parameter.kind == .reference
        else { throw notSupported(term) }
        var target: ResourceType?
        if parts.count == 3 {
            guard let named = ResourceType(rawValue: parts[2]), parameter.targets.contains(named) else {
                throw notSupported(term)
            }
            target = named
        }
        plan.publicIncludeTerms.append(term)
        if term.name == "_include" {
            try addForward(term, source, parameter, target, iterates, to: &plan)
        } else {
            try addReverse(term, source, parameter, target, iterates, to: &plan)
        }
    }

    private func addForward(
        _ term: SearchTerm, _ source: ResourceType, _ parameter: SearchParameter, _ target: ResourceType?,
        _ iterates: Bool, to plan: inout SearchPlan
    ) throws(Refused) {
        guard source == type || iterates else { throw notSupported(term) }
        let wanted = target.map { [$0] } ?? parameter.targets
        let granted = wanted.filter(isGranted)
        let arriving = isGranted(source) ? Set(granted) : []
        plan.includes.append(
            Include(
                source: source, parameter: parameter, arriving: arriving, isReverse: false, iterates: iterates))
        guard !arriving.isEmpty else { return }
        if granted.count == wanted.count {
            plan.includeTerms.append(term)
        } else {
            plan.includeTerms += granted.sorted().map { type in
                SearchTerm(
                    name: term.name, modifier: term.modifier,
                    rawValue: "\(source.rawValue):\(parameter.code):\(type.rawValue)")
            }
        }
    }

    private func addReverse(
        _ term: SearchTerm, _ source: ResourceType, _ parameter: SearchParameter, _ target: ResourceType?,
        _ iterates: Bool, to plan: inout SearchPlan
    ) throws(Refused) {
        guard target == nil || target == type || iterates, parameter.targets.contains(type) || iterates else {
            throw notSupported(term)
        }
        guard isGranted(source) else { return }
        // Whatever points at a resource that is nobody's is everybody's, and nothing narrows it upstream.
        let startsAt = iterates ? parameter.targets : [type]
        guard
            startsAt.allSatisfy({ policy.types[$0].typeClass == .compartment }) || isGrantedForEveryone(source)
                || mutated(.reverseIncludesFromShared)
        else {
            throw notSupported(term)
        }
        plan.includes.append(
            Include(
                source: source, parameter: parameter, arriving: [source], isReverse: true, iterates: iterates))
        plan.includeTerms.append(term)
    }

    /// b.5: the type that comes along needs a grant of its own, to read or to search.
    private func isGranted(_ type: ResourceType) -> Bool {
        mutated(.includesUngranted)
            || grants.contains { $0.grants([.read, .search], on: type, types: policy.types) }
    }

    private func isGrantedForEveryone(_ type: ResourceType) -> Bool {
        grants.contains { $0.isEveryone && $0.grants([.read, .search], on: type, types: policy.types) }
    }

    private func notSupported(_ term: SearchTerm) -> Refused {
        Refused(.parameterNotSupported, parameter: term.fullName)
    }
}
