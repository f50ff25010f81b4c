internal import FHIRCore

/// How a search is limited to what may be seen (enforcer digest b.6).
struct SearchNarrowing: Hashable, Sendable {
    /// The client's own terms, without those that a constraint says more narrowly.
    private(set) var clientTerms: [SearchTerm]
    /// Terms that say whose rows; to be added to the client's own.
    private(set) var patientTerms: [SearchTerm] = []
    /// Terms that say the scopes' constraints, as far as the client's own terms do not say them already.
    private(set) var constraintTerms: [SearchTerm] = []
    /// Whether a client may see the patients that were added: it named them, or there is one.
    private(set) var showsPatients = true
    /// Whether an obedient upstream then returns exactly the rows that may be seen.
    private(set) var isExact = true
    /// Whether the upstream says, besides, that it obeys: then what it counts may be told.
    private(set) var isCountable = false
    /// Why no query can say the limits. Such a search is not forwarded: what it returned too much would be withheld, but
    /// pages and their ends would tell how much that is.
    private(set) var obstacle: DenialReason?
    /// The grants whose limits were added.
    let determining: [EffectiveGrant]
    /// What the added terms say, for telling to which of several searches a row belongs.
    private(set) var limit = RowLimit()
    /// Whether rows within the terms can still be ones that may not be seen, so that pages have to be filled.
    private(set) var hidesRows = false

    /// The id that stands for nobody where a panel is empty; the answer is checked against the empty panel anyway.
    static let nobody = "no-patient-in-panel"

    /// What one grant still limits beside the client's own terms.
    struct Limit: Hashable {
        let grant: EffectiveGrant
        let boundary: PatientPanel
        let constraint: SearchConstraint?

        /// Whether every row within the other limit is within this one.
        func swallows(_ other: Limit) -> Bool {
            guard boundary.includes(other.boundary) else { return false }
            guard let constraint else { return true }
            return other.constraint.map(constraint.covers) ?? false
        }
    }

    init(_ grants: [EffectiveGrant], on type: ResourceType, plan: SearchPlan, policy: ServerPolicy) {
        self.init(
            SearchNarrowing.needed(grants, on: type, plan: plan, policy: policy), on: type, plan: plan, policy: policy)
    }

    /// - Parameter member: the parameter by which the rows are the patients', where it is not the type's own.
    init(
        _ needed: [Limit], on type: ResourceType, plan: SearchPlan, policy: ServerPolicy,
        member: SearchParameter? = nil
    ) {
        let rule = policy.types[type]
        clientTerms = plan.terms
        determining = needed.map(\.grant)
        let boundaries = Set(needed.map(\.boundary))
        let constraints = Set(needed.map { $0.constraint?.canonical })
        // A query is a product of patients and constraints; a sum of two such products is none.
        guard boundaries.count <= 1 || constraints.count <= 1,
            let terms = SearchNarrowing.terms(saying: needed.map(\.constraint))
        else {
            obstacle = .limitsNotExpressible
            isExact = false
            return
        }
        constraintTerms = terms
        limit.constraints = terms.isEmpty ? nil : needed.compactMap(\.constraint)
        if !boundaries.contains(.everyone), !mutated(.patientsNotAdded) {
            limitPatients(needed, plan, rule, policy, member)
        }
        dropImplied(on: type)
        // What a server does with two terms of one name is not the same everywhere, and a parameter that it does not
        // know it may pass over.
        let sent = (clientTerms + patientTerms + constraintTerms).map(\.name)
        let limiting =
            patientTerms.map(\.name) + needed.flatMap { ($0.grant.scope.constraint?.terms ?? []).map(\.name) }
        isCountable =
            isExact && policy.declares(limiting, for: type)
            && limiting.allSatisfy { name in sent.count { $0 == name } <= 1 }
    }

    /// What limits the grants add to a search, without those that another one swallows.
    static func needed(
        _ grants: [EffectiveGrant], on type: ResourceType, plan: SearchPlan, policy: ServerPolicy
    ) -> [Limit] {
        let limits = SearchNarrowing.limits(grants, policy.types[type], plan)
        // A limit that another one swallows adds nothing; of two equal ones the first stays.
        return limits.enumerated().filter { index, limit in
            !limits.enumerated().contains { other, wider in
                other != index && wider.swallows(limit) && (!limit.swallows(wider) || other < index)
            }
        }.map(\.element)
    }

    /// The grants' limits, each cut down to the patients and values that the client itself has named.
    private static func limits(_ grants: [EffectiveGrant], _ rule: TypeRule, _ plan: SearchPlan) -> [Limit] {
        let named = plan.patients.dropFirst().reduce(plan.patients.first) { $0?.intersection($1) }
        let all = grants.map { grant in
            var boundary = grant.boundary
            if rule.typeClass != .compartment {
                // It is nobody's, so every boundary reaches all of it.
                boundary = .everyone
            } else if let named, case .patients(let patients) = boundary {
                boundary = .patients(patients.intersection(named))
            }
            if let compartment = plan.compartment {
                boundary = .patients(boundary.contains(compartment) ? [compartment] : [])
            }
            return Limit(
                grant: grant, boundary: boundary, constraint: residual(of: grant.scope.constraint, rule.type, plan))
        }
        let reaching = all.filter { $0.boundary != .patients([]) }
        return reaching.isEmpty ? all : reaching
    }

    /// What a constraint says beyond the client's own terms; nil when nothing.
    private static func residual(
        of constraint: SearchConstraint?, _ type: ResourceType, _ plan: SearchPlan
    ) -> SearchConstraint? {
        guard let constraint else { return nil }
        let rest = constraint.terms.filter { term in
            !plan.terms.contains { own in
                own.name == term.name && isToken(own, type) && own.rawValues.allSatisfy(term.covers(alternative:))
            }
        }
        guard !rest.isEmpty else { return nil }
        return rest.count == constraint.terms.count ? constraint : SearchConstraint(terms: rest)
    }

    /// Whether a term is a token parameter with plain values, which a constraint can be compared with.
    private static func isToken(_ term: SearchTerm, _ type: ResourceType) -> Bool {
        term.modifier == nil && term.chain.isEmpty && R4.searchParameter(term.name, for: type)?.kind == .token
            && term.rawValues.allSatisfy { ConstraintToken(escaped: $0) != nil }
    }

    /// Drops the client's terms that a constraint implies.
    ///
    /// Only where one implies the other: an element with several codings can satisfy two terms whose values have
    /// nothing in common, so values that merely overlap stay as two terms, both of which hold.
    private mutating func dropImplied(on type: ResourceType) {
        clientTerms.removeAll { term in
            guard SearchNarrowing.isToken(term, type) else { return false }
            let own = ConstraintTerm(name: term.name, modifier: nil, alternatives: term.rawValues)
            return constraintTerms.contains {
                $0.name == term.name && $0.rawValues.allSatisfy(own.covers(alternative:))
            }
        }
    }

    /// Adds the patients.
    private mutating func limitPatients(
        _ limits: [Limit], _ plan: SearchPlan, _ rule: TypeRule, _ policy: ServerPolicy, _ member: SearchParameter?
    ) {
        guard let name = member?.code ?? rule.narrowingParameter else {
            obstacle = .contextRefused
            isExact = false
            return
        }
        var all: Set<ResourceID> = []
        for case .patients(let patients) in limits.map(\.boundary) { all.formUnion(patients) }
        // Rows that are withheld although they are the patient's own are not in the upstream's count.
        hidesRows = rule.multiPatient == .deny || rule.type == .provenance
        isExact = !hidesRows && !all.isEmpty
        limit.patients = all
        limit.member = member
        // The client's own choice is inside already and narrows further.
        var sets: [Set<ResourceID>] = []
        for named in plan.patients where !sets.contains(named) { sets.append(named) }
        // What no grant reaches, or what only one of several namings reaches, is left out, unless that would leave nothing
        // to say: a row within one naming alone is withheld and would look like disobedience.
        if !sets.isEmpty, !all.isEmpty { sets = [all] }
        if sets.isEmpty {
            guard all.count <= policy.maxPatientsInQuery else {
                if mutated(.largePanelNotAdded) { return }
                obstacle = .patientRequired
                isExact = false
                return
            }
            sets = [all]
            showsPatients = all.count == 1
        }
        for patients in sets {
            let ids = patients.isEmpty ? [SearchNarrowing.nobody] : patients.map(\.text).sorted()
            let values = rule.subject == .ownID ? ids : ids.map { "Patient/\($0)" }
            patientTerms.append(SearchTerm(name: name, rawValue: values.joined(separator: ",")))
        }
    }

    /// The terms that say the constraints: none when a grant has none, the comma list when all use one parameter.
    /// Nil when no terms of one query can say them.
    private static func terms(saying constraints: [SearchConstraint?]) -> [SearchTerm]? {
        let limits = constraints.compactMap { $0 }
        guard !limits.isEmpty, !mutated(.constraintsNotAdded) else { return [] }
        guard limits.count == constraints.count else { return nil }
        if Set(limits.map(\.canonical)).count == 1 {
            return limits[0].terms.map { SearchTerm(name: $0.name, rawValue: $0.alternatives.joined(separator: ",")) }
        }
        guard limits.allSatisfy({ $0.terms.count == 1 && $0.terms[0].name == limits[0].terms[0].name }) else {
            return nil
        }
        var values: [String] = []
        for value in limits.flatMap({ $0.terms[0].alternatives }) where !values.contains(value) { values.append(value) }
        return [SearchTerm(name: limits[0].terms[0].name, rawValue: values.joined(separator: ","))]
    }
}
