internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import OAuthCore

/// Keys and revocations: what somebody does when something has gone wrong, or is due.
extension AdminAPI {
    /// `POST /admin/v1/keys/rotate`: replaces signing keys now. `leaked` also takes the old ones away at once.
    func rotateKeys(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .security], request)
        try allow([], request)
        if let body = request.body, body.object == nil { throw Problem(400, "the body is not an object") }
        for member in request.body?.object ?? [] where !["purpose", "leaked"].contains(member.name) {
            throw Problem(400, "unknown member", detail: "`\(member.name)` is not known here")
        }
        var purposes = KeyKeeper.purposes
        if let value = request.body?["purpose"] {
            guard let purpose = value.string.flatMap({ StoredKey.Purpose(rawValue: $0) }), purposes.contains(purpose)
            else {
                throw Problem(400, "not a purpose", detail: "keys are rotated for access-token, id-token and page-link")
            }
            purposes = [purpose]
        }
        var isLeaked = false
        if let value = request.body?["leaked"] {
            guard let flag = value.bool else {
                throw Problem(400, "not a flag", detail: "`leaked` is true or false")
            }
            isLeaked = flag
        }
        var done: [String] = []
        for purpose in purposes {
            done +=
                isLeaked
                ? try await keyKeeper.replaceLeaked(purpose, by: request.actor.name)
                : try await keyKeeper.rotate(purpose, by: request.actor.name)
        }
        return .object([.init("done", .array(done.map { .string($0) }))])
    }

    /// `POST /admin/v1/revocations`: ends a grant, all access of a client or of a person, or one token.
    func revoke(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .security], request)
        try allowMembers(["kind", "id"], request)
        guard let kind = request.body?["kind"]?.string, let id = request.body?["id"]?.string, !id.isEmpty else {
            throw Problem(400, "a revocation needs `kind` and `id`")
        }
        if access.keepsHolds, ["client", "user"].contains(kind) { return try await hold(kind, id, request) }
        let (target, reason): (RevocationTarget, RevocationReason)
        switch kind {
        case "grant": (target, reason) = (.grant(GrantID(id)), .administrator)
        case "token": (target, reason) = (.token(TokenID(id)), .administrator)
        case "client":
            guard try await stores.clients.client(ClientID(id)) != nil else { throw Problem.notFound }
            (target, reason) = (.client(ClientID(id)), .clientSuspended)
        case "user": (target, reason) = (.user(try await subject(named: id)), .accountDisabled)
        default: throw Problem(400, "not a kind", detail: "`kind` is grant, client, user or token")
        }
        let outcome = try await access.revoke(
            target, because: reason, by: request.actor.name, from: request.source)
        guard let outcome else { throw Problem(409, "there was nothing left to end") }
        var row = Row()
        row.set("kind", kind)
        row.set("id", id)
        row.set("grants", outcome.grants.map(\.text))
        return row.value
    }
}
