public import FHIRCore

extension AuditEventResource {
    /// The history of an event, as a Bundle: one version, by which it was created (FHIR R4 http.html#history).
    ///
    /// - Parameter base: the URL below which events are read, such as `https://…/audit/fhir/AuditEvent`.
    public static func history(_ entry: AuditEntry, base: String, system: AuditSystem) throws(AuditFormatError)
        -> JSONValue
    {
        let url = "\(base)/\(entry.hash)"
        let resource = try json(entry, system: system)
        let written: JSONValue = .object([
            JSONMemberValue("fullUrl", .string(url)), JSONMemberValue("resource", resource),
            JSONMemberValue(
                "request",
                .object([JSONMemberValue("method", "POST"), JSONMemberValue("url", "AuditEvent")])),
            JSONMemberValue(
                "response",
                .object([
                    JSONMemberValue("status", "201"), JSONMemberValue("etag", .string("W/\"\(version)\"")),
                    JSONMemberValue("lastModified", .string(FHIRTime.instant(entry.recordedAt))),
                ])),
        ])
        return .object([
            JSONMemberValue("resourceType", "Bundle"), JSONMemberValue("type", "history"),
            JSONMemberValue("total", .int(1)),
            JSONMemberValue(
                "link",
                .array([
                    .object([
                        JSONMemberValue("relation", "self"), JSONMemberValue("url", .string("\(url)/_history")),
                    ])
                ])), JSONMemberValue("entry", .array([written])),
        ])
    }
}
