/// One parameter by which AuditEvents can be found, as a CapabilityStatement has it.
public struct AuditSearchParameter: Hashable, Sendable {
    /// Its name in a query.
    public let name: String
    /// Its type (FHIR R4 search-param-type).
    public let type: String
    /// The canonical URL of its definition; nil for those that are ours.
    public let definition: String?
    /// What it finds here.
    public let documentation: String

    private static let published = "http://hl7.org/fhir/SearchParameter/"

    fileprivate static func ofR4(_ name: String, _ type: String, _ documentation: String) -> AuditSearchParameter {
        let id = name.hasPrefix("_") ? "Resource" + name.replacing("_", with: "-") : "AuditEvent-\(name)"
        return AuditSearchParameter(name: name, type: type, definition: published + id, documentation: documentation)
    }

    fileprivate static func ours(_ name: String, _ type: String, _ documentation: String) -> AuditSearchParameter {
        AuditSearchParameter(name: name, type: type, definition: nil, documentation: documentation)
    }
}

extension AuditEventSearch {
    /// The parameters by which events can be found.
    public static let parameters: [AuditSearchParameter] = [
        .ofR4("_id", "token", "These events, also such as were opened and are closed since."),
        AuditSearchParameter(
            name: "_lastUpdated", type: "date",
            definition: "http://hl7.org/fhir/SearchParameter/Resource-lastUpdated",
            documentation: "As `date`: an event is written once."),
        .ofR4("date", "date", "When it was recorded; prefixes eq, ge, gt, le, lt, sa, eb; can be given twice."),
        .ofR4("patient", "reference", "The patient whom it is about; one."),
        .ofR4("entity", "reference", "A patient, or resources that were asked for or whose compartment was."),
        .ofR4(
            "agent", "reference",
            "The FHIR identity of the user. `agent:identifier`: of client, user or operator; `|id` a client, "
                + "`issuer|id` a user, `issuer/accounts|name` an operator."),
        .ofR4("address", "string", "The address that asked. `address:exact`: all of it."),
        .ofR4("policy", "uri", "The id of the token."),
        .ofR4("site", "token", "The node that recorded it."),
        .ofR4("source", "reference", "Only as `source:identifier`: the issuer of the server that recorded it."),
        .ofR4("outcome", "token", "0, 4 or 8."),
        .ofR4("action", "token", "C, R, U, D or E."),
        .ofR4("type", "token", "The type of event."),
        .ofR4("subtype", "token", "An interaction, a step of authorization, disclose, AuthZ-Consent or ITI-71."),
        .ours("client", "token", "The client, by its whole id."),
        .ours("user", "token", "The subject of the login, whole."),
        .ours("grant", "token", "The grant, by its whole id."),
        .ours("scope", "special", "A scope that allowed it or was granted, whole."),
        .ours("program", "token", "The program of the client's approval."),
        .ours("purpose", "token", "The purpose of use."),
        .ours("organization", "string", "The organisation for which the client acts. `organization:exact`: all of it."),
        .ours("reporting-entity", "token", "Under whose obligation to report it counts."),
        .ours("disclosures", "special", "`true`: only what an accounting of disclosures has (45 CFR 164.528)."),
    ]

    /// Why parameters that FHIR R4 has are none here.
    static let refused: [String: String] = [
        "agent-name": "agents are named by reference and identifier: `agent`, `agent:identifier`",
        "agent-role": "agents have no roles here: `type` and `subtype` say what was done",
        "altid": "agents have no other ids here: `agent:identifier` finds operators by their accounts",
        "entity-name": "entities are found by `entity` and `patient`",
        "entity-role": "entities are found by `entity` and `patient`",
        "entity-type": "entities are found by `entity` and `patient`",
        "source": "the server that recorded an event is known by its issuer: `source:identifier`; its nodes by `site`",
    ]
}
