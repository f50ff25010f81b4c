internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import OAuthCore

extension AdminAPI {
    /// `GET /admin/v1/grants`: what has been allowed to whom.
    func listGrants(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin, .security], request)
        try allow(["user", "client", "patient", "all", "limit"], request)
        var filter = GrantFilter()
        if let user = request.query["user"] { filter.subject = try await subject(named: user) }
        filter.clientID = request.query["client"].map { ClientID($0) }
        if let text = request.query["patient"] {
            guard let id = ResourceID(text.hasPrefix("Patient/") ? String(text.dropFirst(8)) : text) else {
                throw Problem(400, "not a patient id")
            }
            filter.patient = id
        }
        filter.onlyActive = request.query["all"] != "true"
        let limit = try number("limit", request, default: 200, in: 1...10_000)
        let names = try await names()
        let grants = try await stores.grants.grants(matching: filter, limit: limit)
        return .object([.init("grants", .array(grants.map { Self.row($0, names) }))])
    }

    /// `POST /admin/v1/grants/{id}/revoke`: ends a grant and every token made from it, at once.
    func revokeGrant(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .security], request)
        let id = GrantID(request.path[1])
        guard let grant = try await stores.grants.grant(id) else { throw Problem.notFound }
        guard grant.revocation == nil else { throw Problem(409, "the grant has ended already") }
        let outcome = try await access.revoke(
            .grant(id), because: .administrator, by: request.actor.name,
            from: request.source)
        guard outcome != nil else { throw Problem(409, "the grant has ended already") }
        guard let ended = try await stores.grants.grant(id), ended.revocation != nil else {
            throw Problem(500, "the grant could not be ended")
        }
        return Self.row(ended, try await names())
    }

    private static func row(_ grant: Grant, _ names: [SubjectID: String]) -> JSONValue {
        var row = Row()
        row.set("id", grant.id.text)
        row.set("client", grant.clientID.text)
        row.set("user", grant.subject.map { names[$0] ?? $0.text })
        row.set("patient", grant.launch.patient?.text)
        row.set("fhirUser", grant.launch.fhirUser?.description)
        row.set("program", grant.program.rawValue)
        row.set("scopes", grant.scopes.scopes.map(\.text))
        row.set("since", Timestamp.text(seconds: grant.createdAt))
        if !grant.isReadable { row.set("unreadable", true) }
        row.set("until", grant.expiresAt.map { Timestamp.text(seconds: $0) })
        row.set("ended", grant.revocation.map { Timestamp.text(seconds: $0.at) })
        row.set("reason", grant.revocation?.reason.rawValue)
        return row.value
    }
}
