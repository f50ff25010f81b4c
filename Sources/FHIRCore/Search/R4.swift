/// The tables of FHIR R4 (4.0.1) that we look things up in.
public enum R4 {
    /// The search parameter with this code on a type, or nil. The parameters of every resource (`_id`,
    /// `_lastUpdated`, `_profile`, `_security`, `_source`, `_tag`) are found on each type.
    public static func searchParameter(_ code: String, for type: ResourceType) -> SearchParameter? {
        R4Tables.searchParameters.byType[type]?[code] ?? R4Tables.searchParameters.common[code]
    }

    /// All search parameters of a type with those of every resource, ordered by code.
    public static func searchParameters(for type: ResourceType) -> [SearchParameter] {
        let own = R4Tables.searchParameters.byType[type] ?? [:]
        let common = R4Tables.searchParameters.common.filter { own[$0.key] == nil }
        return (Array(own.values) + Array(common.values)).sorted { $0.code < $1.code }
    }

    /// What names the patient of a resource of this type; nil when the type is not in the Patient compartment.
    public static func patientMembership(_ type: ResourceType) -> PatientMembership? {
        R4Tables.patientMembership[type]
    }

    /// The inclusion parameters of a type in a compartment, as published; empty when it is not in it.
    public static func compartmentParameters(_ compartment: CompartmentKind, _ type: ResourceType) -> [String] {
        R4Tables.compartments[compartment]?[type] ?? []
    }
}

/// The five compartments of FHIR R4.
public enum CompartmentKind: String, CaseIterable, Hashable, Sendable {
    case patient = "Patient"
    case encounter = "Encounter"
    case relatedPerson = "RelatedPerson"
    case practitioner = "Practitioner"
    case device = "Device"

    /// The type of the resource that the compartment is about.
    public var resourceType: ResourceType {
        switch self {
        case .patient: .patient
        case .encounter: .encounter
        case .relatedPerson: .relatedPerson
        case .practitioner: .practitioner
        case .device: .device
        }
    }

    /// The compartment that is about resources of this type, if there is one.
    public init?(_ type: ResourceType) {
        guard let kind = CompartmentKind.allCases.first(where: { $0.resourceType == type }) else { return nil }
        self = kind
    }
}

/// Which search parameters put a resource of one type in the Patient compartment.
public struct PatientMembership: Hashable, Sendable {
    /// The one parameter that narrows a search to a patient's own resources: the resource's subject.
    public let primary: SearchParameter
    /// The inclusion parameters of the published compartment.
    public let full: [SearchParameter]
}
