internal import Audit
internal import Authorization
internal import FHIRCore
internal import NIOPosix

/// FHIR reads and searches of audit events on the admin listener, for auditors: `GET /audit/fhir/AuditEvent?patient=…`,
/// `GET /audit/fhir/AuditEvent/[id]`.
struct AuditEventAnswers: Sendable {
    let api: AdminAPI
    let reader: any AuditReader
    /// Where events are searched, and below which they are read.
    let base: String
    let system: AuditSystem

    /// What is asked of one event.
    enum Question: Hashable {
        case read
        case version(String)
        case history
    }

    /// The searchset for a raw query. Looking into the trail is recorded before anything is shown.
    func search(_ raw: String, _ request: AdminRequest) async throws -> JSONValue {
        try await api.demand([.auditor, .admin], request, at: "/audit/fhir")
        let search: AuditEventSearch
        do { search = try AuditEventSearch(parsing: raw, of: system) } catch {
            throw Problem(
                error.status, "the search cannot be answered", detail: error.diagnostics, issue: error.code)
        }
        // Every page: a reading that begins with a cursor is a reading too.
        try await api.noteReading(request, about: search.asked, patient: search.query.patient)
        let (page, count) = search.findsNothing ? (.empty, 0) : try await find(search)
        guard !search.onlyCount || count != nil else {
            throw Problem(
                400, "the search cannot be answered", detail: "there are too many to count; narrow the date",
                issue: "too-costly")
        }
        return try search.bundle(page, total: count, base: base, system: system)
    }

    /// A page, and how many there are where that was asked for: of the same state of the log.
    private func find(_ search: AuditEventSearch) async throws -> (AuditPage, Int?) {
        let reader = reader
        return try await NIOThreadPool.singleton.runIfActive {
            var counted = search.query
            if search.onlyCount { return (.empty, try reader.count(counted, content: search.content)) }
            let page = try reader.search(search.query, content: search.content)
            counted.through = page.through
            let count = search.total == .none ? nil : try reader.count(counted, content: search.content)
            return (page, count)
        }
    }

    /// One event, its version or its history, and when it was recorded (milliseconds). Also of an access that was opened
    /// and is closed since: whoever has the id of an event has seen it.
    ///
    /// Who may not see the trail is answered as if there were no such event, and so is every id and version that there is
    /// not: with the same bytes.
    func read(_ id: String, _ question: Question, _ request: AdminRequest) async throws -> (JSONValue, Int64) {
        do { try await api.demand([.auditor, .admin], request, at: "/audit/fhir") } catch let problem as Problem
            where problem == .forbidden
        {
            throw Self.unknown
        }
        try takeOnlyFormat(request)
        let hash = ChainHash(hexadecimal: id)
        let wanted = AuditQuery(hashes: hash.map { [$0] } ?? [], limit: 1, includesClosedOpenings: true)
        let entry = hash == nil ? nil : try await api.find(wanted, AuditContentFilter()).entries.first
        // Whatever was asked for, as far as an id can be long (FHIR R4 datatypes.html#id).
        let asked = "_id=\(id.prefix(64))" + (question == .read ? "" : "/_history")
        try await api.noteReading(request, about: asked, patient: entry.flatMap { AdminAPI.onlyPatient(of: [$0]) })
        guard let entry else { throw Self.unknown }
        switch question {
        case .version(let version) where version != AuditEventResource.version: throw Self.unknown
        case .read, .version: return (try AuditEventResource.json(entry, system: system), entry.recordedAt)
        case .history:
            return (try AuditEventResource.history(entry, base: base, system: system), entry.recordedAt)
        }
    }

    /// INVARIANT: nothing of the request stands in it.
    private static let unknown = Problem(404, "there is no such AuditEvent")

    /// A read has no parameter but the format.
    private func takeOnlyFormat(_ request: AdminRequest) throws {
        for (name, value) in request.query.sorted(by: { $0.key < $1.key }) {
            guard name == "_format" else {
                throw Problem(
                    400, "the read cannot be answered", detail: "`\(name)` is not a parameter of it",
                    issue: "not-supported")
            }
            guard AnswerFormat.named(value)?.syntax == .json else { throw Self.format }
        }
    }

    /// Refuses an `Accept` that wants nothing that is given here. `_format` goes before it (FHIR R4 http.html).
    static func checkAccepted(_ accept: String?, query: String?) throws {
        guard AnswerFormat.accepted(accept)?.syntax != .json else { return }
        let names = (query ?? "").split(separator: "&").map { $0.prefix { $0 != "=" } }
        guard names.contains("_format") else { throw format }
    }

    private static let format = Problem(
        AuditEventSearch.Refusal.format.status, "the format is not given here",
        detail: AuditEventSearch.Refusal.format.diagnostics, issue: AuditEventSearch.Refusal.format.code)
}
