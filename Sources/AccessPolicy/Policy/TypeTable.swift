public import FHIRCore

/// What the policy knows about every R4 type. It is total: a type without a rule cannot be in it.
public struct TypeTable: Hashable, Sendable {
    /// By the ordinal of the type.
    private var rules: [TypeRule]

    /// Why a list of rules is no table.
    public enum Incomplete: Error, Hashable, Sendable {
        /// These types have no rule.
        case missing([ResourceType])
        /// These types have more than one.
        case repeated([ResourceType])
        /// These types belong to a patient and have no subject that we can read.
        case withoutSubject([ResourceType])
    }

    /// Makes a table; throws unless each of the 146 types has exactly one usable rule.
    public init(_ list: [TypeRule]) throws(Incomplete) {
        let grouped = Dictionary(grouping: list, by: \.type)
        let missing = ResourceType.allCases.filter { grouped[$0] == nil }
        guard missing.isEmpty else { throw .missing(missing) }
        let repeated = grouped.filter { $0.value.count > 1 }.keys.sorted()
        guard repeated.isEmpty else { throw .repeated(repeated) }
        let unreadable = list.filter { $0.typeClass == .compartment && !TypeTable.isReadable($0.subject) }.map(\.type)
        guard unreadable.isEmpty else { throw .withoutSubject(unreadable.sorted()) }
        rules = list.sorted { $0.type.ordinal < $1.type.ordinal }
    }

    /// The rule of a type.
    public subscript(_ type: ResourceType) -> TypeRule {
        // INVARIANT: `init` has seen exactly one rule for each type, and ordinals count from 0 without a gap.
        if mutated(.compartmentTypeForgotten), type == .careTeam { return rules[ResourceType.organization.ordinal] }
        return rules[type.ordinal]
    }

    /// The same table with the site's own choices: whose types count formal members, and what becomes of resources that
    /// name further patients.
    ///
    /// A choice that does not fit a type is refused: only types of the compartment have either.
    public func choosing(
        formalMembers: Set<ResourceType> = [], multiPatient: [ResourceType: TypeRule.MultiPatientRule] = [:]
    ) throws(Unfit) -> TypeTable {
        var table = self
        for type in formalMembers.sorted() {
            guard case .parameter? = self[type].subject, type != .provenance else { throw Unfit(type: type) }
            table.rules[type.ordinal] = table[type].choosing(countsFormalMembers: true)
        }
        for (type, choice) in multiPatient.sorted(by: { $0.key < $1.key }) {
            guard self[type].typeClass == .compartment else { throw Unfit(type: type) }
            table.rules[type.ordinal] = table[type].choosing(multiPatient: choice)
        }
        return table
    }

    /// The same table where resources of these types decide whose records a user may see.
    ///
    /// - Parameter rules: the parameters that are searched by, by type; none where the resource itself is the link.
    public func decidingPanels(by rules: [ResourceType: [SearchParameter]]) -> TypeTable {
        var table = self
        for (type, parameters) in rules {
            // A patient's own record is written by whoever reaches the patient; only what decides in it is kept.
            let rule: TypeRule.PanelRule = type == .patient ? .elements(parameters) : .resource
            table.rules[type.ordinal] = self[type].choosing(panelRule: rule)
        }
        return table
    }

    /// A choice for a type that does not have it.
    public struct Unfit: Error, Hashable, Sendable {
        /// The type.
        public let type: ResourceType

        /// The error for this type.
        public init(type: ResourceType) { self.type = type }
    }

    private static func isReadable(_ subject: TypeRule.Subject?) -> Bool {
        switch subject {
        case .ownID, .securityContext: true
        case .parameter(let parameter): parameter.kind == .reference && parameter.expression != nil
        case nil: false
        }
    }
}
