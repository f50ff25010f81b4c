internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore

extension AdminAPI {
    /// `GET /admin/v1/audit`: who read what, when, by which scope; newest first, a page at a time.
    func listAudit(_ request: AdminRequest, kinds: Set<String> = []) async throws -> JSONValue {
        try require([.auditor, .admin], request)
        try allow(
            [
                "patient", "client", "user", "grant", "decision", "outcome", "since", "until", "limit", "cursor",
                "scope",
                "accounting",
            ], request)
        var content = AuditContentFilter()
        content.onlyDisclosures = try flag("accounting", request)
        if let scope = request.query["scope"] { content.scopes = [scope] }
        var asked = try await query(request)
        asked.kinds = kinds
        // Every page: a reading that begins with a cursor is a reading too.
        try await noteReading(request, patient: asked.patient)
        let page = try await find(asked, content)
        let listing = AuditListing(names: try await names())
        var members: [JSONMemberValue] = [.init("entries", .array(try page.entries.map(listing.row)))]
        if let next = page.next { members.append(.init("next", .string(next.text))) }
        return .object(members)
    }

    /// The conditions of a request.
    func query(_ request: AdminRequest) async throws -> AuditQuery {
        var query = AuditQuery(limit: try number("limit", request, default: 50, in: 1...AuditQuery.largestPage))
        query.patient = request.query["patient"].map { $0.hasPrefix("Patient/") ? String($0.dropFirst(8)) : $0 }
        query.clientID = request.query["client"].map { ClientID($0) }
        if let user = request.query["user"] { query.subject = try await subject(named: user) }
        query.grantID = request.query["grant"].map { GrantID($0) }
        query.eventID = request.query["decision"].map { DecisionID($0) }
        if let outcome = request.query["outcome"] { query.outcomes = [outcome] }
        query.from = try time("since", request)
        query.to = try time("until", request)
        if let text = request.query["cursor"] {
            guard let cursor = AuditCursor(text) else { throw Problem(400, "the cursor is not one of ours") }
            query.after = cursor
        }
        return query
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
