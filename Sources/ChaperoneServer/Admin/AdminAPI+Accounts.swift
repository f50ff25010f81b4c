internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import OAuthCore

/// What an administrator changes about accounts and clients that are there.
extension AdminAPI {
    /// `POST /admin/v1/users/{name}/{change}`.
    func changeUser(_ request: AdminRequest) async throws -> JSONValue {
        switch request.path[2] {
        case "remove-second-factor": return try await removeSecondFactor(request)
        case "password": return try await change(request, members: ["password"], setPassword)
        case "enable": return try await change(request, members: [], enable)
        case "roles": return try await change(request, members: ["roles"], setRoles)
        case "person": return try await change(request, members: ["fhirUser", "patients"], setPerson)
        default: throw Problem.notFound
        }
    }

    /// `POST /admin/v1/clients/{id}/activate`: lets a pending or suspended client work. Its ended grants stay ended.
    func activateClient(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .security], request)
        try allow([], request)
        let id = ClientID(request.path[1])
        guard try await stores.clients.client(id) != nil else { throw Problem.notFound }
        guard try await clients.activate(id, by: request.actor.name, from: request.source) else {
            throw Problem(409, "the client is neither pending nor suspended")
        }
        guard let client = try await stores.clients.client(id) else { throw Problem.notFound }
        return Self.row(client)
    }

    /// `POST …/remove-second-factor`: for somebody who has lost their app and their recovery codes.
    private func removeSecondFactor(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin], request)
        try allow([], request)
        let subject = try await subject(named: request.path[1])
        guard
            try await secondFactors.remove(of: subject, by: request.actor.name, from: request.source)
        else { throw Problem(409, "the account has no second factor") }
        return .object([.init("username", .string(request.path[1])), .init("secondFactor", .bool(false))])
    }

    /// What all changes have in common: who may make them, on a local account, and what they answer.
    private func change(
        _ request: AdminRequest, members known: Set<String>,
        _ make: (UserAccount, AdminRequest) async throws -> Void
    ) async throws -> JSONValue {
        try require([.admin], request)
        try allow([], request)
        let body = try request.body.map { value throws(Problem) in
            guard let members = value.object else { throw Problem(400, "the body must be a JSON object") }
            return members
        }
        for member in body ?? [] where !known.contains(member.name) {
            throw Problem(400, "unknown member", detail: "`\(member.name)` is not a member of this change")
        }
        let subject = try await subject(named: request.path[1])
        guard let account = try await stores.users.user(subject) else { throw Problem.notFound }
        do { try await make(account, request) } catch let failure as AccountFailure { throw Self.problem(failure) }
        guard let changed = try await stores.users.user(subject) else { throw Problem.notFound }
        return try await row(changed)
    }

    /// A new password; the account's sessions end. A login of an identity provider has its password there.
    private func setPassword(_ account: UserAccount, _ request: AdminRequest) async throws {
        guard let password = request.body?["password"]?.string, !password.isEmpty else {
            throw Problem(400, "a new password needs `password`")
        }
        guard try await stores.externalLogins.login(of: account.subject) == nil else {
            throw Problem(409, "the account belongs to a login of an identity provider, which has no password here")
        }
        try await accounts.setPassword(
            Secret(password), of: account.subject, by: request.actor.name, from: request.source)
    }

    /// Lets a disabled account sign in again. What was ended stays ended.
    private func enable(_ account: UserAccount, _ request: AdminRequest) async throws {
        guard account.isDisabled else { throw Problem(409, "the account is not disabled") }
        try await accounts.enable(account.subject, by: request.actor.name, from: request.source)
    }

    /// Other roles; the account's sessions end.
    private func setRoles(_ account: UserAccount, _ request: AdminRequest) async throws {
        guard let roles = try Self.roles(request.body), !roles.isEmpty else {
            throw Problem(400, "a change of roles needs `roles`")
        }
        guard
            try await accounts.setRoles(roles, of: account.subject, by: request.actor.name, from: request.source)
        else { throw Problem(409, "the account has exactly these roles") }
    }

    /// Says who a local account is, when it is linked to nobody. A link that stands is undone first, so that it is seen
    /// that grants end.
    private func setPerson(_ account: UserAccount, _ request: AdminRequest) async throws {
        guard try await stores.externalLogins.login(of: account.subject) == nil else {
            throw Problem(409, "the account belongs to a login of an identity provider", detail: "link the login")
        }
        let patients = try Self.patients(request.body)
        guard let person = try Self.fhirUser(request.body?["fhirUser"]?.string, patients) else {
            throw Problem(400, "a person needs `fhirUser`, or one patient")
        }
        let link = MemberLink(subject: account.subject, fhirUser: person, patients: patients)
        guard try await accounts.link(link, by: request.actor.name, from: request.source) else {
            throw Problem(409, "the account is linked already", detail: "undo the link first")
        }
    }
}
