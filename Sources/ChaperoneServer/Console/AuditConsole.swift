internal import Authorization
internal import FHIRCore
internal import Hummingbird
internal import OAuthCore

/// The console's look into the audit trail, for auditors and administrators.
struct AuditConsole: Sendable {
    let api: AdminAPI
    let pages: PageAnswers

    /// The page for a request; what is wrong with a filter is said on the page.
    func page(_ request: AdminRequest) async throws -> Response {
        try await api.demand([.auditor, .admin], request, at: "")
        let problems = api.auditSide.watch.problems.map {
            AuditPageFacts.Problem(work: $0.work, reason: $0.reason)
        }
        var rows: [JSONValue] = []
        var cursor: String?
        var error: String?
        do {
            let answer = try await api.listConsole(request)
            rows = answer["entries"]?.array ?? []
            cursor = answer["next"]?.string
        } catch let problem as Problem where problem.status < 500 {
            error = problem.detail ?? problem.title
        }
        let facts = AuditPageFacts(
            rows: rows, query: request.query, cursor: cursor, actor: request.actor.name, isDemo: pages.isDemo,
            problems: problems, error: error)
        return try pages.page(facts, status: error == nil ? .ok : .badRequest)
    }
}

extension AdminAPI {
    /// What the console's page shows: as `listAudit`, empty fields meaning nothing, and kinds by their group.
    func listConsole(_ request: AdminRequest) async throws -> JSONValue {
        var query = request.query.filter { !$0.value.isEmpty }
        let kind = query.removeValue(forKey: "kind") ?? ""
        guard let group = AuditPageFacts.kindWords.first(where: { $0.value == kind }) else {
            throw Problem(400, "unknown kind", detail: "`\(kind)` is not a kind of entry")
        }
        let asked = AdminRequest(
            .get, ["audit"], query: query, actor: request.actor, sourceAddress: request.sourceAddress,
            traceID: request.traceID)
        return try await listAudit(asked, only: kind.isEmpty ? nil : (kind, group.kinds))
    }
}
