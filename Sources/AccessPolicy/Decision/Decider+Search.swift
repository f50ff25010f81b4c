internal import FHIRCore

extension Decider {
    /// A search over a type, or through the compartment of a patient that the token may see.
    func searchPermit(_ type: ResourceType, compartment: ResourceID? = nil) throws(Refused) -> Permit {
        let searching = try granting(.search, on: type)
        if let compartment {
            guard grants.contains(where: { $0.boundary.contains(compartment) }) || mutated(.compartmentOfAnybody) else {
                throw Refused(.otherPatientNamed)
            }
        }
        try checkOptions()
        return try gathered(
            try searches(type, by: searching, terms: request.query, compartment: compartment), shown: nil)
    }

    /// The upstream searches that one search over a type comes to: mostly one.
    func searches(
        _ type: ResourceType, by searching: [EffectiveGrant], terms: SearchQuery, compartment: ResourceID? = nil,
        association: RowLimit.Association? = nil
    ) throws(Refused) -> [Permit] {
        // Nothing narrows a search over a type whose patient no parameter names.
        let usable = searching.filter { $0.isEveryone || isNarrowable(type) }
        guard !usable.isEmpty else { throw Refused(.contextRefused) }
        let gate = ParameterGate(
            type: type, searching: usable, grants: grants, policy: policy, isLenient: isLenient)
        var plan = try gate.plan(terms)
        if request.options.summary == .count { plan.isCount = true }
        if let compartment { try add(compartment, of: type, usable, to: &plan) }
        if let association {
            plan.association = association
            plan.terms.append(SearchTerm(name: association.parameter.code, rawValue: association.key.description))
        }
        let narrowings = try SearchNarrowing.all(usable, on: type, plan: plan, policy: policy)
        if narrowings.count > 1, plan.sort != nil {
            // Rows of several searches come one search after the other.
            guard isLenient else { throw Refused(.parameterNotSupported, parameter: "_sort") }
            plan.sort = nil
        }
        if plan.isCount, narrowings.count > 1 || !narrowings[0].isCountable, !mutated(.countsBelieved) {
            // b.5: a count over rows that are not surely the visible ones would count hidden rows.
            throw Refused(.parameterNotSupported, parameter: "_summary")
        }
        return narrowings.map { permit(type, plan, $0, by: usable) }
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
        guard searching.contains(where: { $0.boundary.contains(patient) }) || mutated(.compartmentOfAnybody) else {
            throw Refused(.otherPatientNamed)
        }
        if rule.countsFormalMembers {
            plan.compartment = patient
            return
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
        var limit = narrowing.limit
        limit.association = plan.association
        var rule = ReleaseRule(
            grants: grants, deciding: usable, policy: policy, includes: plan.includes,
            publicQuery: SearchQuery(shown), isCount: plan.isCount,
            isCountable: narrowing.isCountable || mutated(.countsBelieved))
        rule.limit = limit
        rule.clientQuery = clientQuery(type, plan)
        rule.pageSize = plan.count
        rule.hidesRows = narrowing.hidesRows && !mutated(.hiddenRowsForgotten)
        return Permit(
            request: request, access: access, determining: narrowing.determining.map(\.held),
            upstreamInteraction: .search(type), upstreamQuery: SearchQuery(terms),
            narrowingIsExact: narrowing.isExact, precondition: nil,
            rule: rule)
    }

    /// What the client asked and was understood: without what was added, and without what was dropped.
    private func clientQuery(_ type: ResourceType, _ plan: SearchPlan) -> SearchQuery {
        let association = plan.association.map {
            SearchTerm(name: $0.parameter.code, rawValue: $0.key.description)
        }
        let name = policy.types[type].narrowingParameter ?? "_id"
        let isOwnID = policy.types[type].subject == .ownID
        let patients = plan.patients.map { named in
            SearchTerm(
                name: name,
                rawValue: named.map(\.text).sorted().map { isOwnID ? $0 : "Patient/\($0)" }.joined(separator: ","))
        }
        var terms = plan.terms.filter { $0 != association } + patients
        if let sort = plan.sort { terms.append(sort) }
        if let count = plan.count { terms.append(SearchTerm(name: "_count", rawValue: String(count))) }
        return SearchQuery(terms + plan.publicIncludeTerms + resultTerms(isCount: plan.isCount))
    }

    /// What we apply to the answer ourselves.
    func resultTerms(isCount: Bool) -> [SearchTerm] {
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
