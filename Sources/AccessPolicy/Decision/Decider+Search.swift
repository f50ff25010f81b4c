internal import FHIRCore

extension Decider {
    /// A search over a type, or through the compartment of a patient that the token may see.
    func searchPermit(_ type: ResourceType, compartment: ResourceID? = nil) throws(Refused) -> Permit {
        let searching = try granting(.search, on: type)
        if let compartment {
            guard grants.contains(where: { $0.boundary.contains(compartment) }) else {
                throw Refused(.otherPatientNamed)
            }
        }
        // Nothing narrows a search over a type whose patient no parameter names.
        let usable = searching.filter { $0.isEveryone || isNarrowable(type) }
        guard !usable.isEmpty else { throw Refused(.contextRefused) }

        try checkOptions()
        let gate = ParameterGate(
            type: type, searching: usable, grants: grants, policy: policy, isLenient: isLenient)
        var plan = try gate.plan(request.query)
        if request.options.summary == .count { plan.isCount = true }
        if let compartment { try add(compartment, of: type, usable, to: &plan) }
        let narrowing = SearchNarrowing(usable, on: type, plan: plan, policy: policy)
        if let obstacle = narrowing.obstacle {
            let parameter = obstacle == .patientRequired ? policy.types[type].narrowingParameter : nil
            throw Refused(obstacle, parameter: parameter)
        }
        if plan.isCount, !narrowing.isCountable {
            // b.5: a count over rows that are not surely the visible ones would count hidden rows.
            throw Refused(.parameterNotSupported, parameter: "_summary")
        }
        return permit(type, plan, narrowing, by: usable)
    }

    private func isNarrowable(_ type: ResourceType) -> Bool {
        let rule = policy.types[type]
        return rule.typeClass != .compartment || rule.narrowingParameter != nil
    }

    /// Row 9: the compartment in the URL becomes one more naming of the patient.
    private func add(
        _ patient: ResourceID, of type: ResourceType, _ searching: [EffectiveGrant], to plan: inout SearchPlan
    ) throws(Refused) {
        let rule = policy.types[type]
        guard rule.typeClass == .compartment, let name = rule.narrowingParameter else {
            throw Refused(.operationNotSupported)
        }
        guard searching.contains(where: { $0.boundary.contains(patient) }) else {
            throw Refused(.otherPatientNamed)
        }
        if searching.contains(where: \.isEveryone) {
            let value = rule.subject == .ownID ? patient.text : "Patient/\(patient.text)"
            plan.terms.append(SearchTerm(name: name, rawValue: value))
        } else {
            plan.patients.append([patient])
        }
    }

    private func permit(
        _ type: ResourceType, _ plan: SearchPlan, _ narrowing: SearchNarrowing, by usable: [EffectiveGrant]
    ) -> Permit {
        var terms = narrowing.clientTerms + narrowing.patientTerms + narrowing.constraintTerms
        // The `self` link names patients only where the client already knows whom.
        var shown = plan.terms + (narrowing.showsPatients ? narrowing.patientTerms : []) + narrowing.constraintTerms
        if let sort = plan.sort {
            terms.append(sort)
            shown.append(sort)
        }
        if plan.isCount {
            terms.append(SearchTerm(name: "_summary", rawValue: "count"))
        } else {
            // `_total` has no meaning that we could check unless the rows are surely the visible ones.
            if let total = plan.total, narrowing.isCountable { terms.append(total) }
            terms += plan.includeTerms
            if let count = plan.count {
                terms.append(SearchTerm(name: "_count", rawValue: String(count)))
                shown.append(SearchTerm(name: "_count", rawValue: String(count)))
            }
            shown += plan.publicIncludeTerms
        }
        shown += resultTerms(isCount: plan.isCount)
        return Permit(
            request: request, access: access, determining: narrowing.determining.map(\.held),
            upstreamInteraction: .search(type), upstreamQuery: SearchQuery(terms),
            narrowingIsExact: narrowing.isExact, precondition: nil,
            rule: ReleaseRule(
                grants: grants, deciding: usable, policy: policy, includes: plan.includes,
                publicQuery: SearchQuery(shown), isCount: plan.isCount, isCountable: narrowing.isCountable))
    }

    /// What we apply to the answer ourselves.
    private func resultTerms(isCount: Bool) -> [SearchTerm] {
        if isCount { return [SearchTerm(name: "_summary", rawValue: "count")] }
        var terms: [SearchTerm] = []
        if !request.options.elements.isEmpty {
            terms.append(
                SearchTerm(name: "_elements", rawValue: request.options.elements.sorted().joined(separator: ",")))
        }
        if let summary = request.options.summary, summary == .text || summary == .data {
            terms.append(SearchTerm(name: "_summary", rawValue: summary.rawValue))
        }
        return terms
    }
}
