extension AuditEventSearch {
    /// The parameters by which events can be found, with their types as a CapabilityStatement has them.
    public static let parameters: [(name: String, type: String)] = [
        ("date", "date"), ("patient", "reference"), ("entity", "reference"), ("agent", "reference"),
        ("address", "string"),
        ("policy", "uri"), ("site", "token"), ("outcome", "token"), ("action", "token"), ("type", "token"),
        ("subtype", "token"), ("client", "token"), ("user", "token"), ("grant", "token"), ("scope", "string"),
        ("program", "token"), ("purpose", "token"), ("organization", "string"), ("reporting-entity", "token"),
        ("disclosures", "special"),
    ]
}
