internal import AccessPolicy
internal import FHIRCore

/// One step of authorization as an AuditEvent.
struct AuthorizationEventRendering {
    let record: AuthorizationRecord
    let system: AuditSystem

    func json(_ entry: AuditEntry) -> JSONValue {
        var members = AuditEventResource.head(entry, profiles: profiles)
        members.add("type", Self.type(of: record).coding)
        members.add("subtype", .array(Self.subtypes(of: record).map(\.coding)))
        members.add("action", "E")
        members.add("recorded", FHIRTime.instant(entry.recordedAt))
        members.add("outcome", outcome)
        members.add("outcomeDesc", record.outcome.code + (record.outcome.reason.map { ": \($0)" } ?? ""))
        members.add("purposeOfEvent", AuditCode.purposes(record.purposeOfUse))
        members.add("agent", .array(agents))
        members.add("source", AuditEventResource.source(system, node: entry.node))
        members.add("entity", .array(entities))
        return members.object
    }

    private static let published = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"

    private var profiles: [String] {
        if isConsentDecision { return [Self.published + "IHE.BasicAudit.AuthZconsent"] }
        return isTokenIssue ? [Self.published + "IHE.IUA.71"] : []
    }

    /// The code of type that the event of a record shows.
    static func type(of record: AuthorizationRecord) -> AuditCode {
        record.isConsentDecision ? .securityAlert : type(record.kind)
    }

    /// The codes of subtype that the event of a record shows.
    static func subtypes(of record: AuthorizationRecord) -> [AuditCode] {
        let step = AuditCode.step(record.kind)
        if record.isConsentDecision { return [step, .consentDecision] }
        // The pattern has room for one; the step is among the details.
        return record.isTokenIssue ? [.accessTokenRequest] : [step]
    }

    private var isConsentDecision: Bool { record.isConsentDecision }
    private var isTokenIssue: Bool { record.isTokenIssue }

    /// The codes of type that events of a kind can have.
    static func types(_ kind: AuthorizationRecord.Kind) -> [AuditCode] {
        kind == .consent || kind == .consentDenied ? [type(kind), .securityAlert] : [type(kind)]
    }

    private static func type(_ kind: AuthorizationRecord.Kind) -> AuditCode {
        switch kind {
        case .login, .loginFailed, .logout, .launch, .patientChosen, .consent, .consentDenied, .authorizationRefused,
            .token, .tokenRefused, .refresh, .introspect, .userInfo, .revoke:
            .userAuthentication
        case .accountLocked, .codeReplayed, .refreshReplayed, .clientRegistered, .clientChanged, .userChanged,
            .keyChanged, .policyChanged, .configurationChanged, .refusalsSummed:
            .securityAlert
        case .auditRead, .checkpoint, .recordsRemoved, .holdPlaced, .holdLifted, .feedRefused, .recordingResumed:
            .auditLogUsed
        case .started, .stopped: .applicationActivity
        }
    }

    private var outcome: String {
        switch record.outcome {
        case .succeeded: "0"
        case .refused: "4"
        case .failed: "8"
        }
    }

    private var agents: [JSONValue] {
        var list = [
            AuditEventResource.agent(
                isTokenIssue ? .tokenService : .authorizationServer,
                who: .object([JSONMemberValue("display", .string(system.name))]),
                requestor: record.clientID == nil && record.subject == nil && record.actor == nil,
                address: isConsentDecision ? nil : system.issuer, addressType: "5")
        ]
        if let client = record.clientID {
            list.append(
                AuditEventResource.agent(
                    .application, who: AuditEventResource.identified(client.text),
                    requestor: record.subject == nil && record.actor == nil,
                    address: record.actor == nil ? record.sourceAddress : nil))
        }
        if let actor = record.actor {
            // Whose account is changed is an agent of the event as well, but not the one who wanted it.
            list.append(
                AuditEventResource.agent(
                    .recipient, who: AuditEventResource.identified(actor, system: system.accounts),
                    requestor: true, address: record.sourceAddress))
        }
        if let subject = record.subject {
            let who = AuditEventResource.identified(
                subject.text, system: system.issuer, reference: AuditEventResource.relative(record.fhirUser))
            list.append(
                AuditEventResource.agent(
                    .recipient, who: who, requestor: record.actor == nil,
                    address: record.clientID == nil && record.actor == nil ? record.sourceAddress : nil))
        }
        return list
    }

    private var entities: [JSONValue] {
        let details: [(String, String?)] =
            record.scopes.map { ("scope", $0) } + [
                ("event", record.id.text), ("grant", record.grantID?.text), ("token", record.tokenID?.text),
                ("program", record.program), ("legal-basis", record.legalBasis),
                ("reporting-entity", record.reportingEntity), ("organization", record.organization),
                ("hold", record.hold?.id), ("detail", record.detail),
            ]
        if isTokenIssue { return [issuedToken(details)] }
        let consent = AuditEventResource.entity(
            .consent, role: nil, [("what", AuditEventResource.identified(record.grantID?.text ?? record.id.text))])
        return (record.patient.map { [AuditEventResource.patient($0)] } ?? [])
            + (isConsentDecision ? [consent] : [])
            + [AuditEventResource.request(record.traceID ?? record.id.text), AuditEventResource.authorization(details)]
    }

    /// The one entity of a token that was given out: patient, step and trace are details of it.
    private func issuedToken(_ details: [(String, String?)]) -> JSONValue {
        let more: [(String, String?)] = [
            ("step", record.kind.rawValue), ("patient", record.patient.map { "Patient/\($0)" }),
            ("request", record.traceID ?? record.id.text),
        ]
        return AuditEventResource.entity(
            .systemObject, role: .securityResource,
            [
                ("what", AuditEventResource.identified(record.tokenID?.text ?? record.id.text)),
                ("detail", AuditEventResource.details(details + more)),
            ])
    }
}

extension AuthorizationRecord {
    /// Whether the event has everything that BALP asks of a decision about consent.
    fileprivate var isConsentDecision: Bool {
        (kind == .consent || kind == .consentDenied) && clientID != nil && subject != nil && patient != nil
            && sourceAddress != nil
    }

    /// Whether the event has everything that IUA asks of a token that was given out (ITI-71).
    fileprivate var isTokenIssue: Bool {
        (kind == .token || kind == .refresh) && outcome == .succeeded && clientID != nil && tokenID != nil
            && sourceAddress != nil && actor == nil
    }
}
