internal import FHIRCore

/// The codes that audit events are written in, with their systems.
struct AuditCode {
    let system: String
    let code: String
    let display: String

    var coding: JSONValue {
        .object([
            JSONMemberValue("system", .string(system)), JSONMemberValue("code", .string(code)),
            JSONMemberValue("display", .string(display)),
        ])
    }

    /// A CodeableConcept of this coding alone.
    var concept: JSONValue { .object([JSONMemberValue("coding", .array([coding]))]) }

    private static let dicom = "http://dicom.nema.org/resources/ontology/DCM"
    private static let entityType = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
    private static let objectRole = "http://terminology.hl7.org/CodeSystem/object-role"
    private static let participation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"

    // Kinds of event.
    static let rest = AuditCode(
        system: "http://terminology.hl7.org/CodeSystem/audit-event-type", code: "rest", display: "Restful Operation")
    static let applicationActivity = AuditCode(system: dicom, code: "110100", display: "Application Activity")
    static let export = AuditCode(system: dicom, code: "110106", display: "Export")
    static let auditLogUsed = AuditCode(system: dicom, code: "110101", display: "Audit Log Used")
    static let securityAlert = AuditCode(system: dicom, code: "110113", display: "Security Alert")
    static let userAuthentication = AuditCode(system: dicom, code: "110114", display: "User Authentication")

    // Agents.
    static let application = AuditCode(system: dicom, code: "110150", display: "Application")
    static let destination = AuditCode(system: dicom, code: "110152", display: "Destination Role ID")
    static let source = AuditCode(system: dicom, code: "110153", display: "Source Role ID")
    static let custodian = AuditCode(
        system: "http://terminology.hl7.org/CodeSystem/provenance-participant-type", code: "custodian",
        display: "Custodian")
    static let authorizationServer = AuditCode(
        system: "http://terminology.hl7.org/CodeSystem/extra-security-role-type", code: "authserver",
        display: "authorization server")
    static let recipient = AuditCode(system: participation, code: "IRCP", display: "information recipient")
    static let author = AuditCode(system: participation, code: "AUT", display: "author (originator)")
    static let tokenUser = AuditCode(
        system: "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes", code: "UserOauthAgent",
        display: "User OAuth Agent participant")

    // Entities.
    static let person = AuditCode(system: entityType, code: "1", display: "Person")
    static let systemObject = AuditCode(system: entityType, code: "2", display: "System Object")
    static let other = AuditCode(system: entityType, code: "4", display: "Other")
    static let requestID = AuditCode(
        system: "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", code: "XrequestId",
        display: "XrequestId")
    static let patientRole = AuditCode(system: objectRole, code: "1", display: "Patient")
    static let domainResource = AuditCode(system: objectRole, code: "4", display: "Domain Resource")
    static let securityResource = AuditCode(system: objectRole, code: "13", display: "Security Resource")
    static let queryRole = AuditCode(system: objectRole, code: "24", display: "Query")

    static let applicationServer = AuditCode(
        system: "http://terminology.hl7.org/CodeSystem/security-source-type", code: "4", display: "Application Server")

    /// Purposes of use as CodeableConcepts; nil when there are none, for FHIR forbids an empty array.
    static func purposes(_ codes: [String]) -> JSONValue? {
        guard !codes.isEmpty else { return nil }
        return .array(codes.map { AuditCode(system: actReason, code: $0, display: $0).concept })
    }

    /// The system of purposes of use.
    static let actReason = "http://terminology.hl7.org/CodeSystem/v3-ActReason"

    // A disclosure, and the request for an access token (IHE BALP, IUA ITI-71).
    static let disclose = AuditCode(
        system: "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", code: "disclose",
        display: "Disclose (Release) Record Lifecycle Event")
    static let accessTokenRequest = AuditCode(
        system: "urn:ihe:event-type-code", code: "ITI-71", display: "Get Access Token")
    static let tokenService = AuditCode(
        system: "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes", code: "AuthzOauthService",
        display: "OAuth authorization service")

    // A decision about consent (IHE BALP, AuthZconsent).
    static let consentDecision = AuditCode(
        system: "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType", code: "AuthZ-Consent",
        display: "Authorization by consent")
    static let consent = AuditCode(
        system: "http://hl7.org/fhir/resource-types", code: "Consent", display: "Consent")

    /// A RESTful interaction.
    static func interaction(_ interaction: AccessInteraction) -> AuditCode {
        AuditCode(
            system: interaction == .unclassified ? steps : "http://hl7.org/fhir/restful-interaction",
            code: interaction.rawValue, display: interaction.rawValue)
    }

    /// A step of authorization; no published system has them.
    static func step(_ kind: AuthorizationRecord.Kind) -> AuditCode {
        AuditCode(system: steps, code: kind.rawValue, display: kind.rawValue)
    }

    /// What stands for an entry that cannot be read.
    static let unreadable = AuditCode(system: steps, code: "unreadable", display: "unreadable")

    /// Our own system of codes.
    static let steps = "urn:chaperone:audit:event"
}
