internal import Audit
internal import Authorization
internal import FHIRCore
internal import NIOPosix

/// FHIR search of audit events on the admin listener, for auditors: `GET /audit/fhir/AuditEvent?patient=…&date=ge…`.
struct AuditEventAnswers: Sendable {
    let api: AdminAPI
    let reader: any AuditReader
    /// Where the search is mounted.
    let base: String
    let system: AuditSystem

    /// What the search can do, as a CapabilityStatement.
    var capabilities: JSONValue {
        let parameters = AuditEventSearch.parameters.map { name, type in
            JSONValue.object([.init("name", .string(name)), .init("type", .string(type))])
        }
        return .object([
            .init("resourceType", .string("CapabilityStatement")), .init("status", .string("active")),
            .init("date", .string("2026-11-26")), .init("kind", .string("instance")),
            .init("implementation", .object([.init("description", .string("\(system.name): audit events"))])),
            .init("fhirVersion", .string("4.0.1")), .init("format", .array([.string("json")])),
            .init(
                "rest",
                .array([
                    .object([
                        .init("mode", .string("server")),
                        .init(
                            "resource",
                            .array([
                                .object([
                                    .init("type", .string("AuditEvent")),
                                    .init(
                                        "interaction",
                                        .array([.object([.init("code", .string("search-type"))])])),
                                    .init("searchParam", .array(parameters)),
                                ])
                            ])),
                    ])
                ])),
        ])
    }

    /// The searchset for a raw query. Looking into the trail is recorded before anything is shown.
    func search(_ raw: String, _ request: AdminRequest) async throws -> JSONValue {
        try api.require([.auditor, .admin], request)
        let search: AuditEventSearch
        do { search = try AuditEventSearch(parsing: raw) } catch {
            throw Problem(error.status, "the search cannot be answered", detail: error.diagnostics)
        }
        // Every page: a reading that begins with a cursor is a reading too.
        try await api.noteReading(request, about: search.asked, patient: search.query.patient)
        let reader = reader
        let wanted = search
        let (page, count) = try await NIOThreadPool.singleton.runIfActive { () throws -> (AuditPage, Int?) in
            let count =
                wanted.total == .none && !wanted.onlyCount
                ? nil : try reader.count(wanted.query, content: wanted.content)
            if wanted.onlyCount { return (AuditPage(entries: [], next: nil), count) }
            return (try reader.search(wanted.query, content: wanted.content), count)
        }
        guard !search.onlyCount || count != nil else {
            throw Problem(400, "the search cannot be answered", detail: "there are too many to count; narrow the date")
        }
        return try search.bundle(page, total: count, base: base, system: system)
    }
}
