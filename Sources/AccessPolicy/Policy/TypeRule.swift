public import FHIRCore

/// What the policy knows about one resource type.
public struct TypeRule: Hashable, Sendable {
    /// What kind of data a type holds, as far as a boundary of patients is concerned.
    public enum Class: String, Hashable, Sendable, CaseIterable {
        /// Belongs to a patient; only resources of a patient inside the boundary are reachable.
        case compartment
        /// Names no patient (directories, definitions of products and services); readable wherever the type is granted.
        case shared
        /// Conformance and terminology; readable like ``shared``, never writable.
        case conformance
        /// May name many patients, or nobody knows whom; reachable only where every patient is.
        case restricted
    }

    /// What happens to a resource that also names patients outside the boundary.
    public enum MultiPatientRule: String, Hashable, Sendable, CaseIterable {
        /// The reference stays as text.
        case allow
        /// The reference and the narrative are cut out and the resource is marked as a subset.
        case mask
        /// The resource is withheld.
        case deny
    }

    /// The element that says whose the resource is.
    public enum Subject: Hashable, Sendable {
        /// The resource is the patient.
        case ownID
        /// What this search parameter reads; it also narrows searches.
        case parameter(SearchParameter)
        /// `Binary.securityContext`; no search reads it.
        case securityContext
    }

    /// What resources of a type have to say about whose records a user may see, where the site finds that out at the
    /// protected server (ADR 0033, ADR 0069).
    public enum PanelRule: Hashable, Sendable {
        /// Nothing.
        case none
        /// The whole resource gives a patient to somebody.
        case resource
        /// A patient's own record does, by what these parameters read.
        case elements([SearchParameter])
    }

    /// What is known about a type. A class so that handing a rule on costs one reference count; nothing in it changes.
    private final class Facts: Sendable {
        let type: ResourceType
        let typeClass: Class
        let subject: Subject?
        let membership: [SearchParameter]
        let multiPatient: MultiPatientRule
        let bearsPolicy: Bool
        let countsFormalMembers: Bool
        let panelRule: PanelRule

        init(
            type: ResourceType, typeClass: Class, subject: Subject?, membership: [SearchParameter],
            multiPatient: MultiPatientRule, bearsPolicy: Bool, countsFormalMembers: Bool, panelRule: PanelRule
        ) {
            self.type = type
            self.typeClass = typeClass
            self.subject = subject
            self.membership = membership
            self.multiPatient = multiPatient
            self.bearsPolicy = bearsPolicy
            self.countsFormalMembers = countsFormalMembers
            self.panelRule = panelRule
        }
    }

    private let facts: Facts

    init(
        type: ResourceType, typeClass: Class, subject: Subject?, membership: [SearchParameter],
        multiPatient: MultiPatientRule, bearsPolicy: Bool, countsFormalMembers: Bool = false,
        panelRule: PanelRule = .none
    ) {
        facts = Facts(
            type: type, typeClass: typeClass, subject: subject, membership: membership, multiPatient: multiPatient,
            bearsPolicy: bearsPolicy, countsFormalMembers: countsFormalMembers, panelRule: panelRule)
    }

    /// The type.
    public var type: ResourceType { facts.type }
    /// What it holds.
    public var typeClass: Class { facts.typeClass }
    /// Whose it is; nil outside ``Class/compartment``.
    public var subject: Subject? { facts.subject }
    /// What the published Patient compartment reads, beyond the subject.
    public var membership: [SearchParameter] { facts.membership }
    /// What happens when other patients are named.
    public var multiPatient: MultiPatientRule { facts.multiPatient }
    /// Whether a resource that decides about access itself: written by nobody through this door.
    public var bearsPolicy: Bool { facts.bearsPolicy }
    /// Whether a row belongs to every patient whom the published compartment names in it, and not only to its subject;
    /// an explicit choice of the site, for reading only.
    public var countsFormalMembers: Bool { facts.countsFormalMembers }

    /// Whether resources of the type decide whose records a user may see, and by what: nobody whose own reach has a
    /// boundary writes that.
    public var panelRule: PanelRule { facts.panelRule }

    /// The same rule with the site's own choices in place of what is nil.
    func choosing(
        multiPatient: MultiPatientRule? = nil, countsFormalMembers: Bool? = nil, panelRule: PanelRule? = nil
    ) -> TypeRule {
        TypeRule(
            type: type, typeClass: typeClass, subject: subject, membership: membership,
            multiPatient: multiPatient ?? self.multiPatient, bearsPolicy: bearsPolicy,
            countsFormalMembers: countsFormalMembers ?? self.countsFormalMembers,
            panelRule: panelRule ?? self.panelRule)
    }

    /// Rules are equal when all that they say is.
    public static func == (left: TypeRule, right: TypeRule) -> Bool {
        let (left, right) = (left.facts, right.facts)
        return left === right
            || (left.type == right.type && left.typeClass == right.typeClass && left.subject == right.subject
                && left.membership == right.membership && left.multiPatient == right.multiPatient
                && left.bearsPolicy == right.bearsPolicy && left.countsFormalMembers == right.countsFormalMembers
                && left.panelRule == right.panelRule)
    }

    /// Hashes the type and what it holds.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(facts.type)
        hasher.combine(facts.typeClass)
    }

    /// Whether resources of the type hold whole resources of other types, which no grant for it covers.
    public var wrapsOthers: Bool { type == .bundle || type == .parameters }

    /// The parameter that narrows a search to one patient; nil when no parameter can.
    public var narrowingParameter: String? {
        switch subject {
        case .ownID: "_id"
        case .parameter(let parameter): parameter.code
        case .securityContext, nil: nil
        }
    }

    /// The parameters that name a patient in a search on this type; a client's values for them are judged, not passed.
    public var membershipParameters: Set<String> {
        var names = Set(membership.map(\.code))
        if let narrowingParameter { names.insert(narrowingParameter) }
        // `patient` and `subject` read the same element in R4 wherever both exist.
        if typeClass == .compartment, type != .patient {
            for name in ["patient", "subject"] {
                if let parameter = R4.searchParameter(name, for: type), parameter.targets.contains(.patient) {
                    names.insert(name)
                }
            }
        }
        return names
    }
}
