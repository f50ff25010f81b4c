internal import AccessPolicy
public import FHIRCore

/// Renders an audit entry as a FHIR R4 AuditEvent in the patterns of IHE BALP 1.1.
///
/// It claims a profile in `meta.profile` only where the event is of that profile: the RESTful ones hold for what
/// succeeded, the patient ones for one patient, the OAuth ones where a token was used.
public enum AuditEventResource {
    /// The AuditEvent of an entry; throws when its body cannot be read.
    public static func json(_ entry: AuditEntry, system: AuditSystem) throws(AuditFormatError) -> JSONValue {
        let statement = try entry.statement()
        switch statement.event {
        case .access(let record):
            return AccessEventRendering(record: record, system: system).json(entry)
        case .authorization(let record):
            return AuthorizationEventRendering(record: record, system: system).json(entry)
        }
    }

    /// What stands for an entry whose body cannot be read: which one, and that it is not what was written.
    static func unreadable(_ entry: AuditEntry, system: AuditSystem) -> JSONValue {
        var members = head(entry, profiles: [])
        members.add("type", AuditCode.securityAlert.coding)
        members.add("subtype", .array([AuditCode.unreadable.coding]))
        members.add("recorded", FHIRTime.instant(entry.recordedAt))
        members.add("outcome", "12")
        members.add("outcomeDesc", "entry \(entry.node)/\(entry.sequence) cannot be read: it is not what was written")
        members.add(
            "agent",
            .array([
                agent(
                    .authorizationServer, who: .object([JSONMemberValue("display", .string(system.name))]),
                    requestor: true, address: system.issuer, addressType: "5")
            ]))
        members.add("source", source(system, node: entry.node))
        members.add("entity", .array([request(entry.index.eventID.text)]))
        return members.object
    }

    /// The one version that an event has: it is written once.
    public static let version = "1"

    /// The members that every event begins with.
    static func head(_ entry: AuditEntry, profiles: [String]) -> MemberList {
        var members = MemberList()
        members.add("resourceType", "AuditEvent")
        // A SHA-256 in hexadecimal is exactly as long as an id may be.
        members.add("id", entry.hash.description)
        var meta = MemberList()
        meta.add("versionId", version)
        meta.add("lastUpdated", FHIRTime.instant(entry.recordedAt))
        meta.add("profile", profiles)
        members.add("meta", meta.object)
        return members
    }

    /// Who observed the event: this server.
    static func source(_ system: AuditSystem, node: String) -> JSONValue {
        .object([
            JSONMemberValue("site", .string(node)),
            JSONMemberValue(
                "observer",
                .object([
                    JSONMemberValue(
                        "identifier",
                        .object([
                            JSONMemberValue("system", .string(AuditSystem.issuers)),
                            JSONMemberValue("value", .string(system.issuer)),
                        ])), JSONMemberValue("display", .string(system.name)),
                ])),
            JSONMemberValue("type", .array([AuditCode.applicationServer.coding])),
        ])
    }

    /// An agent; `who` has a reference, an identifier or a display.
    static func agent(
        _ type: AuditCode, who: JSONValue, requestor: Bool, address: String? = nil, addressType: String = "2",
        policy: String? = nil
    ) -> JSONValue {
        var members = MemberList()
        members.add("type", type.concept)
        members.add("who", who)
        members.add("requestor", .bool(requestor))
        members.add("policy", policy.map { [$0] } ?? [])
        if let address, !address.isEmpty {
            members.add(
                "network",
                .object([
                    JSONMemberValue("address", .string(address)), JSONMemberValue("type", .string(addressType)),
                ]))
        }
        return members.object
    }

    /// A Reference by identifier.
    static func identified(_ value: String, system: String? = nil, reference: String? = nil) -> JSONValue {
        var identifier = MemberList()
        identifier.add("system", system)
        identifier.add("value", value)
        var members = MemberList()
        members.add("reference", reference)
        members.add("identifier", identifier.object)
        return members.object
    }

    /// An entity that is a patient.
    ///
    /// - Parameter isAskedOnly: whether nothing of the patient's was found, written or let out.
    static func patient(_ id: String, isAskedOnly: Bool = false) -> JSONValue {
        let asked = isAskedOnly ? [("detail", details([("asked-only", "nothing of this patient's was given")]))] : []
        return entity(.person, role: .patientRole, [("what", reference("Patient/\(id)"))] + asked)
    }

    /// An entity that gives the id by which logs can be joined.
    static func request(_ id: String) -> JSONValue { entity(.requestID, role: nil, [("what", identified(id))]) }

    /// The entity that says by what right: one detail per scope, and the facts of the decision.
    ///
    /// BALP has no slot for scopes; this one is outside its slices (its type is none of theirs).
    static func authorization(_ details: [(String, String?)]) -> JSONValue {
        entity(
            .other, role: .securityResource, [("name", .string("authorization")), ("detail", self.details(details))])
    }

    /// Details of an entity; those without a value are left out, and those with an empty one, which FHIR forbids.
    static func details(_ details: [(String, String?)]) -> JSONValue {
        .array(
            details.compactMap { type, value -> JSONValue? in
                guard let value, !value.isEmpty else { return nil }
                return .object([
                    JSONMemberValue("type", .string(type)), JSONMemberValue("valueString", .string(value)),
                ])
            })
    }

    static func entity(_ type: AuditCode, role: AuditCode?, _ parts: [(String, JSONValue)]) -> JSONValue {
        var members = MemberList()
        if let what = parts.first(where: { $0.0 == "what" }) { members.add("what", what.1) }
        members.add("type", type.coding)
        members.add("role", role?.coding)
        for part in parts where part.0 != "what" { members.add(part.0, part.1) }
        return members.object
    }

    static func reference(_ text: String) -> JSONValue { .object([JSONMemberValue("reference", .string(text))]) }

    /// The text if it is a relative reference such as `Practitioner/x`.
    static func relative(_ text: String?) -> String? {
        guard let text, case .relative = LiteralReference(text) else { return nil }
        return text
    }
}
