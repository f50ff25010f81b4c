internal import FHIRCore

extension SearchNarrowing {
    /// The searches that together find what may be seen: one where one query says all limits, otherwise one for each
    /// constraint and for each group of patients that fits into a query (enforcer digest b.6.4 to b.6.6).
    ///
    /// Throws where even that would be more searches than one request may cost.
    static func all(
        _ grants: [EffectiveGrant], on type: ResourceType, plan: SearchPlan, policy: ServerPolicy
    ) throws(Refused) -> [SearchNarrowing] {
        let needed = needed(grants, on: type, plan: plan, policy: policy)
        let members = members(of: type, needed, plan, policy)
        if members.count == 1 {
            let whole = SearchNarrowing(needed, on: type, plan: plan, policy: policy, member: members[0])
            switch whole.obstacle {
            case nil: return [whole]
            case .limitsNotExpressible, .patientRequired: break
            case let obstacle?: throw Refused(obstacle)
            }
        }
        let products = products(of: needed, isNamed: !plan.patients.isEmpty, policy)
        guard products.count * members.count <= policy.maxSearches else {
            throw Refused(.patientRequired, parameter: policy.types[type].narrowingParameter)
        }
        var result: [SearchNarrowing] = []
        for limits in products {
            for member in members {
                let one = SearchNarrowing(limits, on: type, plan: plan, policy: policy, member: member)
                if let obstacle = one.obstacle { throw Refused(obstacle) }
                result.append(one)
            }
        }
        return result
    }

    /// The parameters by which a row of the type can be a patient's: nil stands for the one of its subject.
    private static func members(
        of type: ResourceType, _ needed: [Limit], _ plan: SearchPlan, _ policy: ServerPolicy
    ) -> [SearchParameter?] {
        let rule = policy.types[type]
        guard rule.countsFormalMembers, case .parameter(let subject)? = rule.subject, plan.patients.isEmpty,
            needed.contains(where: { $0.boundary != .everyone })
        else { return [nil] }
        // `patient` and `subject` read one element.
        let others = rule.membership.filter { $0.code != subject.code && $0.code != "subject" }
        return [nil] + others.filter { policy.searchParameter($0.code, for: type) != nil }.map(Optional.some)
    }

    /// Groups of limits, each of which is a product of patients and one constraint and fits into a query.
    private static func products(of needed: [Limit], isNamed: Bool, _ policy: ServerPolicy) -> [[Limit]] {
        var groups: [(constraint: SearchConstraint?, limits: [Limit])] = []
        for limit in needed {
            let constraint = limit.constraint?.canonical
            if let place = groups.firstIndex(where: { $0.constraint == constraint }) {
                groups[place].limits.append(limit)
            } else {
                groups.append((constraint, [limit]))
            }
        }
        return groups.flatMap { group -> [[Limit]] in
            var patients: Set<ResourceID> = []
            for limit in group.limits {
                guard case .patients(let own) = limit.boundary else { return [group.limits] }
                patients.formUnion(own)
            }
            guard !isNamed, patients.count > policy.maxPatientsInQuery else { return [group.limits] }
            let ordered = patients.sorted()
            return stride(from: 0, to: ordered.count, by: policy.maxPatientsInQuery).map { start in
                let chunk = Set(ordered[start..<min(start + policy.maxPatientsInQuery, ordered.count)])
                return group.limits.compactMap { limit in
                    guard case .patients(let own) = limit.boundary else { return limit }
                    let some = own.intersection(chunk)
                    guard !some.isEmpty else { return nil }
                    return Limit(grant: limit.grant, boundary: .patients(some), constraint: limit.constraint)
                }
            }
        }
    }
}
