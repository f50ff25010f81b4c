internal import AccessPolicy
public import FHIRCore

extension AuthorizationRecord {
    /// The record as a JSON object.
    public var json: JSONValue {
        var members = MemberList()
        members.add("id", id.text)
        members.add("kind", kind.rawValue)
        members.add("client", clientID?.text)
        members.add("subject", subject?.text)
        members.add("actor", actor)
        members.add("fhirUser", fhirUser)
        members.add("patient", patient)
        members.add("grant", grantID?.text)
        members.add("token", tokenID?.text)
        members.add("scopes", scopes)
        members.add("program", program)
        members.add("outcome", outcome.code)
        members.add("reason", outcome.reason)
        members.add("detail", detail)
        members.add("address", sourceAddress)
        members.add("at", .int(at))
        members.add("trace", traceID)
        members.add("organization", organization)
        members.add("purpose", purposeOfUse)
        members.add("basis", legalBasis)
        members.add("entity", reportingEntity)
        members.add("hold", hold?.json)
        return members.object
    }

    /// The record that a JSON object holds.
    public init(_ value: JSONValue) throws(AuditFormatError) {
        let members = MemberReader(value: value)
        let reason = members.text("reason")
        self.init(
            id: DecisionID(try members.required("id")),
            kind: try members.known("kind") { Kind(rawValue: $0) },
            clientID: members.text("client").map { ClientID($0) },
            subject: members.text("subject").map { SubjectID($0) },
            actor: members.text("actor"),
            fhirUser: members.text("fhirUser"),
            patient: members.text("patient"),
            grantID: members.text("grant").map { GrantID($0) },
            tokenID: members.text("token").map { TokenID($0) },
            scopes: members.texts("scopes"),
            program: members.text("program"),
            outcome: try members.known("outcome") { Outcome(code: $0, reason: reason) },
            detail: members.text("detail"),
            sourceAddress: members.text("address"),
            at: try members.requiredTime("at"),
            traceID: members.text("trace"),
            organization: members.text("organization"),
            purposeOfUse: members.texts("purpose"),
            legalBasis: members.text("basis"),
            reportingEntity: members.text("entity"))
        if let hold = value["hold"] { self.hold = try LegalHoldTerms(hold) }
    }
}
