import AccessPolicy
import Audit
import Authorization
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

#if canImport(Glibc)
    import Glibc
#endif

/// An installation without listeners: what it refuses to start on, and who its admin side lets in.
@Suite struct InstallationTests {
    static func inFolder<Value>(_ work: (String) async throws -> Value) async throws -> Value {
        let folder = try RunningServer.temporaryFolder()
        defer {
            chmod(folder, 0o700)
            do { try StateDirectory.wipe(folder) } catch { Issue.record(error) }
            unlink("\(folder)/serve.lock")
            unlink("\(folder)/chaperone.db.lock")
            unlink("\(folder)/client.secret")
            rmdir(folder)
        }
        return try await work(folder)
    }

    private static let serving = Installation.Purpose.serving(demandsFewAbsent: false)

    private func configuration(_ folder: String, _ more: String = "", isDemo: Bool = false) throws -> Configuration {
        let yaml = """
            issuer: http://localhost:8080
            state-directory: \(folder)
            fhir-server: {upstream: http://127.0.0.1:9}
            \(more)
            """
        return try Configuration(settings: try Setting(yaml: yaml), isDemo: isDemo)
    }

    @Test(arguments: [0o750, 0o705, 0o770, 0o701] as [mode_t])
    func `a state folder that others can enter or list is refused with what to do`(mode: mode_t) async throws {
        try await Self.inFolder { folder in
            #expect(chmod(folder, mode) == 0)

            let error = await #expect(throws: PrivateFile.Exposed.self) {
                _ = try await Installation(configuration: try configuration(folder))
            }

            #expect(error?.description.contains("chmod 700 '\(folder)'") == true)
        }
    }

    /// What one process ends another one's enforcer would go on accepting until it looks.
    @Test(.verifies("house@ONE-PROCESS-PER-DATABASE"), arguments: ["", "/."])
    func `a database that another process has open is not opened from another state folder`(
        _ detour: String
    ) async throws {
        try await Self.inFolder { folder in
            let first = try await Installation(configuration: try configuration(folder))
            try await Self.inFolder { other in
                let second = try configuration(other, "database: sqlite:\(folder)\(detour)/chaperone.db")

                let error = await #expect(throws: Installation.Held.self) {
                    _ = try await Installation(configuration: second)
                }

                #expect(error?.description.contains("\(folder)\(detour)/chaperone.db") == true)
                #expect(throws: StateDirectory.Refused.self) { try StateDirectory.wipe(folder) }
                try await first.close()
                // Free again; what keeps it from opening now is that its keys are sealed under the other folder's key.
                let next = await #expect(throws: (any Error).self) {
                    _ = try await Installation(configuration: second)
                }
                #expect(!(next is Installation.Held))
            }
        }
    }

    @Test(arguments: [0o640, 0o604, 0o660] as [mode_t])
    func `an installation key that others can read is refused with what to do`(mode: mode_t) async throws {
        try await Self.inFolder { folder in
            let given = try configuration(folder)
            try await Installation(configuration: given).close()
            let key = "\(folder)/\(InstallationKey.fileName)"
            #expect(chmod(key, mode) == 0)

            let error = await #expect(throws: PrivateFile.Exposed.self) {
                _ = try await Installation(configuration: given)
            }

            #expect(error?.description.contains("chmod 600 '\(key)'") == true)
        }
    }

    @Test func `a demo's state folder does not become a deployment's`() async throws {
        try await Self.inFolder { folder in
            let demo = try configuration(folder, isDemo: true)
            try await Installation(configuration: demo, for: Self.serving).close()

            let error = await #expect(throws: Composition.Unsafe.self) {
                _ = try await Installation(configuration: try configuration(folder), for: Self.serving)
            }

            #expect(error?.hazards == [.demoLeftovers])
        }
    }

    @Test func `a command that assumes a demo to find the state folder writes nobody into it`() async throws {
        try await Self.inFolder { folder in
            let command = try await Installation(configuration: try configuration(folder, isDemo: true))
            #expect(try await command.server.stores.clients.clients() == [])
            #expect(try await command.server.stores.users.users() == [])
            try await command.close()

            try await Installation(configuration: try configuration(folder), for: Self.serving).close()
        }
    }

    @Test func `a command by another configuration than the server's writes nobody`() async throws {
        try await Self.inFolder { folder in
            let other = try symmetricClient(folder, secret: String(repeating: "s", count: 40))
            let command = try await Installation(configuration: other)
            #expect(try await command.server.stores.clients.clients() == [])
            try await command.close()
        }
    }

    @Test func `what a demo left is named with the commands that end it, and they let the server start`() async throws {
        try await Self.inFolder { folder in
            let demo = try configuration(folder, isDemo: true)
            try await Installation(configuration: demo, for: Self.serving).close()
            let own = try configuration(folder)
            let error = await #expect(throws: Composition.Unsafe.self) {
                _ = try await Installation(configuration: own, for: Self.serving)
            }
            let advice = try #require(error?.reasons.last)
            #expect(advice.contains("older releases"))

            let installation = try await Installation(configuration: own)
            let words = advice.matches(of: /chaperone revoke (client|user) ([^;]+)/)
            #expect(words.count == demo.clients.count + demo.users.count)
            for word in words {
                _ = try await installation.adminAPI.answer(
                    AdminRequest(
                        .post, ["revocations"],
                        body: ["kind": .string(String(word.1)), "id": .string(String(word.2))], actor: .local,
                        sourceAddress: "local"))
            }
            try await installation.close()
            try await Installation(configuration: own, for: Self.serving).close()
        }
    }

    @Test func `a rehearsal in other words is refused and not taken for the real thing`() async throws {
        try await Self.inFolder { folder in
            let installation = try await Installation(configuration: try configuration(folder))
            let api = installation.adminAPI
            let request = AdminRequest(
                .post, ["audit", "retention"], query: ["rehearsal": "yes"], actor: .local, sourceAddress: "local")

            let problem = await #expect(throws: Problem.self) { _ = try await api.answer(request) }

            #expect(problem?.status == 400)
            try await installation.close()
        }
    }

    private func symmetricClient(_ folder: String, secret: String) throws -> Configuration {
        try PrivateFile.write(Array((secret + "\n").utf8), to: "\(folder)/client.secret")
        return try configuration(
            folder,
            """
            clients:
              - id: ward
                kind: symmetric
                program: provider-access
                redirect-uris: [https://ward.example.org/callback]
                grant-types: [authorization_code]
                scopes: launch/patient openid patient/Condition.rs
                secret-file: \(folder)/client.secret
            """)
    }

    @Test func `a client secret that could be guessed is refused before the client is registered`() async throws {
        try await Self.inFolder { folder in
            let short = try symmetricClient(folder, secret: String(repeating: "s", count: 31))

            let checked = #expect(throws: ConfigurationError.self) { _ = try short.loadedSecrets() }
            await #expect(throws: ConfigurationError.self) {
                _ = try await Installation(configuration: short, for: Self.serving)
            }

            #expect(checked?.description.contains("client `ward`") == true)
            #expect(checked?.description.contains("shorter than 32 characters") == true)
        }
    }

    @Test(arguments: ["+", "%"])
    func `a client secret that clients send in two ways is refused`(_ sign: String) async throws {
        try await Self.inFolder { folder in
            let odd = try symmetricClient(folder, secret: String(repeating: "s", count: 40) + sign)

            let refused = await #expect(throws: ConfigurationError.self) {
                _ = try await Installation(configuration: odd, for: Self.serving)
            }

            #expect(refused?.description.contains("which clients send in two ways") == true)
            #expect(try odd.oddSecretMessages().count == 1)
        }
    }

    @Test(arguments: ["+", "%"])
    func `such a secret that is in use already keeps nothing from starting, and a new one does`(
        _ sign: String
    ) async throws {
        try await Self.inFolder { folder in
            let plain = try symmetricClient(folder, secret: String(repeating: "s", count: 40))
            let installation = try await Installation(configuration: plain, for: Self.serving)
            func reconcile(_ configuration: Configuration) async throws -> [ConfiguredIdentities.Remark] {
                try await ConfiguredIdentities(
                    configuration: configuration, server: installation.server, clock: installation.clock
                ).reconcile()
            }
            #expect(try await reconcile(plain) == [])
            let odd = try symmetricClient(folder, secret: String(repeating: "t", count: 40) + sign)
            await #expect(throws: ConfigurationError.self) { _ = try await reconcile(odd) }

            // As an older release stored it.
            let stores = installation.server.stores
            var client = try #require(try await stores.clients.client(ClientID("ward")))
            client.secrets = try odd.secrets(of: try #require(odd.clients.first))
            client.revision += 1
            let record = AuthorizationRecord(
                id: DecisionID("old"), kind: .clientChanged, outcome: .succeeded, at: 0)
            #expect(try await stores.clients.replace(client, record: record))
            #expect(try await reconcile(odd).map(\.about) == ["ward"])
            try await installation.close()
        }
    }

    @Test func `a client secret of 32 characters is taken`() async throws {
        try await Self.inFolder { folder in
            let long = try symmetricClient(folder, secret: String(repeating: "s", count: 32))

            #expect(try long.loadedSecrets() == LoadedSecrets(includesPublished: false))
            try await Installation(configuration: long, for: Self.serving).close()
        }
    }

    @Test(arguments: [true, false])
    func `a password is taken on the admin side only where passwords are taken at all`(takes: Bool) async throws {
        try await Self.inFolder { folder in
            let installation = try await Installation(configuration: try configuration(folder))
            let body = AdminRequest(
                .post, ["users"],
                body: .object([
                    .init("username", .string("boss")), .init("password", .string("a-long-password")),
                    .init("roles", .array([.string("admin")])),
                ]), actor: .local, sourceAddress: "local")
            _ = try await installation.adminAPI.answer(body)
            let authenticator = AdminAuthenticator(
                credential: Secret("local-token"), interaction: installation.server.interaction,
                users: installation.server.stores.users, clock: .system, takesPasswords: takes)
            let source = RequestSource(address: "192.0.2.1")
            let header = "Basic " + Base64.encode("boss:a-long-password".utf8)

            if takes {
                #expect(try await authenticator.actor(header, from: source).name == "boss")
            } else {
                await #expect(throws: Problem.unauthorized) { _ = try await authenticator.actor(header, from: source) }
            }

            #expect(try await authenticator.actor("Bearer local-token", from: source) == .local)
            #expect(authenticator.challenge.hasPrefix(takes ? "Basic " : "Bearer "))
            try await installation.close()
        }
    }

    @Test(arguments: [("127.0.0.1", true), ("localhost", true), ("0.0.0.0", false), ("192.0.2.1", false)])
    func `passwords are taken on a loopback admin listener only`(host: String, takes: Bool) throws {
        let given = try configuration("./var", "listeners: {admin: {host: '\(host)', protected: true}}")

        #expect(given.adminTakesPasswords == takes)
    }

    @Test func `why an admin request failed is kept for the log and not shown`() async throws {
        try await Self.inFolder { folder in
            let installation = try await Installation(configuration: try configuration(folder))
            let api = installation.adminAPI
            try await installation.close()

            let problem = await #expect(throws: Problem.self) {
                _ = try await api.answer(AdminRequest(.get, ["clients"], actor: .local, sourceAddress: "local"))
            }

            #expect(problem?.status == 500)
            let cause = try #require(problem?.cause)
            #expect(!cause.isEmpty)
            #expect(problem?.json.text.contains(cause) == false)
        }
    }
}
