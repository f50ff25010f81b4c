internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore

extension AdminAPI {
    /// `GET /admin/v1/audit`: who read what, when, by which scope; newest first, a page at a time.
    ///
    /// - Parameter group: a name for kinds, and the kinds that alone are listed.
    func listAudit(_ request: AdminRequest, only group: (name: String, kinds: Set<String>)? = nil) async throws
        -> JSONValue
    {
        try require([.auditor, .admin], request)
        var wanted = try await conditions(request, beside: ["limit", "cursor"])
        wanted.query.kinds = group?.kinds ?? []
        let asked = [Self.asked(request)] + (group.map { ["kind=\($0.name)"] } ?? [])
        // Every page: a reading that begins with a cursor is a reading too.
        try await noteReading(
            request, about: asked.filter { !$0.isEmpty }.joined(separator: "&"), patient: wanted.query.patient)
        let page = try await find(wanted.query, wanted.content)
        let listing = AuditListing(names: try await names())
        var members: [JSONMemberValue] = [.init("entries", .array(try page.entries.map(listing.row)))]
        if let next = page.next { members.append(.init("next", .string(next.text))) }
        return .object(members)
    }

    /// What a request wants of the trail: the same conditions for every list, report and export.
    ///
    /// - Parameter others: names of parameters that are no conditions.
    /// - Throws: 400 for a condition that nothing could meet, or that nobody would look at.
    func conditions(_ request: AdminRequest, beside others: Set<String>) async throws
        -> (query: AuditQuery, content: AuditContentFilter)
    {
        try allow(Self.conditionNames.union(others), request)
        var query = AuditQuery(limit: try number("limit", request, default: 50, in: 1...AuditQuery.largestPage))
        query.patient = try request.query["patient"].map(Self.patient)
        query.clientID = request.query["client"].map { ClientID($0) }
        if let user = request.query["user"] { query.subject = try await subject(named: user) }
        query.grantID = request.query["grant"].map { GrantID($0) }
        query.eventID = request.query["decision"].map { DecisionID($0) }
        if let outcome = request.query["outcome"] {
            guard
                AccessOutcome(code: outcome, reason: nil) != nil
                    || AuthorizationRecord.Outcome(code: outcome, reason: nil) != nil
            else {
                throw Problem(400, "not an outcome", detail: "`\(outcome)` is not an outcome of any record")
            }
            query.outcomes = [outcome]
        }
        query.from = try time("since", request)
        query.to = try time("until", request)
        if let text = request.query["cursor"] {
            guard let cursor = AuditCursor(text) else { throw Problem(400, "the cursor is not one of ours") }
            query.after = cursor
        }
        var content = AuditContentFilter()
        content.onlyDisclosures = try flag("accounting", request)
        if let scope = request.query["scope"] { content.scopes = [scope] }
        return (query, content)
    }

    private static let conditionNames: Set<String> = [
        "patient", "client", "user", "grant", "decision", "outcome", "since", "until", "scope", "accounting",
    ]

    /// The id of a patient as it is written in records.
    private static func patient(_ text: String) throws -> String {
        let id = text.hasPrefix("Patient/") ? String(text.dropFirst(8)) : text
        guard ResourceID(id) != nil else {
            throw Problem(400, "not a patient", detail: "`patient` is no id of a Patient")
        }
        return id
    }

    /// The one patient whom entries name; nil where they name nobody, or several.
    static func onlyPatient(of entries: [AuditEntry]) -> String? {
        let patients = Set(entries.flatMap(\.index.patients))
        return patients.count == 1 ? patients.first : nil
    }

    /// The longest question, in UTF-8 bytes, that a record holds whole.
    static let longestQuestion = 1000

    /// Records that somebody looked into the audit trail, before they see it. A question about one patient is an access to
    /// what is known of them, and stands in their report.
    ///
    /// - Throws: 400 for a question that a record could not hold: what is cut from it would have been asked unseen.
    func noteReading(_ request: AdminRequest, about asked: String? = nil, patient: String? = nil) async throws {
        let asked = asked ?? Self.asked(request)
        guard asked.utf8.count <= Self.longestQuestion else {
            throw Problem(
                400, "the question is too long",
                detail: "at most \(Self.longestQuestion) bytes of conditions can be recorded")
        }
        try await trail.note(
            AuthorizationRecord(
                id: DecisionID(random.identifier()), kind: .auditRead, actor: request.actor.name,
                patient: patient, outcome: .succeeded, detail: asked, sourceAddress: request.sourceAddress,
                at: clock.milliseconds(), traceID: request.traceID))
    }

    /// The conditions of a request as text.
    static func asked(_ request: AdminRequest) -> String {
        request.query.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "&")
    }

    private func time(_ name: String, _ request: AdminRequest) throws -> Int64? {
        guard let text = request.query[name] else { return nil }
        if let milliseconds = Timestamp.milliseconds(text) { return milliseconds }
        if let seconds = Self.span(text) { return clock.milliseconds() - seconds * 1000 }
        throw Problem(
            400, "not a time", detail: "`\(name)` takes 2026-01-31, 2026-01-31T12:00:00Z, or an age such as 15m, 2h, 7d"
        )
    }

    /// `15m`, `2h`, `7d` in seconds.
    private static func span(_ text: String) -> Int64? {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let last = text.last, let unit = units[last], let count = Int64(text.dropLast()),
            (0...100_000).contains(count)
        else { return nil }
        return count * unit
    }
}
