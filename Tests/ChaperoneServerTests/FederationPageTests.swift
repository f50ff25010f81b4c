import AccessPolicy
import Audit
import Authorization
import Enforcement
import FHIRCore
import NIOPosix
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

#if canImport(Glibc)
    import Glibc
#endif

/// Identity providers on the pages and the admin side of a running server. The provider itself is not there: what must
/// happen with one stands in `FederationTests`, and with a real one in `Tests/Outside`.
@Suite struct FederationPageTests {
    private static func secretFile(in folder: String) throws -> String {
        let path = "\(folder)/plan.secret"
        try PrivateFile.write(Array("a-secret-of-the-tests".utf8), to: path)
        return path
    }

    private static func with<Value>(
        localAccounts: Bool, _ work: (RunningServer, String) async throws -> Value
    ) async throws -> Value {
        let folder = try RunningServer.temporaryFolder()
        let file = try secretFile(in: folder)
        defer {
            unlink(file)
            rmdir(folder)
        }
        let settings = """
            local-accounts: \(localAccounts)
            identity-providers:
              - id: plan
                name: Example <Plan>
                issuer: http://127.0.0.1:1/op
                client-id: chaperone
                client-secret-file: \(file)
                members: {source: links}
            """
        return try await RunningServer.with(settings: settings) { try await work($0, folder) }
    }

    @Test func `the login page leads to the provider, and to a clear page when it is down`() async throws {
        try await Self.with(localAccounts: true) { server, _ in
            let app = TestApp(server: server)
            let login = try await app.follow(try await app.browser.get(app.authorizeURL()))
            #expect(login.text.contains("Continue with Example &lt;Plan&gt;"))
            #expect(login.text.contains("name=\"password\""))
            let launch = try #require(Form(login.text).fields.first { $0.0 == "launch" }).1
            let away = try await app.browser.get(
                "\(server.issuer)/login/provider?provider=plan&launch=\(FormParameters.encode(launch))")
            #expect(away.status == 503)
            #expect(!away.text.contains("127.0.0.1:1"))
            for address in [
                "provider?provider=plan&launch=other", "provider?provider=other&launch=\(launch)", "callback/plan",
                "callback/plan?state=x&code=y", "callback/other?state=x&code=y",
            ] {
                #expect(try await app.browser.get("\(server.issuer)/login/\(address)").status == 400, "\(address)")
            }
            // The password still works.
            #expect(try await app.consentPage(as: "patient-a").text.contains("decision"))
        }
    }

    @Test func `without local accounts the way leads straight to the provider and no password is taken`() async throws {
        try await Self.with(localAccounts: false) { server, _ in
            let app = TestApp(server: server)
            let answer = try await app.browser.get(app.authorizeURL())
            let location = try #require(answer["location"])
            #expect(location.hasPrefix("/login/provider?provider=plan&launch="))
            let launch = try #require(try FormParameters(parsing: String(location.split(separator: "?")[1]))["launch"])
            let page = try await app.browser.get("\(server.issuer)/login?launch=\(FormParameters.encode(launch))")
            #expect(page.status == 200 && !page.text.contains("name=\"password\""))
            let refused = try await app.browser.post(
                server.issuer + "/login", [("launch", launch), ("username", "patient-a"), ("password", "demo")])
            #expect(refused.status == 400 && refused["set-cookie"] == nil)
            #expect(refused.text.contains("nobody signs in with a password here"))
            let account = try await app.browser.post(
                server.issuer + "/account/login", [("username", "patient-a"), ("password", "demo")])
            #expect(account.status == 400)
        }
    }

    @Test(.verifies("house@MEMBER-UNDO")) func `an administrator links a login and undoes it`() async throws {
        try await Self.with(localAccounts: true) { server, _ in
            let credential = try #require(try LocalCredential(stateDirectory: server.folder))
            let local = [("authorization", "Bearer \(credential.token)"), ("content-type", "application/json")]
            func call(_ path: String, _ body: String? = nil) async throws -> Answer {
                try await Browser().send(
                    body == nil ? .GET : .POST, server.admin + "/admin/v1/" + path, headers: local, body: body)
            }
            for (body, status) in [
                ("{}", 400), (#"{"provider":"other","subject":"1","fhirUser":"Patient/patient-a"}"#, 400),
                (#"{"provider":"plan","subject":"","fhirUser":"Patient/patient-a"}"#, 400),
                (#"{"provider":"plan","subject":"1","fhirUser":"Organization/o"}"#, 400),
                (#"{"provider":"plan","subject":"1","fhirUser":"Patient/patient-a","email":"x"}"#, 400),
                (#"{"provider":"plan","subject":"1","fhirUser":"Patient/patient-a"}"#, 200),
                (#"{"provider":"plan","subject":"1","fhirUser":"Patient/patient-b"}"#, 409),
            ] {
                #expect(try await call("logins", body).status == status, "\(body)")
            }
            let rows = try #require(try await call("logins").json()["logins"]?.array)
            #expect(rows.map { $0["fhirUser"]?.string } == ["Patient/patient-a"])
            let account = try #require(rows[0]["account"]?.string)
            #expect(try await call("links/\(account)/undo", "{}").status == 200)
            #expect(try await call("links/\(account)/undo", "{}").status == 404)
            #expect(try await call("links/nobody/undo", "{}").status == 404)
            let undone = try #require(try await call("logins?provider=plan").json()["logins"]?.array?.first)
            #expect(undone["fhirUser"]?.string == nil && undone["undone"]?.string != nil)
            #expect(
                try await call("logins", #"{"provider":"plan","subject":"1","fhirUser":"Patient/patient-b"}"#).status
                    == 200)
            let trail = try await call("audit?limit=50").text
            #expect(trail.contains("login unlinked") && trail.contains("linked to Patient/patient-b"))
            // A local account's link is undone by its name.
            #expect(try await call("links/patient-b/undo", "{}").status == 200)
            let auditor = try await Browser().send(
                .POST, server.admin + "/admin/v1/links/patient-a/undo",
                headers: [
                    ("authorization", "Basic " + Base64.encode("auditor-a:demo".utf8)),
                    ("content-type", "application/json"),
                ], body: "{}")
            #expect(auditor.status == 403)
        }
    }

    @Test(.verifies("house@MEMBER-UNDO"), arguments: [false, true])
    func `whoever signs in at a provider is ended by what lists show of them`(byName: Bool) async throws {
        try await Self.with(localAccounts: true) { server, _ in
            let credential = try #require(try LocalCredential(stateDirectory: server.folder))
            let local = [("authorization", "Bearer \(credential.token)"), ("content-type", "application/json")]
            func call(_ path: String, _ body: String? = nil) async throws -> Answer {
                try await Browser().send(
                    body == nil ? .GET : .POST, server.admin + "/admin/v1/" + path, headers: local, body: body)
            }
            #expect(
                try await call("logins", #"{"provider":"plan","subject":"1","fhirUser":"Patient/patient-a"}"#).status
                    == 200)
            let account = try #require(try await call("logins").json()["logins"]?.array?.first?["account"]?.string)
            let row = try #require(
                try await call("users").json()["users"]?.array?.first { $0["subject"]?.string == account })
            let shown = try #require(row["username"]?.string)
            #expect(shown == "http://127.0.0.1:1/op: 1")
            let name = byName ? shown : account
            let stores = server.composition.installation.server.stores
            let now = server.composition.installation.clock.now()
            let grant = Grant(
                id: GrantID("g-provider"), clientID: ClientID("demo-patient-app"), subject: SubjectID(account),
                scopes: try ScopeSet(parsing: "patient/Patient.rs"), launch: LaunchContext(), program: .patientAccess,
                fhirBase: server.configuration.fhirBase, nonce: nil, authenticatedAt: now, createdAt: now)
            let record = AuthorizationRecord(
                id: DecisionID("g-provider"), kind: .launch, outcome: .succeeded, at: now * 1000)
            #expect(try await stores.grants.insert(grant, record: record))

            let listed = try await call("grants?user=\(FormParameters.encode(name))").json()
            #expect(listed["grants"]?.array?.map { $0["id"]?.string } == ["g-provider"])
            #expect(listed["grants"]?.array?.first?["user"]?.string == shown)
            let escaped = JSONValue.string(name).text
            #expect(try await call("revocations", #"{"kind":"user","id":"nobody: 1"}"#).status == 404)
            let ended = try await call("revocations", #"{"kind":"user","id":\#(escaped)}"#)
            #expect(ended.status == 200, "\(ended.text)")
            #expect(try ended.json()["grants"]?.array == ["g-provider"])
            #expect(try await stores.users.user(SubjectID(account))?.isDisabled == true)
            // In an address a name with slashes is escaped.
            #expect(try await call("users/\(FormParameters.encode(name))/enable", "{}").status == 200)
            #expect(try await stores.users.user(SubjectID(account))?.isDisabled == false)
        }
    }

    @Test(.verifies("house@MEMBER-EXACT"))
    func `the protected server is asked for the exact identifier`() async throws {
        try await RunningServer.with { server in
            let base = "http://127.0.0.1:\(server.configuration.listeners.sandbox.port)/fhir"
            let patient = try await Browser().get(base + "/Patient/patient-a").json()
            let identifier = try #require(patient["identifier"]?.array?.first)
            let system = try #require(identifier["system"]?.string)
            let value = try #require(identifier["value"]?.string)
            let pools = try UpstreamPools(server: try UpstreamFHIRServer(base: base))
            defer { pools.shutDown() }
            let identities = DeferredIdentities()
            func ask(_ system: String, _ value: String) async throws -> MemberDirectoryAnswer {
                let search = MemberSearch(type: .patient, system: system)
                guard case .asked(let ask) = identities.source(search, clock: .system) else { return .unknown }
                return try await ask(
                    ExternalIdentity(provider: "plan", issuer: "https://idp", subject: "s", identifier: value))
            }
            await #expect(throws: DeferredIdentities.NotReady.self) { _ = try await ask(system, value) }
            identities.follow(IdentityReader(pools: pools, group: MultiThreadedEventLoopGroup.singleton))
            guard case .known(let facts) = try await ask(system, value) else {
                Issue.record("nobody bears \(value)")
                return
            }
            #expect(facts.person == InstanceKey("Patient/patient-a"))
            for other in [value + "1", String(value.dropLast()), "*", "\(value),\(value)", "|\(value)", "a|b", "a,b$c"]
            {
                #expect(try await ask(system, other) == .unknown, "\(other)")
            }
            #expect(try await ask(system + "/x", value) == .unknown)
            #expect(try await ask("", value) == .unknown)
            // A record that was merged leads to what survived; one that leads nowhere is nobody.
            for (id, survivor, person) in [("old-1", "patient-a", "Patient/patient-a"), ("old-2", "gone", nil)] {
                let merged = """
                    {"resourceType":"Patient","id":"\(id)","identifier":[{"system":"\(system)","value":"\(id)"}],
                     "link":[{"type":"replaced-by","other":{"reference":"Patient/\(survivor)"}}]}
                    """
                let made = try await Browser().send(
                    .PUT, base + "/Patient/\(id)", headers: [("content-type", "application/fhir+json")], body: merged)
                #expect(made.status < 300, "\(made.text)")
                let answer = try await ask(system, id)
                if case .known(let facts) = answer {
                    #expect(facts.person?.description == person)
                } else {
                    #expect(person == nil && answer == .unknown)
                }
            }
        }
    }
}
