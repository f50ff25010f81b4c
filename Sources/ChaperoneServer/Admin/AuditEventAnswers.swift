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

    /// The searchset for a raw query. Looking into the trail is recorded before anything is shown.
    func search(_ raw: String, _ request: AdminRequest) async throws -> JSONValue {
        try api.require([.auditor], request)
        let search: AuditEventSearch
        do { search = try AuditEventSearch(parsing: raw) } catch {
            throw Problem(error.status, "the search cannot be answered", detail: error.diagnostics)
        }
        // Every page: a reading that begins with a cursor is a reading too.
        try await api.noteReading(request)
        let reader = reader
        let page = try await NIOThreadPool.singleton.runIfActive { try reader.search(search.query) }
        return try search.bundle(page, base: base, system: system)
    }
}
