internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import NIOPosix

extension AdminAPI {
    /// `GET /admin/v1/audit/report?patient=…`: who read what of one patient; `accounting=true` leaves what an accounting
    /// of disclosures has (45 CFR 164.528).
    func reportAccess(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin], request)
        var wanted = try await conditions(request, beside: ["limit", "cursor"])
        guard let patient = wanted.query.patient else { throw Problem(400, "a report is about one `patient`") }
        wanted.query.kinds = [AuditIndex.accessKind]
        try await noteReading(request, patient: patient)
        let page = try await find(wanted.query, wanted.content)
        let names = try await names()
        let rows = try AccessReport(page.entries, of: patient).rows.map { Self.row($0, names) }
        var members: [JSONMemberValue] = [
            .init("patient", .string(patient)), .init("accesses", .array(rows)),
        ]
        if let next = page.next { members.append(.init("next", .string(next.text))) }
        return .object(members)
    }

    /// `GET /admin/v1/audit/{decision}`: everything that was written about one decision or step.
    func showAudit(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin], request)
        try allow([], request)
        let page = try await find(
            AuditQuery(eventID: DecisionID(request.path[1]), limit: 100, includesClosedOpenings: true),
            AuditContentFilter())
        try await noteReading(
            request, about: "decision=\(request.path[1])", patient: Self.onlyPatient(of: page.entries))
        guard !page.entries.isEmpty else { throw Problem.notFound }
        let listing = AuditListing(names: try await names())
        let entries = try page.entries.map { entry in
            JSONValue.object([
                .init("entry", try listing.row(entry)),
                .init("recorded", .string(Timestamp.text(milliseconds: entry.recordedAt))),
                .init("hash", .string(entry.hash.description)), .init("previous", .string(entry.previous.description)),
                .init("event", try AuditEventResource.json(entry, system: auditSide.system)),
            ])
        }
        return .object([.init("entries", .array(entries))])
    }

    /// `POST /admin/v1/audit/exports`: begins an export; its pieces are fetched below its id.
    func beginExport(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin], request)
        guard let format = AuditExportFormat(rawValue: request.query["format"] ?? "ndjson") else {
            throw Problem(400, "`format` can be ndjson, csv or bundle")
        }
        let wanted = try await conditions(request, beside: ["format"])
        try await noteReading(request, patient: wanted.query.patient)
        guard
            let id = await auditSide.exports.begin(
                format, wanted.query, wanted.content, asked: Self.asked(request), by: request.actor.name)
        else { throw Problem(429, "too many exports are under way") }
        return .object([.init("export", .string(id))])
    }

    /// `POST /admin/v1/audit/exports/{id}`: the next piece of an export; the last one brings the signature.
    func continueExport(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin], request)
        guard let piece = try await auditSide.exports.next(request.path[2], by: request.actor.name) else {
            throw Problem.notFound
        }
        var row = Row()
        row.set("text", piece.text)
        row.set("entries", piece.entries)
        row.set("signature", piece.signature)
        return row.value
    }

    /// One page, read where blocking is allowed.
    func find(_ query: AuditQuery, _ content: AuditContentFilter) async throws -> AuditPage {
        let reader = audit
        return try await NIOThreadPool.singleton.runIfActive { try reader.search(query, content: content) }
    }

    private static func row(_ access: AccessReport.Row, _ names: [SubjectID: String]) -> JSONValue {
        var row = Row()
        row.set("at", Timestamp.text(milliseconds: access.at))
        row.set("client", access.client)
        row.set("organization", access.organization)
        row.set("user", access.subject.map { names[SubjectID($0)] ?? $0 })
        row.set("fhirUser", access.user)
        row.set("interaction", access.interaction)
        row.set("resourceType", access.resourceType)
        row.set("released", access.released)
        row.set("withheld", access.withheld)
        row.set("scopes", access.scopes)
        row.set("program", access.program)
        row.set("purpose", access.purposeOfUse)
        row.set("legalBasis", access.legalBasis)
        row.set("outcome", access.outcome)
        row.set("askedOnly", access.isAskedOnly)
        row.set("disclosure", access.isDisclosure)
        row.set("decision", access.decision)
        return row.value
    }
}
