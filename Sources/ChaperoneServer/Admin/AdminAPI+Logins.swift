internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore

extension AdminAPI {
    /// `GET /admin/v1/logins`: the logins of identity providers and who they are linked to.
    func listLogins(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .auditor, .security], request)
        try allow(["provider"], request)
        var rows: [JSONValue] = []
        for login in try await stores.externalLogins.logins()
        where request.query["provider"].map({ $0 == login.identity.provider }) ?? true {
            rows.append(Self.row(login, try await stores.memberLinks.link(for: login.account)))
        }
        return .object([.init("logins", .array(rows))])
    }

    /// `POST /admin/v1/logins`: links a login, named by provider and the provider's subject, to somebody.
    ///
    /// A login that was linked before keeps its account; one whose link stands is not linked a second time.
    func linkLogin(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin], request)
        let wanted = try wantedLink(request.body)
        let issuer = wanted.identity.issuer
        let detail =
            "login `\(wanted.identity.subject)` at `\(wanted.identity.provider)` linked to \(wanted.fhirUser), "
            + "may act for [\(wanted.patients.map(\.id.text).joined(separator: ", "))]"
        func record(_ subject: SubjectID) -> AuthorizationRecord {
            AuthorizationRecord(
                id: DecisionID(random.identifier()), kind: .userChanged, subject: subject, actor: request.actor.name,
                outcome: .succeeded, detail: detail, sourceAddress: request.sourceAddress, at: clock.milliseconds(),
                traceID: request.traceID)
        }
        let isDone: Bool
        if let known = try await stores.externalLogins.login(issuer: issuer, subject: wanted.identity.subject) {
            let link = MemberLink(subject: known.account, fhirUser: wanted.fhirUser, patients: wanted.patients)
            isDone = try await stores.externalLogins.restore(link, record: record(known.account))
        } else {
            let made = ExternalAccount(
                identity: wanted.identity, subject: SubjectID(random.identifier()), fhirUser: wanted.fhirUser,
                patients: wanted.patients, displayName: wanted.name, at: clock.now())
            isDone = try await stores.externalLogins.insert(
                made.login, account: made.account, link: made.link, record: record(made.account.subject))
        }
        guard isDone,
            let login = try await stores.externalLogins.login(issuer: issuer, subject: wanted.identity.subject)
        else { throw Problem(409, "the login is linked already", detail: "undo the link first") }
        try await trail.flush()
        return Self.row(login, try await stores.memberLinks.link(for: login.account))
    }

    /// `POST /admin/v1/links/{account}/undo`: undoes the link of an account, a login's or a local one, and ends the grants
    /// that rest on it.
    func undoLink(_ request: AdminRequest) async throws -> JSONValue {
        try require([.admin, .security], request)
        let source = request.source
        let subject = try await subject(named: request.path[1])
        let outcome: RevocationOutcome?
        if try await stores.externalLogins.login(of: subject) != nil {
            outcome = try await access.undoLogin(subject, by: request.actor.name, from: source)
        } else {
            outcome = try await access.unlink(subject, by: request.actor.name, from: source)
        }
        guard let outcome else { throw Problem(404, "there is no link to undo") }
        var row = Row()
        row.set("account", subject.text)
        row.set("endedGrants", outcome.grants.map(\.text))
        return row.value
    }

    private struct WantedLink {
        let identity: ExternalIdentity
        let fhirUser: InstanceKey
        let patients: [LinkedPatient]
        let name: String
    }

    private func wantedLink(_ body: JSONValue?) throws -> WantedLink {
        guard let members = body?.object else { throw Problem(400, "the body must be a JSON object") }
        let known: Set<String> = ["provider", "subject", "fhirUser", "patients", "name"]
        for member in members where !known.contains(member.name) {
            throw Problem(400, "unknown member", detail: "`\(member.name)` is not a member of a link")
        }
        guard let name = body?["provider"]?.string, let issuer = issuers[name] else {
            throw Problem(400, "`provider` must be an identity provider of the configuration")
        }
        guard let subject = body?["subject"]?.string, (1...255).contains(subject.utf8.count), subject.isVisibleText
        else { throw Problem(400, "`subject` must be the login's `sub`: 1 to 255 visible characters") }
        guard let key = body?["fhirUser"]?.string.flatMap({ InstanceKey($0) }),
            [.patient, .practitioner, .practitionerRole, .relatedPerson, .person].contains(key.type)
        else { throw Problem(400, "fhirUser must be a reference such as `Patient/p1`") }
        var patients = try (body?["patients"]?.array ?? []).map { value in
            guard let id = value.string.flatMap({ ResourceID($0) }) else { throw Problem(400, "not a patient id") }
            return LinkedPatient(id: id, label: "Patient \(id.text)")
        }
        if key.type == .patient, !patients.contains(where: { $0.id == key.id }) {
            patients.insert(LinkedPatient(id: key.id, label: "Patient \(key.id.text)"), at: 0)
        }
        return WantedLink(
            identity: ExternalIdentity(provider: name, issuer: issuer, subject: subject, identifier: subject),
            fhirUser: key, patients: patients, name: body?["name"]?.string ?? key.description)
    }

    private static func row(_ login: ExternalLogin, _ link: MemberLink?) -> JSONValue {
        var row = Row()
        row.set("account", login.account.text)
        row.set("provider", login.identity.provider)
        row.set("issuer", login.identity.issuer)
        row.set("subject", login.identity.subject)
        row.set("fhirUser", link?.fhirUser.description)
        row.set("patients", link?.patients.map(\.id.text) ?? [])
        row.set("lastLogin", login.lastLoginAt.map { Timestamp.text(seconds: $0) })
        row.set("undone", login.undoneAt.map { Timestamp.text(seconds: $0) })
        return row.value
    }
}

extension String {
    /// Visible characters of ASCII and blanks, as an identity provider's subjects are made of.
    fileprivate var isVisibleText: Bool { utf8.allSatisfy { (0x20...0x7E).contains($0) } }
}
