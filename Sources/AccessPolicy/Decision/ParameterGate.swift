internal import FHIRCore

/// The allow-list of search parameters (enforcer digest b.5). What it does not know is refused, never forwarded.
struct ParameterGate {
    let type: ResourceType
    /// The grants that give the search itself.
    let searching: [EffectiveGrant]
    /// Every grant, for joins to other types.
    let grants: [EffectiveGrant]
    let policy: ServerPolicy
    let isLenient: Bool

    /// Parameters with a meaning of their own that are never passed on, not even dropped quietly.
    static let refusedNames: Set<String> = [
        "_contained", "_containedType", "_filter", "_query", "_list", "_score", "_text", "_content", "_type",
        "_method", "access_token", "_getpages", "_getpagesoffset", "_bundletype", "_cascade", "_expunge",
        "hardDelete", "_offset", "ct", "_since", "_at", "_page", "_cursor",
    ]

    /// Judges every term of a query.
    func plan(_ query: SearchQuery) throws(Refused) -> SearchPlan {
        var plan = SearchPlan()
        var seen: Set<String> = []
        for term in query.terms {
            if ["_count", "_total", "_sort"].contains(term.name) {
                guard seen.insert(term.name).inserted, term.modifier == nil, term.chain.isEmpty else {
                    throw invalid(term)
                }
            }
            try add(term, to: &plan)
        }
        guard plan.publicIncludeTerms.count <= policy.maxIncludes else {
            throw Refused(.parameterNotSupported, parameter: "_include")
        }
        if plan.isCount {
            // A count has no rows, so nothing comes along and nothing is ordered.
            plan.includes = []
            plan.includeTerms = []
            plan.sort = nil
        }
        return plan
    }

    private func add(_ term: SearchTerm, to plan: inout SearchPlan) throws(Refused) {
        switch term.name {
        case "_count":
            let count = try ParameterGate.count(term)
            if count == 0 { plan.isCount = true } else { plan.count = min(count, policy.maxCount) }
        case "_total":
            guard ["none", "estimate", "accurate"].contains(term.rawValue) else { throw invalid(term) }
            plan.total = term.rawValue == "none" ? nil : term
        case "_sort":
            plan.sort = try sort(term)
        case "_include", "_revinclude":
            try IncludeGate(grants: grants, policy: policy, type: type).add(term, to: &plan)
        case "_has":
            try addReverseChain(term, to: &plan)
        case let name where ParameterGate.refusedNames.contains(name):
            guard mutated(.controlParametersForwarded) else { throw notSupported(term) }
            plan.terms.append(term)
        default:
            try addParameter(term, to: &plan)
        }
    }

    /// A page size; a negative one or no number at all is refused.
    static func count(_ term: SearchTerm) throws(Refused) -> Int {
        guard term.modifier == nil, term.chain.isEmpty, term.rawValue.utf8.count <= 9,
            term.rawValue.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int(term.rawValue)
        else { throw Refused(.parameterInvalid, parameter: "_count") }
        return count
    }

    private func sort(_ term: SearchTerm) throws(Refused) -> SearchTerm {
        for key in term.rawValue.split(separator: ",", omittingEmptySubsequences: false) {
            let code = String(key.hasPrefix("-") ? key.dropFirst() : key)
            guard let parameter = policy.searchParameter(code, for: type),
                parameter.kind != .special, parameter.kind != .composite
            else { throw notSupported(term) }
            guard !mayOrderByMasked(parameter) || mutated(.orderedByMasked) else { throw notSupported(term) }
        }
        return term
    }

    /// Whether an order by a parameter would tell of people who are masked where they stand: what a row may not say, its
    /// place among the others must not say either.
    private func mayOrderByMasked(_ parameter: SearchParameter) -> Bool {
        policy.types[type].multiPatient == .mask && parameter.kind == .reference
            && (parameter.targets.isEmpty || parameter.targets.contains(.patient))
            && !readsOnlyOwner(parameter) && !searching.allSatisfy(\.isEveryone)
    }

    /// Whether a parameter reads the one element that says whose a row is, and no list in which others may stand.
    private func readsOnlyOwner(_ parameter: SearchParameter) -> Bool {
        let text = parameter.expressionText
        guard ["patient", "subject"].contains(parameter.code), !text.contains("|") else { return false }
        let path = text.split(separator: ".").prefix { !$0.hasPrefix("where(") }
        return path.count == 2
    }

    // MARK: - ordinary parameters

    private func addParameter(_ term: SearchTerm, to plan: inout SearchPlan) throws(Refused) {
        // Searching a hidden type's patients by the parameter that narrows it is always judged, even where the
        // upstream does not list the parameter.
        let isMembership = policy.types[type].membershipParameters.contains(term.name)
        guard
            let parameter = policy.searchParameter(term.name, for: type)
                ?? (isMembership ? R4.searchParameter(term.name, for: type) : nil)
        else {
            if mutated(.unknownParametersForwarded) {
                plan.terms.append(term)
                return
            }
            // Prefer: handling=lenient drops what nobody knows; it is then absent from the self link too.
            if isLenient { return }
            throw notSupported(term)
        }
        guard !term.rawValue.isEmpty, term.rawValue.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw invalid(term)
        }
        if !term.chain.isEmpty {
            try checkChain(term, parameter)
            plan.terms.append(term)
            return
        }
        if try consume(term, parameter, into: &plan) { return }
        try checkModifier(term, parameter)
        if parameter.kind == .reference { try checkPatients(term, parameter) }
        plan.terms.append(term)
    }

    private func checkModifier(_ term: SearchTerm, _ parameter: SearchParameter) throws(Refused) {
        guard let modifier = term.modifier else { return }
        let allowed: Set<String>
        switch parameter.kind {
        case .string: allowed = ["exact", "contains", "missing"]
        case .token: allowed = ["text", "not", "missing", "above", "below", "in", "not-in", "of-type", "ofType"]
        case .uri: allowed = ["above", "below", "missing"]
        case .reference: allowed = ["missing"]
        case .date, .number, .quantity: allowed = ["missing"]
        case .composite, .special: allowed = []
        }
        if allowed.contains(modifier) {
            guard modifier != "missing" || ["true", "false"].contains(term.rawValue) else { throw invalid(term) }
            return
        }
        guard parameter.kind == .reference else { throw notSupported(term) }
        if modifier == "identifier" {
            // A logical reference to somebody is not compared by id, so only to what is nobody's.
            guard parameter.targets.allSatisfy({ policy.types[$0].typeClass == .shared }) else {
                throw notSupported(term)
            }
            return
        }
        guard let target = ResourceType(rawValue: modifier), parameter.targets.contains(target) else {
            throw notSupported(term)
        }
    }

    // MARK: - patients in values

    /// Takes out a parameter that says whose the rows are; true when it was one.
    private func consume(
        _ term: SearchTerm, _ parameter: SearchParameter, into plan: inout SearchPlan
    ) throws(Refused) -> Bool {
        let rule = policy.types[type]
        guard rule.typeClass == .compartment, let narrowing = rule.narrowingParameter,
            !searching.contains(where: \.isEveryone)
        else { return false }
        let isSubject = term.name == narrowing || (type != .patient && ["patient", "subject"].contains(term.name))
        guard isSubject else { return false }
        if rule.subject == .ownID {
            guard term.modifier == nil else { throw notSupported(term) }
        } else {
            guard
                parameter.kind == .reference,
                term.modifier == nil || term.modifier == "Patient" || mutated(.membershipModifiers)
            else {
                throw notSupported(term)
            }
        }
        var patients: Set<ResourceID> = []
        for value in term.values {
            patients.insert(try patient(value, term, isOwnID: rule.subject == .ownID))
        }
        plan.patients.append(patients)
        return true
    }

    private func patient(_ value: String, _ term: SearchTerm, isOwnID: Bool) throws(Refused) -> ResourceID {
        let key: InstanceKey?
        if let id = ResourceID(value) {
            key = InstanceKey(type: .patient, id: id)
        } else if isOwnID {
            key = nil
        } else {
            key = try namedResource(value, term)
        }
        guard let key else { throw invalid(term) }
        guard
            key.type == .patient,
            searching.contains(where: { $0.boundary.contains(key.id) }) || mutated(.otherPatientNamed)
        else { throw Refused(.otherPatientNamed, parameter: term.fullName) }
        return key.id
    }

    /// The resource that a typed value names on our own base.
    private func namedResource(_ value: String, _ term: SearchTerm) throws(Refused) -> InstanceKey? {
        switch LiteralReference(value) {
        case .relative(let key, nil): return key
        case .absolute(let base, let key, nil):
            guard base == policy.publicBase else { throw Refused(.otherPatientNamed, parameter: term.fullName) }
            return key
        case .relative, .absolute, .fragment, .urn, .conditional, .other: return nil
        }
    }

    /// A reference parameter that does not say whose the rows are may still name people: only those inside.
    private func checkPatients(_ term: SearchTerm, _ parameter: SearchParameter) throws(Refused) {
        guard term.modifier != "missing", term.modifier != "identifier", parameter.targets.contains(.patient),
            !searching.allSatisfy(\.isEveryone), !mutated(.peopleInReferences)
        else { return }
        for value in term.values {
            let key: InstanceKey?
            if let id = ResourceID(value) {
                // A bare id could be anybody's; with the type beside it, or only one type possible, it is a patient's.
                let type =
                    term.modifier.flatMap(ResourceType.init(rawValue:))
                    ?? (parameter.targets.count == 1 ? parameter.targets[0] : nil)
                guard let type else { throw invalid(term) }
                key = InstanceKey(type: type, id: id)
            } else {
                key = try namedResource(value, term)
            }
            guard let key else { throw invalid(term) }
            guard key.type != .patient || searching.contains(where: { $0.boundary.contains(key.id) }) else {
                throw Refused(.otherPatientNamed, parameter: term.fullName)
            }
        }
    }

    // MARK: - joins

    /// b.5: one hop, to a type that is nobody's, on which the search is granted without a constraint.
    private func checkChain(_ term: SearchTerm, _ parameter: SearchParameter) throws(Refused) {
        guard parameter.kind == .reference, term.chain.count == 1,
            case .forward(let named, let code) = term.chain[0]
        else { throw notSupported(term) }
        let targets = named.map { [$0] } ?? parameter.targets
        guard targets.allSatisfy(parameter.targets.contains), !targets.isEmpty else { throw notSupported(term) }
        for target in targets {
            guard isGrantedWhole(target) || mutated(.chainsUngranted) else {
                throw Refused(Denial(.typeNotGranted, parameter: term.fullName))
            }
            guard policy.types[target].typeClass == .shared || mutated(.chainsIntoCompartments) else {
                throw notSupported(term)
            }
            guard let end = policy.searchParameter(code, for: target) else { throw notSupported(term) }
            try checkModifier(SearchTerm(name: code, modifier: term.modifier, rawValue: term.rawValue), end)
        }
    }

    /// b.5: `_has` is a predicate over rows that are not in the answer. Where the site allows it, it may ask one plain
    /// thing of rows that are all the searched patient's own and all granted: of the patient, by the parameter that
    /// narrows the other type, under a grant on that type without constraint and with no narrower boundary.
    private func addReverseChain(_ term: SearchTerm, to plan: inout SearchPlan) throws(Refused) {
        guard policy.allowsReverseChaining, type == .patient, term.name == "_has", term.chain.count == 1,
            case .reverse(let source, let reference, let code) = term.chain[0]
        else { throw refusalOfReverseChain(term) }
        let rule = policy.types[source]
        guard isGrantedWhole(source) || mutated(.reverseChainsUngranted), rule.typeClass == .compartment,
            rule.narrowingParameter == reference,
            // Rows that are withheld although they are the patient's own must not answer either.
            rule.multiPatient != .deny, source != .provenance, !rule.membershipParameters.contains(code),
            let end = policy.searchParameter(code, for: source), end.kind != .reference, end.kind != .special,
            !term.rawValue.isEmpty,
            searching.allSatisfy({ own in
                mutated(.reverseChainsUngranted)
                    || grants.contains {
                        $0.scope.constraint == nil && $0.grants(.search, on: source, types: policy.types)
                            && $0.boundary.includes(own.boundary)
                    }
            })
        else { throw refusalOfReverseChain(term) }
        try checkModifier(SearchTerm(name: code, modifier: term.modifier, rawValue: term.rawValue), end)
        plan.terms.append(term)
    }

    /// Without the grants a reverse chain is a refusal of its own.
    private func refusalOfReverseChain(_ term: SearchTerm) -> Refused {
        for case .reverse(let source, _, _) in term.chain where !isGrantedWhole(source) {
            return Refused(Denial(.typeNotGranted, parameter: "_has"))
        }
        return Refused(.parameterNotSupported, parameter: "_has")
    }

    /// Whether a search over a type is granted without a constraint: the only kind that may be a predicate.
    private func isGrantedWhole(_ target: ResourceType) -> Bool {
        grants.contains { $0.scope.constraint == nil && $0.grants(.search, on: target, types: policy.types) }
    }

    private func notSupported(_ term: SearchTerm) -> Refused {
        Refused(.parameterNotSupported, parameter: term.fullName)
    }

    private func invalid(_ term: SearchTerm) -> Refused {
        Refused(.parameterInvalid, parameter: term.fullName)
    }
}
