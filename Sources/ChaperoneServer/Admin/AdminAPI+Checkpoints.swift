internal import Audit
internal import Authorization
internal import FHIRCore
internal import NIOPosix
internal import OAuthCore
internal import Persistence

extension AdminAPI {
    /// Everything below `/admin/v1/audit/`.
    func answerAudit(_ request: AdminRequest) async throws -> JSONValue {
        switch (request.method, request.path[1]) {
        case (.post, "exports") where request.path.count == 3: return try await continueExport(request)
        case (.post, "holds") where request.path.count == 3: return try await liftHold(request)
        case (.post, "holds") where request.path.count == 4 && request.path[3] == "adopt":
            return try await adoptHold(request)
        case _ where request.path.count != 2: throw Problem.notFound
        case (.get, "holds"): return try await listHolds(request)
        case (.post, "holds"): return try await placeHold(request)
        case (.post, "retention"): return try await retain(request)
        case (.get, "feeds"): return try await listFeeds(request)
        case (.post, "exports"): return try await beginExport(request)
        case (.post, "proofs"): return try await proveAudit(request)
        case (.get, "report"): return try await reportAccess(request)
        case (.get, "keys"): return try await listCheckpointKeys(request)
        case (.get, "checkpoints"): return try await listCheckpoints(request)
        case (.post, "checkpoints"): return try await makeCheckpoint(request)
        case (.get, _): return try await showAudit(request)
        case (.post, _): throw Problem.notFound
        }
    }

    /// `GET /admin/v1/audit/keys`: the public keys that sign checkpoints, as a JWK set, to be kept elsewhere.
    func listCheckpointKeys(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin, .security], request)
        try allow([], request)
        // `chaperone audit verify` begins with this.
        try await noteReading(request, about: "keys to verify with")
        return auditSide.keys.json
    }

    /// `GET /admin/v1/audit/checkpoints`: signed checkpoints, oldest first, a page at a time.
    func listCheckpoints(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin, .security], request)
        try allow(["after", "limit"], request)
        let limit = try number("limit", request, default: 100, in: 1...1000)
        let after = Int64(try number("after", request, default: 0, in: 0...Int.max))
        let store = auditSide.store
        try await noteReading(request, about: "checkpoints")
        let page = try await NIOThreadPool.singleton.runIfActive {
            try store.checkpoints(after: after, limit: limit)
        }
        var members: [JSONMemberValue] = [.init("checkpoints", .array(page.map(Self.row)))]
        if page.count == limit, let last = page.last { members.append(.init("next", .int(last.position))) }
        return .object(members)
    }

    /// `POST /admin/v1/audit/checkpoints`: makes one now; an empty object when there is nothing new.
    func makeCheckpoint(_ request: AdminRequest) async throws -> JSONValue {
        try require([.auditor, .admin, .security], request)
        guard let made = try await auditSide.checkpoint() else { return .object([]) }
        var row = Row()
        row.set("node", made.checkpoint.node)
        row.set("number", Int(made.checkpoint.number))
        row.set("entries", Int(made.checkpoint.sequence))
        row.set("signed", made.compact)
        return row.value
    }

    private static func row(_ checkpoint: StoredAuditCheckpoint) -> JSONValue {
        var row = Row()
        row.set("node", checkpoint.node)
        row.set("number", Int(checkpoint.number))
        row.set("entries", Int(checkpoint.sequence))
        row.set("signed", checkpoint.compact)
        return row.value
    }
}
