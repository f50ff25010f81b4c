import AccessPolicy
import ChaperoneServer
import OAuthCore
import RequirementTraits
import Testing

@Suite struct ConfigurationTests {
    private static let minimal = """
        issuer: https://auth.example.org
        fhir-server:
          upstream: https://fhir.example.org/r4
        """

    private static let client = """
        issuer: https://auth.example.org
        fhir-server:
          upstream: https://fhir.example.org/r4
        clients:
          - id: shelf
            kind: public
            program: patient-access
            redirect-uris: [https://shelf.example.org/callback]
            grant-types: [authorization_code]
            scopes: launch/patient openid patient/Condition.rs

        """

    private func read(_ yaml: String, isDemo: Bool = false) throws(ConfigurationError) -> Configuration {
        try Configuration(settings: try Setting(yaml: yaml), isDemo: isDemo)
    }

    @Test(
        .verifies("house@configuration-strict"),
        arguments: [
            ("isuer: x\n" + minimal, "line 1: isuer: unknown key, did you mean `issuer`?"),
            (
                minimal + "\nlisteners:\n  admin:\n    prot: 1",
                "line 6: listeners.admin.prot: unknown key, did you mean `port`?"
            ),
            (minimal + "\nlisteners:\n  public: {port: eighty}", "listeners.public.port: must be a whole number"),
            (minimal + "\nlisteners:\n  public: {port: 65536}", "listeners.public.port: must be a whole number"),
            (minimal + "\nissuer: https://other.example.org", "written twice"),
            ("fhir-server: {upstream: https://x}", "issuer: is required"),
            ("issuer: https://auth.example.org", "fhir-server.upstream: is required"),
            (
                "issuer: auth.example.org\nfhir-server: {upstream: https://x}",
                "line 1: issuer: must be `https://host[:port]`"
            ),
            ("issuer: https://a.example/path\nfhir-server: {upstream: https://x}", "line 1: issuer: must be"),
            ("issuer: https://u@a.example\nfhir-server: {upstream: https://x}", "line 1: issuer: must be"),
            ("issuer: https://a.example\nfhir-server: {upstream: 'ftp://x'}", "line 2: fhir-server.upstream: must be"),
            ("issuer: https://a.example\nfhir-server: {upstream: https://x, path: /fhir/}", "fhir-server.path"),
            (minimal + "\ndatabase: mysql:x", "line 4: database: must be `sqlite:PATH`"),
            (
                minimal + "\nlifetimes: {access-token: 86400}",
                "lifetimes.access-token: must be a whole number from 30 to 3600"
            ),
            (minimal + "\ntls-terminated-by-proxy: yes", "must be `true` or `false`"),
            (minimal + "\npanels: {Nurse/x: [a]}", "panels.Nurse/x"),
            ("a: [", "line 2"),
            (minimal + "\nusers:\n  - login: a", "users[0].password-file: is required"),
            (minimal + "\ntrusted-proxies: [10.0.0.0/33]", "trusted-proxies: must name addresses or networks"),
            (minimal + "\ntrusted-proxies: 10.0.0.1", "trusted-proxies: must be a list"),
            (minimal + "\ntrusted-proxy-header: via", "trusted-proxy-header: must be one of"),
            (minimal + "\n  connect-to: x", "fhir-server.connect-to: must be `host:port`"),
            (minimal + "\n  client-key-file: k.pem", "belong together"),
            (minimal + "\n  client-certificate-file: c.pem", "belong together"),
            (
                "issuer: https://a.example\nfhir-server: {upstream: 'http://x', client-certificate-file: c, client-key-file: k}",
                "over https only"
            ),
            (minimal + "\n  oauth: {token-endpoint: 'https://x/t'}", "fhir-server.oauth.client-id: is required"),
            (minimal + "\n  oauth: {token-endpoint: 'https://x/t', client-id: c}", "client-secret-file: is required"),
            (minimal + "\n  oauth: {secret: x}", "fhir-server.oauth.secret: unknown key"),
            (
                minimal
                    + "\n  oauth: {token-endpoint: 'https://x/t', client-id: c, client-secret-file: s}\n  headers: [{name: Authorization, value-file: f}]",
                "is set by `oauth` already"
            ),
            (minimal + "\n  answer-megabytes: 0", "fhir-server.answer-megabytes: must be a whole number from 1 to 256"),
        ])
    func `a mistake is refused and named with its place`(yaml: String, message: String) {
        let error = #expect(throws: ConfigurationError.self) { try read(yaml) }

        #expect(error?.description.contains(message) == true, "\(error?.description ?? "no error")")
    }

    @Test(
        .verifies("house@client-program-no-default"),
        arguments: [
            ("    program: patient-access\n", "", "program: is required"),
            ("program: patient-access", "program: general", "`general` needs"),
            ("program: patient-access", "program: research", "must be one of"),
            ("kind: public", "kind: asymmetric", "keys-file: is required"),
            ("kind: public", "kind: symmetric", "secret-file: is required"),
            ("    kind: public\n", "", "kind: is required"),
            ("[authorization_code]", "[implicit]", "grant-types: may hold"),
            ("[authorization_code]", "[client_credentials]", "kind: must be `asymmetric`"),
            ("[https://shelf.example.org/callback]", "[]", "redirect-uris: is required"),
            ("patient/Condition.rs", "patient/Condition.sr", "is not a scope that can grant anything"),
            ("id: shelf", "id: shelf\n    color: red", "clients[0].color: unknown key"),
            ("id: shelf", "id: shelf\n    profile: smart-1.0", "profile-until: is required"),
            (
                "id: shelf", "id: shelf\n    profile: smart-1.0\n    profile-until: 2027-12-31",
                "a `public` client cannot"
            ),
        ])
    func `a client that is not fully described is refused`(part: String, replacement: String, message: String) {
        let yaml = Self.client.replacing(part, with: replacement)

        let error = #expect(throws: ConfigurationError.self) { try read(yaml) }

        #expect(error?.description.contains(message) == true, "\(error?.description ?? "no error")")
    }

    private static let foreign = """
        issuer: https://fhir.example.org
        authorization-server: none
        fhir-server: {upstream: https://records.example.org/r4}
        token-issuer:
          issuer: https://idp.example.org
          audience: https://fhir.example.org/fhir
          program: patient-access
          key-set: https://idp.example.org/jwks.json
        """

    @Test(
        .verifies("house@foreign-token-claims"),
        arguments: [
            ("authorization-server: none\n", "", "has a meaning only with"),
            ("authorization-server: none", "authorization-server: maybe", "must be one of"),
            ("  program: patient-access\n", "", "token-issuer.program: is required"),
            ("program: patient-access", "program: general", "`general` needs"),
            ("  audience: https://fhir.example.org/fhir\n", "", "token-issuer.audience: is required"),
            ("  issuer: https://idp.example.org\n", "", "token-issuer.issuer: is required"),
            ("  key-set: https://idp.example.org/jwks.json", "", "either `key-set` or `introspection`"),
            ("key-set: https://", "key-set: http://", "must be an https address"),
            ("key-set: https://", "key-set: https://me@", "must be an https address"),
            ("key-set:", "algorithms: HS256\n  key-set:", "is not an algorithm"),
            ("key-set:", "algorithms: none\n  key-set:", "is not an algorithm"),
            ("key-set:", "introspection:", "introspection-client: is required"),
            ("key-set:", "colour: red\n  key-set:", "token-issuer.colour: unknown key"),
        ])
    func `an issuer that is not fully described is refused`(part: String, replacement: String, message: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try read(Self.foreign.replacing(part, with: replacement))
        }

        #expect(error?.description.contains(message) == true, "\(error?.description ?? "no error")")
    }

    @Test func `an issuer that is fully described is read`() throws {
        let issuer = try #require(try read(Self.foreign).tokenIssuer)

        #expect(issuer.check == .keySet(url: "https://idp.example.org/jwks.json"))
        #expect(issuer.algorithms == [.es256, .rs256])
        #expect(issuer.tokenTypes == ["at+jwt", "jwt"])
        #expect(issuer.isOnPrivateNetwork == false)
    }

    @Test(arguments: ["system/*.rs", "patient/*.cruds", "user/*.u", "patient/*.write"])
    func `a wildcard that writes, or reaches everybody, needs an exception with an end`(_ scope: String) throws {
        let yaml = Self.client.replacing("patient/Condition.rs", with: scope)
        let error = #expect(throws: ConfigurationError.self) { try read(yaml) }
        #expect(error?.description.contains("needs `wildcards-until`") == true)
        let excepted = yaml + "    wildcards-until: 2030-01-01\n"
        #expect(try read(excepted).clients.first?.wildcardsUntil != nil)
    }

    @Test func `two clients cannot have one id`() throws {
        let entry = Self.client.split(separator: "clients:\n")[1]

        let error = #expect(throws: ConfigurationError.self) { try read(Self.client + entry) }

        #expect(error?.description.contains("`shelf` stands there twice") == true)
    }

    @Test func `every mistake is named in one run`() {
        let error = #expect(throws: ConfigurationError.self) { try read("one: 1\ntwo: 2") }

        #expect(error?.problems.count == 4)
    }

    @Test func `a client is read as it was written`() throws {
        let client = try #require(try read(Self.client).clients.first)

        #expect(client.id == "shelf")
        #expect(client.program == .patientAccess)
        #expect(client.kind == .public)
        #expect(client.redirectURIs == ["https://shelf.example.org/callback"])
        #expect(client.scopes == "launch/patient openid patient/Condition.rs")
    }

    @Test func `flags override the environment, which overrides the file`() throws {
        let file = Self.minimal + "\nlisteners: {public: {port: 1}, admin: {port: 1}, demo: {port: 1}}"
        let source = ConfigurationSource(
            yaml: file,
            environment: ["CHAPERONE_LISTENERS_ADMIN_PORT": "2", "CHAPERONE_LISTENERS_DEMO_PORT": "2", "HOME": "/x"],
            flags: [(key: "listeners.demo.port", value: "3")])

        let listeners = try Configuration(settings: try source.settings(), isDemo: false).listeners

        #expect([listeners.public.port, listeners.admin.port, listeners.demo.port] == [1, 2, 3])
    }

    @Test func `a misspelt variable is refused`() {
        let source = ConfigurationSource(yaml: nil, environment: ["CHAPERONE_LISTENERS_ADMIN_PROT": "2"])

        let error = #expect(throws: ConfigurationError.self) { try source.settings() }

        #expect(error?.description.contains("environment variable CHAPERONE_LISTENERS_ADMIN_PROT") == true)
    }

    @Test(arguments: ConfigurationSource.scalarKeys)
    func `each key that can be overridden is one that the configuration knows`(key: String) throws {
        var settings = try Setting(yaml: Self.minimal)
        settings.override(key.split(separator: ".").map(String.init)[...], with: "?", origin: .flag(key))

        do throws(ConfigurationError) {
            _ = try Configuration(settings: settings, isDemo: false)
        } catch {
            #expect(!error.problems.contains { $0.message.hasPrefix("unknown key") })
        }
    }

    @Test func `the demo needs no file`() throws {
        let configuration = try read("", isDemo: true)

        #expect(configuration.issuer.text == "http://localhost:8080")
        #expect(configuration.listeners.admin.port == 8081)
    }
}

extension String {
    fileprivate func replacing(_ part: String, with replacement: String) -> String {
        split(separator: part, omittingEmptySubsequences: false).joined(separator: replacement)
    }
}
