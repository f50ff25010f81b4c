internal import FHIRCore

/// How a search is limited to what may be seen (enforcer digest b.6).
struct SearchNarrowing: Hashable, Sendable {
    /// Terms that say whose rows; to be added to the client's own.
    private(set) var patientTerms: [SearchTerm] = []
    /// Terms that say the scopes' constraints.
    private(set) var constraintTerms: [SearchTerm] = []
    /// Whether a client may see the patients that were added: it named them, or there is one.
    private(set) var showsPatients = true
    /// Whether an obedient upstream then returns exactly the rows that may be seen.
    private(set) var isExact: Bool
    /// The grants whose limits were added, or all when none could be.
    let determining: [EffectiveGrant]

    /// The id that stands for nobody where a panel is empty; the answer is checked against the empty panel anyway.
    static let nobody = "no-patient-in-panel"

    init(
        _ grants: [EffectiveGrant], on type: ResourceType, plan: SearchPlan, policy: ServerPolicy
    ) {
        // A grant that another one swallows adds nothing; of two equal ones the first stays.
        let needed = grants.enumerated().filter { index, grant in
            !grants.enumerated().contains { other, wider in
                other != index && wider.swallows(grant) && (!grant.swallows(wider) || other < index)
            }
        }.map(\.element)
        determining = needed
        let rule = policy.types[type]
        let isBounded = rule.typeClass == .compartment && !needed.contains(where: \.isEveryone)
        let constraints = Set(needed.map { $0.scope.constraint?.canonical })
        let boundaries = Set(needed.map(\.boundary))
        isExact = rule.typeClass == .compartment ? boundaries.count <= 1 || constraints.count <= 1 : true

        if isBounded {
            let isComplete = limitPatients(needed, plan, rule, policy)
            isExact = isExact && isComplete
        } else if rule.typeClass == .compartment, boundaries.count > 1, constraints.count > 1 {
            isExact = false
        }
        if let limits = SearchNarrowing.terms(saying: needed.map(\.scope.constraint)) {
            constraintTerms = limits
        } else {
            isExact = false
        }
    }

    /// Adds the patients; says whether that is exact.
    private mutating func limitPatients(
        _ grants: [EffectiveGrant], _ plan: SearchPlan, _ rule: TypeRule, _ policy: ServerPolicy
    ) -> Bool {
        guard let name = rule.narrowingParameter else { return false }
        var all: Set<ResourceID> = []
        for case .patients(let patients) in grants.map(\.boundary) { all.formUnion(patients) }
        // Rows that are withheld although they are the patient's own are not in the upstream's count.
        let isComplete = rule.multiPatient != .deny && rule.type != .provenance && !all.isEmpty
        // The client's own choice is inside already and narrows further.
        var sets: [Set<ResourceID>] = []
        for named in plan.patients where !sets.contains(named) { sets.append(named) }
        if sets.isEmpty {
            guard all.count <= policy.maxPatientsInQuery else { return false }
            sets = [all]
            showsPatients = all.count == 1
        }
        for patients in sets {
            let ids = patients.isEmpty ? [SearchNarrowing.nobody] : patients.map(\.text).sorted()
            let values = rule.subject == .ownID ? ids : ids.map { "Patient/\($0)" }
            patientTerms.append(SearchTerm(name: name, rawValue: values.joined(separator: ",")))
        }
        return isComplete
    }

    /// The terms that say the constraints: none when a grant has none, the comma list when all use one parameter.
    /// Nil when no terms of one query can say them.
    private static func terms(saying constraints: [SearchConstraint?]) -> [SearchTerm]? {
        let limits = constraints.compactMap { $0 }
        guard !limits.isEmpty else { return [] }
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
