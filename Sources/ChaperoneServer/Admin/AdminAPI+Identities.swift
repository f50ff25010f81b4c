internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import OAuthCore

extension AdminAPI {
    /// `GET /admin/v1/clients`.
    func listClients(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .auditor, .steward, .security], request)
        try allow([], request)
        return .object([.init("clients", .array(try await stores.clients.clients().map(Self.row)))])
    }

    /// `GET /admin/v1/clients/{id}`.
    func showClient(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .auditor, .steward, .security], request)
        guard let client = try await stores.clients.client(ClientID(request.path[1])) else { throw Problem.notFound }
        return Self.row(client)
    }

    static func row(_ client: ClientRegistration) -> JSONValue {
        var row = Row()
        row.set("id", client.id.text)
        row.set("name", client.name)
        row.set("status", client.status.rawValue)
        row.set("program", client.program.rawValue)
        row.set("authentication", client.metadata.authenticationMethod.rawValue)
        row.set("redirects", client.metadata.redirectURIs.map(\.text))
        row.set("grantTypes", client.metadata.grantTypes.map(\.rawValue).sorted())
        row.set("scopes", client.approvedScopes.scopes.map(\.text))
        row.set("accessTokenSeconds", Int(client.lifetimes.accessToken))
        row.set("revision", client.revision)
        return row.value
    }

    /// `GET /admin/v1/users`: accounts and who they are; never anything of their passwords.
    func listUsers(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .auditor], request)
        try allow([], request)
        var rows: [JSONValue] = []
        for account in try await stores.users.users() {
            rows.append(try await row(account))
        }
        return .object([.init("users", .array(rows))])
    }

    /// `POST /admin/v1/users`: adds an account with its link to the FHIR side.
    func addUser(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin], request)
        let wanted = try Self.newAccount(request.body)
        do {
            let source = request.source
            guard let account = try await accounts.add(wanted, by: request.actor.name, from: source) else {
                throw Problem(409, "there is an account with that name")
            }
            return try await row(account)
        } catch let failure as AccountFailure {
            throw Self.problem(failure)
        }
    }

    static func problem(_ failure: AccountFailure) -> Problem {
        switch failure {
        case .unusableUsername:
            Problem(400, "the user name is empty, too long, holds something invisible or is one of the server's own")
        case .unusablePassword: Problem(400, "the password is too short or too long")
        case .notFound: .notFound
        }
    }

    private static func newAccount(_ body: JSONValue?) throws -> NewAccount {
        guard let members = body?.object else { throw Problem(400, "the body must be a JSON object") }
        let known: Set<String> = ["username", "password", "name", "fhirUser", "patients", "roles"]
        for member in members where !known.contains(member.name) {
            throw Problem(400, "unknown member", detail: "`\(member.name)` is not a member of an account")
        }
        guard let username = body?["username"]?.string, !username.isEmpty, username.utf8.count <= 128,
            let password = body?["password"]?.string, !password.isEmpty
        else { throw Problem(400, "an account needs `username` and `password`") }
        let patients = try patients(body)
        let person = try fhirUser(body?["fhirUser"]?.string, patients)
        return NewAccount(
            username: username, password: Secret(password), displayName: body?["name"]?.string ?? username,
            roles: try roles(body) ?? [UserRole(of: person)], fhirUser: person, patients: patients)
    }

    static func patients(_ body: JSONValue?) throws -> [LinkedPatient] {
        try (body?["patients"]?.array ?? []).map { value in
            guard let id = value.string.flatMap({ ResourceID($0) }) else { throw Problem(400, "not a patient id") }
            return LinkedPatient(id: id, label: "Patient \(id.text)")
        }
    }

    /// The roles that a body names; nil when it does not speak of roles. An account without any is refused: what is
    /// demanded of a sign-in hangs on them.
    static func roles(_ body: JSONValue?) throws -> Set<UserRole>? {
        guard let roles = body?["roles"] else { return nil }
        guard let names = roles.array, !names.isEmpty else {
            throw Problem(400, "`roles` must be an array with a role in it")
        }
        return Set(
            try names.map { value in
                guard let role = value.string.flatMap(UserRole.init(rawValue:)) else {
                    throw Problem(400, "not a role")
                }
                return role
            })
    }

    /// Who the account is; a member with one patient is that patient unless something else is said. Of several nobody can
    /// tell which they are.
    static func fhirUser(_ text: String?, _ patients: [LinkedPatient]) throws -> InstanceKey? {
        guard let text else {
            guard patients.count < 2 else {
                throw Problem(400, "several patients need `fhirUser`", detail: "who is it that acts for them?")
            }
            return patients.count == 1 ? InstanceKey(type: .patient, id: patients[0].id) : nil
        }
        guard case .relative(let key, nil) = LiteralReference(text),
            [.patient, .practitioner, .practitionerRole, .relatedPerson, .person].contains(key.type)
        else { throw Problem(400, "fhirUser must be a reference such as `Patient/p1`") }
        return key
    }

    func row(_ account: UserAccount) async throws -> JSONValue {
        let link = try await stores.memberLinks.link(for: account.subject)
        var row = Row()
        row.set("username", AccountName.shown(account.username))
        row.set("name", account.displayName)
        row.set("roles", account.roles.map(\.rawValue).sorted())
        row.set("fhirUser", link?.fhirUser.description)
        row.set("patients", link?.patients.map(\.id.text) ?? [])
        row.set("disabled", account.isDisabled)
        row.set("secondFactor", try await secondFactors.confirmed(of: account.subject) != nil)
        row.set("subject", account.subject.text)
        return row.value
    }

    /// `GET /admin/v1/keys`: which keys there are; never the keys.
    func listKeys(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .auditor, .security], request)
        try allow([], request)
        let rows = try await stores.keys.keys().map { key in
            var row = Row()
            row.set("id", key.id)
            row.set("purpose", key.purpose.rawValue)
            row.set("standing", key.standing.rawValue)
            row.set("since", Timestamp.text(seconds: key.createdAt))
            row.set("retired", key.retiredAt.map { Timestamp.text(seconds: $0) })
            return row.value
        }
        return .object([.init("keys", .array(rows))])
    }
}
