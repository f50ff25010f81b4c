internal import AccessPolicy
internal import Audit
internal import Authorization
public import FHIRCore
internal import OAuthCore

/// The admin side's questions and commands, without HTTP: the listener and the command line ask the same value.
///
/// Every call names its actor, and every read of the audit trail is itself recorded.
public struct AdminAPI: Sendable {
    let stores: AuthorizationStores
    let audit: any AuditReader
    let auditSide: AuditSide
    let accounts: AccountRegistry
    let clients: ClientRegistry
    let secondFactors: SecondFactorDesk
    let access: AccessRevoker
    let keyKeeper: KeyKeeper
    let trail: AuditTrail
    let clock: Clock
    let random: RandomSource
    let explainer: RequestExplainer?
    /// The issuers of the identity providers, by the providers' names.
    var issuers: [String: String] = [:]

    /// Answers one request, or throws the problem.
    public func answer(_ request: AdminRequest) async throws(Problem) -> JSONValue {
        do {
            switch (request.method, request.path.first, request.path.count) {
            case (.get, "audit", 1): return try await listAudit(request)
            case (_, "audit", 2...4): return try await answerAudit(request)
            case (.get, "grants", 1): return try await listGrants(request)
            case (.post, "grants", 3) where request.path[2] == "revoke": return try await revokeGrant(request)
            case (.get, "clients", 1): return try await listClients(request)
            case (.get, "clients", 2): return try await showClient(request)
            case (.get, "users", 1): return try await listUsers(request)
            case (.post, "users", 1): return try await addUser(request)
            case (.get, "logins", 1): return try await listLogins(request)
            case (.post, "logins", 1): return try await linkLogin(request)
            case (.post, "links", 3) where request.path[2] == "undo": return try await undoLink(request)
            case (.post, "users", 3): return try await changeUser(request)
            case (.post, "clients", 3) where request.path[2] == "activate": return try await activateClient(request)
            case (.get, "keys", 1): return try await listKeys(request)
            case (.post, "explain", 1): return try await explain(request)
            case (.post, "keys", 2) where request.path[1] == "rotate": return try await rotateKeys(request)
            case (.post, "revocations", 1): return try await revoke(request)
            case (.post, "reinstatements", 1): return try await reinstate(request)
            default: throw Problem.notFound
            }
        } catch let problem as Problem {
            guard problem == .forbidden else { throw problem }
            do { try await noteForbidden(request, at: "/admin/v1") } catch { throw Problem.failed(error) }
            throw problem
        } catch {
            throw Problem.failed(error)
        }
    }

    /// Records that somebody was refused for want of a role, before they hear it.
    private func noteForbidden(_ request: AdminRequest, at address: String) async throws {
        try await trail.note(
            AuthorizationRecord(
                id: DecisionID(random.identifier()), kind: .authorizationRefused, actor: request.actor.name,
                outcome: .refused(reason: "role"),
                detail: "\(request.method.rawValue) \(address)/\(request.path.joined(separator: "/"))",
                sourceAddress: request.sourceAddress, at: clock.milliseconds(), traceID: request.traceID))
    }

    /// Refuses an actor that has none of the roles.
    func require(_ roles: Set<UserRole>, _ request: AdminRequest) throws {
        guard !request.actor.roles.isDisjoint(with: roles) else { throw Problem.forbidden }
    }

    /// As `require`, for addresses beside `answer`: the refusal is recorded here.
    func demand(_ roles: Set<UserRole>, _ request: AdminRequest, at address: String) async throws {
        do { try require(roles, request) } catch {
            try await noteForbidden(request, at: address)
            throw error
        }
    }

    /// Refuses query parameters that nobody would look at.
    func allow(_ names: Set<String>, _ request: AdminRequest) throws {
        for name in request.query.keys.sorted() where !names.contains(name) {
            throw Problem(400, "unknown parameter", detail: "`\(name)` is not a parameter of this address")
        }
    }

    /// Refuses a body that is no object, members of it that nobody would look at, and any query: what was meant as a
    /// rehearsal, or narrower, must not become the real thing.
    func allowMembers(_ names: Set<String>, _ request: AdminRequest) throws {
        try allow([], request)
        guard let members = request.body?.object else { throw Problem(400, "the body must be a JSON object") }
        for member in members where !names.contains(member.name) {
            throw Problem(400, "unknown member", detail: "`\(member.name)` is not known here")
        }
    }

    /// Whether a flag of the query is set. What is neither `true` nor `false` is refused: a rehearsal that was asked
    /// for in other words must not become the real thing.
    func flag(_ name: String, _ request: AdminRequest) throws -> Bool {
        guard let text = request.query[name] else { return false }
        guard let isSet = Bool(text) else {
            throw Problem(400, "not a flag", detail: "`\(name)` is `true` or `false`")
        }
        return isSet
    }

    /// The subject of an account that is named by its user name, by its `sub`, or as lists show the account of a
    /// provider's login; what names nobody finds nothing, and says so.
    func subject(named name: String) async throws -> SubjectID {
        if let account = try await stores.users.user(named: name) { return account.subject }
        if let account = try await stores.users.user(SubjectID(name)) { return account.subject }
        if let kept = AccountName.kept(name), let account = try await stores.users.user(named: kept) {
            return account.subject
        }
        throw Problem(404, "there is no such account", detail: "`\(name)` is neither an account nor the `sub` of one")
    }

    /// The account names behind all subjects.
    func names() async throws -> [SubjectID: String] {
        var names: [SubjectID: String] = [:]
        for account in try await stores.users.users() { names[account.subject] = AccountName.shown(account.username) }
        return names
    }

    func number(_ name: String, _ request: AdminRequest, default fallback: Int, in range: ClosedRange<Int>) throws
        -> Int
    {
        guard let text = request.query[name] else { return fallback }
        guard let number = Int(text), range.contains(number) else {
            throw Problem(
                400, "not a usable number", detail: "`\(name)` must be from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
