internal import AccessPolicy
internal import FHIRCore

extension AccessRecord {
    /// Writes the members of the record, in the one order that they have.
    func write(to members: inout MemberWriter) {
        members.add("decision", decisionID.text)
        members.add("client", clientID?.text)
        members.add("subject", subject?.text)
        members.add("fhirUser", fhirUser)
        members.add("address", sourceAddress)
        members.add("grant", grantID?.text)
        members.add("token", tokenID?.text)
        members.add("scopes", scopes)
        members.add("program", program)
        members.add("patients", patients)
        members.add("interaction", interaction.rawValue)
        members.add("resourceType", resourceType)
        members.add("resourceID", resourceID)
        members.add("versionID", versionID)
        members.add("operation", operation)
        members.add("method", method)
        members.add("path", path)
        members.add("asked", queryAsked)
        members.add("narrowed", queryNarrowed)
        members.add("outcome", outcome.code)
        members.add("reason", outcome.reason)
        members.add("status", status.map { Int64($0) })
        members.add("released", Int64(released))
        members.add("withheld", withheld.map { (name: $0.reason, count: $0.count) })
        members.add("securityEvents", securityEvents)
        members.add("started", startedAt)
        members.add("ended", endedAt)
        members.add("trace", traceID)
        members.add("organization", organization)
        members.add("purpose", purposeOfUse)
        members.add("basis", legalBasis)
        members.add("entity", reportingEntity)
        members.add("parent", parent?.text)
        members.add("targets", targets)
        members.add("compartment", compartment)
        members.add("askedOnly", askedOnly)
    }

    /// The record that a JSON object holds.
    init(_ value: JSONValue) throws(AuditFormatError) {
        let members = MemberReader(value: value)
        let reason = members.text("reason")
        self.init(
            decisionID: DecisionID(try members.required("decision")),
            clientID: members.text("client").map { ClientID($0) },
            subject: members.text("subject").map { SubjectID($0) },
            fhirUser: members.text("fhirUser"),
            sourceAddress: members.text("address"),
            grantID: members.text("grant").map { GrantID($0) },
            tokenID: members.text("token").map { TokenID($0) },
            scopes: members.texts("scopes"),
            program: members.text("program"),
            patients: members.texts("patients"),
            interaction: try members.known("interaction") { AccessInteraction(rawValue: $0) },
            resourceType: members.text("resourceType"),
            resourceID: members.text("resourceID"),
            versionID: members.text("versionID"),
            operation: members.text("operation"),
            method: try members.required("method"),
            path: try members.required("path"),
            queryAsked: members.text("asked"),
            queryNarrowed: members.text("narrowed"),
            outcome: try members.known("outcome") { AccessOutcome(code: $0, reason: reason) },
            status: value["status"]?.int.map { Int($0) },
            released: Int(try members.requiredTime("released")),
            withheld: (value["withheld"]?.object ?? []).map {
                Withheld(reason: $0.name, count: Int($0.value.int ?? 0))
            },
            securityEvents: members.texts("securityEvents"),
            startedAt: try members.requiredTime("started"),
            endedAt: value["ended"]?.int,
            traceID: members.text("trace"),
            organization: members.text("organization"),
            purposeOfUse: members.texts("purpose"),
            legalBasis: members.text("basis"),
            reportingEntity: members.text("entity"),
            parent: members.text("parent").map { DecisionID($0) })
        targets = members.texts("targets")
        compartment = members.text("compartment")
        askedOnly = members.texts("askedOnly")
    }
}
