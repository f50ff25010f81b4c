internal import AccessPolicy
internal import FHIRCore

/// One step of authorization as an AuditEvent.
struct AuthorizationEventRendering {
    let record: AuthorizationRecord
    let system: AuditSystem

    func json(_ entry: AuditEntry) -> JSONValue {
        var members = AuditEventResource.head(entry, profiles: [])
        members.add("type", type.coding)
        members.add("subtype", .array([AuditCode.step(record.kind).coding]))
        members.add("action", "E")
        members.add("recorded", FHIRTime.instant(entry.recordedAt))
        members.add("outcome", outcome)
        members.add("outcomeDesc", record.outcome.code + (record.outcome.reason.map { ": \($0)" } ?? ""))
        members.add("agent", .array(agents))
        members.add("source", AuditEventResource.source(system, node: entry.node))
        members.add("entity", .array(entities))
        return members.object
    }

    private var type: AuditCode {
        switch record.kind {
        case .login, .loginFailed, .logout, .launch, .patientChosen, .consent, .consentDenied, .authorizationRefused,
            .code, .token, .tokenRefused, .refresh, .introspect, .revoke:
            .userAuthentication
        case .accountLocked, .codeReplayed, .refreshReplayed, .clientRegistered, .clientChanged, .userChanged,
            .keyChanged, .policyChanged, .configurationChanged:
            .securityAlert
        case .auditRead, .checkpoint, .recordsRemoved, .holdPlaced, .holdLifted: .auditLogUsed
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
                .authorizationServer, who: .object([JSONMemberValue("display", .string(system.name))]),
                requestor: record.clientID == nil && record.subject == nil, address: system.issuer, addressType: "5")
        ]
        if let client = record.clientID {
            list.append(
                AuditEventResource.agent(
                    .application, who: AuditEventResource.identified(client.text), requestor: record.subject == nil,
                    address: record.sourceAddress))
        }
        if let subject = record.subject {
            let who = AuditEventResource.identified(
                subject.text, system: system.issuer, reference: AuditEventResource.relative(record.fhirUser))
            list.append(
                AuditEventResource.agent(
                    .recipient, who: who, requestor: true,
                    address: record.clientID == nil ? record.sourceAddress : nil))
        }
        return list
    }

    private var entities: [JSONValue] {
        let details: [(String, String?)] =
            record.scopes.map { ("scope", $0) } + [
                ("event", record.id.text), ("grant", record.grantID?.text), ("token", record.tokenID?.text),
                ("program", record.program), ("detail", record.detail),
            ]
        return (record.patient.map { [AuditEventResource.patient($0)] } ?? [])
            + [AuditEventResource.request(record.traceID ?? record.id.text), AuditEventResource.authorization(details)]
    }
}
