public import FHIRCore

/// The context that a launch established and that a token carries (SMART 2.2 scopes, launch context).
public struct LaunchContext: Hashable, Sendable {
    /// The one patient in context; without it `patient/` scopes grant nothing.
    public var patient: ResourceID?
    /// The encounter in context. It informs the app and widens nothing.
    public var encounter: ResourceID?
    /// Who the user is, as a FHIR resource; without it `user/` scopes grant nothing.
    public var fhirUser: InstanceKey?
    /// What the app was launched for.
    public var intent: String?
    /// Whether the app must show who the patient is.
    public var needPatientBanner: Bool?
    /// Further resources in context, as given by the launching system.
    public var fhirContext: [JSONValue]
    /// Where the style document of the launching system is, whose address changes with its content.
    public var smartStyleURL: String?
    /// The organisation that launched, as the launching system names it.
    public var tenant: String?

    /// Makes a context; everything is absent unless named.
    public init(
        patient: ResourceID? = nil, encounter: ResourceID? = nil, fhirUser: InstanceKey? = nil,
        intent: String? = nil, needPatientBanner: Bool? = nil, fhirContext: [JSONValue] = [],
        smartStyleURL: String? = nil, tenant: String? = nil
    ) {
        self.patient = patient
        self.encounter = encounter
        self.fhirUser = fhirUser
        self.intent = intent
        self.needPatientBanner = needPatientBanner
        self.fhirContext = fhirContext
        self.smartStyleURL = smartStyleURL
        self.tenant = tenant
    }
}
