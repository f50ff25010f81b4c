internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import OAuthCore

/// Clients and people of somebody else's issuer: they are held as refused until they are let in again.
extension AdminAPI {
    /// Holds a client by its id or a person by the `sub` of their tokens, which need not be known here. An account of that
    /// name is disabled, too.
    func hold(_ kind: String, _ id: String, _ request: AdminRequest) async throws -> JSONValue {
        let target = try Self.held(kind, id)
        let source = request.source
        let reason: RevocationReason = kind == "client" ? .clientSuspended : .accountDisabled
        var isDone = try await access.hold(target, because: reason, by: request.actor.name, from: source)
        var local: RevocationTarget? = target
        if kind == "user" { local = try await stores.users.user(named: id).map { .user($0.subject) } }
        if let local {
            let ended = try await access.revoke(local, because: reason, by: request.actor.name, from: source)
            isDone = isDone || ended != nil
        }
        guard isDone else { throw Problem(409, "there was nothing left to end") }
        return Self.row(kind, id)
    }

    /// `POST /admin/v1/reinstatements`: lets a held client or person in again. Their tokens of before stay refused.
    func reinstate(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .security], request)
        try allowMembers(["kind", "id"], request)
        guard access.keepsHolds else {
            throw Problem(404, "nobody is held here", detail: "tokens are this server's own")
        }
        guard let kind = request.body?["kind"]?.string, let id = request.body?["id"]?.string else {
            throw Problem(400, "a reinstatement needs `kind` and `id`")
        }
        let target = try Self.held(kind, id)
        guard
            try await access.release(
                target, by: request.actor.name, from: request.source)
        else { throw Problem(409, "they are not held") }
        return Self.row(kind, id)
    }

    private static func held(_ kind: String, _ id: String) throws -> RevocationTarget {
        guard !id.isEmpty, id.utf8.count <= 255 else { throw Problem(400, "not an id") }
        switch kind {
        case "client": return .client(ClientID(id))
        case "user": return .user(SubjectID(id))
        default: throw Problem(400, "not a kind", detail: "`kind` is client or user")
        }
    }

    private static func row(_ kind: String, _ id: String) -> JSONValue {
        var row = Row()
        row.set("kind", kind)
        row.set("id", id)
        row.set("grants", [String]())
        return row.value
    }
}
