import AccessPolicy
import Authorization
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

#if canImport(Glibc)
    import Glibc
#endif

/// Accounts and clients that are changed: by a configuration that says something else than before, and by administrators.
@Suite struct IdentityChangeTests {
    static let admin = AdminActor(name: "root", roles: [.admin])
    static let source = RequestSource(address: "local")

    /// The work on one state folder, whose files one installation after the other opens.
    func inFolder<Value>(_ work: (String) async throws -> Value) async throws -> Value {
        try await InstallationTests.inFolder { folder in
            for (name, text) in [("password", "correct horse"), ("secret", String(repeating: "s", count: 40))] {
                let file = open("\(folder)/../\(Self.name(folder))-\(name)", O_CREAT | O_WRONLY, 0o600)
                try #require(file >= 0)
                let bytes = Array(text.utf8)
                #expect(write(file, bytes, bytes.count) == bytes.count)
                close(file)
            }
            defer { for name in ["password", "secret"] { unlink("\(folder)/../\(Self.name(folder))-\(name)") } }
            return try await work(folder)
        }
    }

    static func name(_ folder: String) -> String {
        folder.split(separator: "/").last.map { String($0) } ?? ""
    }

    func installation(
        _ folder: String, user: String, clients: [String], demandsFewAbsent: Bool = false,
        isCommand: Bool = false
    ) async throws -> Installation {
        let list = clients.map { id in
            """
              - {id: \(id), kind: public, program: patient-access, grant-types: [authorization_code],
                 scopes: patient/Patient.rs, redirect-uris: ["https://\(id).example/cb"]}
            """
        }.joined(separator: "\n")
        let yaml = """
            issuer: http://localhost:8080
            state-directory: \(folder)
            fhir-server: {upstream: http://127.0.0.1:9}
            clients:
            \(list)
            users:
              - {login: anna, password-file: "\(folder)/../\(Self.name(folder))-password"\(user)}
            """
        let configuration = try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
        return try await Installation(
            configuration: configuration,
            for: isCommand ? .command : .serving(demandsFewAbsent: demandsFewAbsent))
    }

    static let parent =
        ", fhir-user: RelatedPerson/p, patients: [{id: c1}, {id: c2}], roles: [admin, auditor]"

    func account(_ installation: Installation) async throws -> UserAccount {
        try #require(try await installation.server.stores.users.user(named: "anna"))
    }

    func identities(_ installation: Installation) -> ConfiguredIdentities {
        ConfiguredIdentities(
            configuration: installation.configuration, server: installation.server, clock: installation.clock)
    }

    @Test(arguments: [
        ("password", #"{"password":"x"}"#), ("password", "{}"), ("password", #"{"password":"long enough","more":1}"#),
        ("roles", "{}"), ("roles", #"{"roles":[]}"#), ("roles", #"{"roles":["king"]}"#),
        ("roles", #"{"roles":"admin"}"#),
        ("roles", #"{"roles":["admin","auditor"]}"#), ("enable", "{}"), ("person", "{}"),
        ("person", #"{"fhirUser":"Patient/p"}"#), ("nonsense", "{}"), ("password", "[]"),
    ])
    func `a change that is none is refused with a problem`(path: String, body: String) async throws {
        try await inFolder { folder in
            let installation = try await installation(folder, user: Self.parent, clients: [])
            let before = try await account(installation)
            let request = AdminRequest(
                .post, ["users", "anna", path], body: try JSONValue(parsing: Array(body.utf8)), actor: Self.admin,
                sourceAddress: "t")
            let problem = await #expect(throws: Problem.self) {
                try await installation.adminAPI.answer(request)
            }
            #expect((400...409).contains(problem?.status ?? 0))
            let after = try await account(installation)
            #expect(after.roles == before.roles)
            #expect(after.passwordHash.encoded == before.passwordHash.encoded)
            try await installation.close()
        }
    }

    @Test(arguments: [
        (["users"], #"{"username":"n","password":"long enough","roles":[]}"#),
        (["users"], #"{"username":"n","password":"long enough","patients":["p1","p2"]}"#),
        (["users", "anna", "person"], #"{"patients":["p1","p2"]}"#),
        (["revocations"], #"{"kind":"client","id":"app","dry-run":true}"#), (["revocations"], "[]"),
        (["reinstatements"], #"{"kind":"client","id":"app","dry-run":true}"#),
    ])
    func `what would be dropped in silence is refused, and nothing is done`(path: [String], body: String) async throws {
        try await inFolder { folder in
            let installation = try await installation(folder, user: "", clients: ["app"])
            let stores = installation.server.stores
            func post(_ query: [String: String] = [:]) async -> Problem? {
                await #expect(throws: Problem.self) {
                    try await installation.adminAPI.answer(
                        AdminRequest(
                            .post, path, query: query, body: try JSONValue(parsing: Array(body.utf8)),
                            actor: Self.admin,
                            sourceAddress: "t"))
                }
            }
            #expect(await post()?.status == 400)
            #expect(try await stores.users.users().map(\.username) == ["anna"])
            #expect(try await stores.memberLinks.link(for: try await account(installation).subject) == nil)
            #expect(try await stores.clients.client(ClientID("app"))?.status == .active)
            try await installation.close()
        }
    }

    @Test func `a revocation with a query that nobody reads is refused`() async throws {
        try await inFolder { folder in
            let installation = try await installation(folder, user: "", clients: ["app"])
            let problem = await #expect(throws: Problem.self) {
                try await installation.adminAPI.answer(
                    AdminRequest(
                        .post, ["revocations"], query: ["dry-run": "true"], body: ["kind": "client", "id": "app"],
                        actor: Self.admin, sourceAddress: "t"))
            }
            #expect(problem?.status == 400)
            #expect(try await installation.server.stores.clients.client(ClientID("app"))?.status == .active)
            try await installation.close()
        }
    }

    @Test(arguments: [
        ("Practitioner/p9", UserRole.clinician), ("PractitionerRole/p9", .clinician), ("RelatedPerson/p9", .member),
    ])
    func `an account without a word on roles gets the one of its person`(person: String, role: UserRole) async throws {
        try await inFolder { folder in
            let installation = try await installation(folder, user: "", clients: [])
            let body: JSONValue = ["username": "n", "password": "long enough", "fhirUser": .string(person)]
            let added = try await installation.adminAPI.answer(
                AdminRequest(.post, ["users"], body: body, actor: Self.admin, sourceAddress: "t"))
            #expect(added["roles"]?.array == [.string(role.rawValue)])
            try await installation.close()
        }
    }

    @Test(arguments: [UserRole.auditor, .security, .steward, .developer, .clinician, .member])
    func `nobody but an administrator changes accounts`(role: UserRole) async throws {
        try await inFolder { folder in
            let installation = try await installation(folder, user: Self.parent, clients: [])
            let actor = AdminActor(name: "somebody", roles: [role])
            for (path, body) in [
                ("password", #"{"password":"another password"}"#), ("roles", #"{"roles":["member"]}"#),
                ("enable", "{}"),
                ("person", #"{"fhirUser":"Patient/p"}"#),
            ] {
                let problem = await #expect(throws: Problem.self) {
                    try await installation.adminAPI.answer(
                        AdminRequest(
                            .post, ["users", "anna", path], body: try JSONValue(parsing: Array(body.utf8)),
                            actor: actor,
                            sourceAddress: "t"))
                }
                #expect(problem?.status == 403)
            }
            try await installation.close()
        }
    }

    @Test func `password, roles, person and access are changed, and each change has its record`() async throws {
        try await inFolder { folder in
            let installation = try await installation(folder, user: Self.parent, clients: [])
            let before = try await account(installation)
            func change(_ path: String, _ body: String) async throws -> JSONValue {
                try await installation.adminAPI.answer(
                    AdminRequest(
                        .post, ["users", "anna", path], body: try JSONValue(parsing: Array(body.utf8)),
                        actor: Self.admin,
                        sourceAddress: "t"))
            }
            _ = try await change("password", #"{"password":"another password"}"#)
            #expect(try await account(installation).passwordHash.encoded != before.passwordHash.encoded)
            #expect(try await change("roles", #"{"roles":["security"]}"#)["roles"]?.array == [.string("security")])
            #expect(
                try await installation.server.accounts.disable(before.subject, by: "root", from: Self.source) != nil)
            #expect(try await account(installation).isDisabled)
            #expect(try await change("enable", "{}")["disabled"]?.bool == false)
            #expect(try await installation.server.access.unlink(before.subject, by: "root", from: Self.source) != nil)
            #expect(
                try await change("person", #"{"patients":["c3"]}"#)["fhirUser"]?.string == "Patient/c3")

            let listed = try await installation.adminAPI.answer(
                AdminRequest(
                    .get, ["audit"], query: ["user": "anna"], actor: AdminActor(name: "root", roles: [.auditor]),
                    sourceAddress: "t"))
            let text = listed.text
            for part in [
                "password set", "roles [security], before [admin, auditor]", "enabled", "linked to Patient/c3",
            ] {
                #expect(text.contains(part), "\(part)")
            }
            #expect(!text.contains("another password"))
            try await installation.close()
        }
    }

    @Test(arguments: ["local", "Configuration", "directory", "SCHEDULE", "system"])
    func `a name under which the server itself acts is nobody's`(name: String) async throws {
        try await inFolder { folder in
            let installation = try await installation(folder, user: "", clients: [])
            await #expect(throws: AccountFailure.unusableUsername) {
                _ = try await installation.server.accounts.add(
                    NewAccount(username: name, password: Secret("long enough"), displayName: "N"), by: "root",
                    from: Self.source)
            }
            try await installation.close()
        }
    }
}

/// A directory that cannot be reached.
private struct SilentDirectory: MemberDirectory {
    struct Silent: Error {}
    func member(for subject: SubjectID) async throws -> Member? { throw Silent() }
    func subjects(of user: InstanceKey) async throws -> [SubjectID] { throw Silent() }
}

/// What the account pages can do while the site's directory cannot say who anybody is.
@Suite struct AccountWithoutDirectoryTests {
    @Test func `apps are listed and cut off while the directory is silent`() async throws {
        try await RunningServer.with { server in
            let app = TestApp(server: server)
            let token = try await app.launch()
            let installation = server.composition.installation
            let desk = AccountDesk(
                stores: installation.server.stores, directory: SilentDirectory(), access: installation.server.access,
                trail: installation.server.audit, audit: installation.auditReader, clock: installation.clock,
                random: installation.random)
            let subject = try #require(try await installation.server.stores.users.user(named: "patient-a")).subject
            let source = RequestSource(address: "t")

            #expect(await desk.circle(of: subject) == nil)
            let grant = try #require(try await desk.grants(of: subject, after: nil).grants.first)
            #expect(try await app.fhir("/Condition?_count=1", token).status == 200)
            #expect(try await desk.end(grant.id, of: subject, from: source))
            #expect(try await app.fhir("/Condition?_count=1", token).status == 401)
            await #expect(throws: SilentDirectory.Silent.self) {
                _ = try await desk.people(of: subject)
            }
        }
    }
}
