/// The programme under which an access happens: one of the four APIs of CMS-0057-F, or none of them.
public enum APIProgram: String, Hashable, Sendable, CaseIterable {
    /// Patient Access API.
    case patientAccess = "patient-access"
    /// Provider Access API.
    case providerAccess = "provider-access"
    /// Payer-to-Payer API.
    case payerToPayer = "payer-to-payer"
    /// Prior Authorization API.
    case priorAuthorization = "prior-authorization"
    /// A FHIR server that is not bound by CMS-0057-F.
    case general
}
