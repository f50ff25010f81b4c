import Authorization
import ChaperoneServer
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Identity providers in the configuration: refusals first.
@Suite struct FederationConfigurationTests {
    private static let base = """
        issuer: https://auth.example.org
        tls-terminated-by-proxy: true
        fhir-server: {upstream: "https://fhir.example.org/r4"}

        """

    private static func provider(_ lines: String..., members: String = "{source: links}") -> String {
        let all =
            ["id: plan", "issuer: https://login.plan.example", "client-id: chaperone", "client-secret-file: s"]
            + lines + ["members: \(members)"]
        return "identity-providers:\n  - " + all.joined(separator: "\n    ") + "\n"
    }

    private func read(_ yaml: String) throws(ConfigurationError) -> Configuration {
        try Configuration(settings: try Setting(yaml: Self.base + yaml), isDemo: false)
    }

    private static let mistakes: [(String, String)] = {
        var all: [(String, String)] = []
        func add(_ yaml: String, _ message: String) { all.append((yaml, message)) }
        add("local-accounts: false", "local-accounts: `false` needs `identity-providers`")
        add(provider("isuer: x"), "unknown key")
        add(provider("name: [x]"), "name: must be a text")
        add(provider().replacing("id: plan", with: "id: Plan A"), "id: must be lower-case")
        add(
            provider().replacing("https://login.plan.example", with: "http://login.plan.example"),
            "issuer: must be an https")
        add(
            provider().replacing("https://login.plan.example", with: "https://login.plan.example?x=1"),
            "issuer: must be an https")
        add(provider().replacing("client-secret-file: s", with: "name: x"), "client-secret-file: is required")
        add(provider("client-authentication: none"), "client-authentication: must be one of")
        add(provider("client-authentication: private_key_jwt"), "client-key-file: is required")
        add(provider("scope: profile"), "scope: must hold `openid`")
        add(provider("signing-algorithms: [HS256]"), "signing-algorithms: may hold")
        add(provider("signing-algorithms: [none]"), "signing-algorithms: may hold")
        add(provider("max-age: -1"), "max-age: must be a whole number")
        add(provider(members: "{}"), "source: is required")
        add(provider(members: "{source: ldap}"), "source: must be one of")
        add(provider(members: "{source: links, claim: email}"), "nobody is found by `email`")
        add(provider(members: "{source: links, claim: fhirUser}"), "nobody is found by `fhirUser`")
        add(provider(members: "{source: links, claim: birthdate}"), "nobody is found by `birthdate`")
        add(provider(members: "{source: links, file: x}"), "file: unknown key")
        add(provider(members: "{source: table}"), "table: is required")
        add(provider(members: "{source: table, table: {M-1: Organization/o}}"), "must be a reference")
        add(provider(members: "{source: search}"), "identifier-system: is required")
        add(
            provider(members: "{source: search, identifier-system: x, resource-type: Group}"),
            "resource-type: must be one of")
        add(provider(members: "{source: service, key-file: k}"), "address: is required")
        add(
            provider(members: "{source: service, key-file: k, address: 'http://x.example'}"),
            "address: must be an https")
        add(provider(members: "{source: roster}"), "file: is required")
        add(
            provider(members: "{source: roster, file: f, age-of-majority: 3}"),
            "age-of-majority: must be a whole number")
        add(provider(members: "{source: links, several: both}"), "several: must be one of")
        add(
            provider() + provider().split(separator: "\n").dropFirst().joined(separator: "\n"),
            "two of them have the same `id`")
        add(provider("acr-order: [urn:x, urn:y, urn:x]"), "acr-order: names one of its contexts twice")
        for method in ["otp", "pwd", "mca", "hwk", "user"] {
            add(provider("second-factor-amr: [mfa, \(method)]"), "`\(method)` alone is not two factors")
        }
        add(provider("second-factor-acr: urn:x"), "second-factor-acr: must be a list")
        add(provider("second-factor-kinds: maybe"), "second-factor-kinds: must be")
        add(provider("document-hosts: ['https://keys.example']"), "document-hosts: must hold host names")
        add(provider("document-hosts: ['keys.example:8443']"), "document-hosts: must hold host names")
        add(provider() + "minimum-acr: {programs: {patient-access: urn:x}}", "stands in no provider's `acr-order`")
        add(provider("acr-order: [urn:x]") + "minimum-acr: {programs: {patients: urn:x}}", "is no program")
        add(provider("acr-order: [urn:x]") + "minimum-acr: {scopes: {patient/Nothing.x: urn:x}}", "is no scope")
        return all
    }()

    @Test(.verifies("house@configuration-strict"), arguments: mistakes)
    func `a mistake about a provider is named`(_ yaml: String, _ message: String) throws {
        let error = #expect(throws: ConfigurationError.self) { try read(yaml) }
        #expect(try #require(error).description.contains(message), "\(String(describing: error))")
    }

    @Test func `a provider without its members is a mistake`() throws {
        let yaml = Self.provider().split(separator: "\n").dropLast().joined(separator: "\n")
        let error = #expect(throws: ConfigurationError.self) { try read(yaml) }
        #expect(try #require(error).description.contains("members: is required"))
    }

    @Test func `a provider is read as it is written`() throws {
        let yaml =
            Self.provider(
                "name: Example Plan", "signing-algorithms: [ES256, PS256]", "acr-order: [urn:low, urn:high]",
                "max-age: 3600",
                members:
                    "{source: search, claim: member_id, identifier-system: 'https://plan.example/id', several: plan}")
            + "local-accounts: false\nminimum-acr: {programs: {provider-access: urn:high}, scopes: {offline_access: urn:low}}"
        let signIn = try read(yaml).signIn
        let provider = try #require(signIn.providers.first)
        #expect(provider.algorithms == [.es256, .ps256])
        #expect(provider.maxAge == 3600 && provider.claim == "member_id" && provider.rules.several == .plan)
        #expect(provider.source == .search(MemberSearch(type: .patient, system: "https://plan.example/id")))
        #expect(signIn.assurance.programs == ["provider-access": "urn:high"])
        #expect(provider.secondFactor == SecondFactorEvidence() && provider.documentHosts.isEmpty)
        #expect(!signIn.takesPasswords)
    }

    @Test func `what says two factors is read as it is written`() throws {
        let yaml = Self.provider(
            "second-factor-acr: [urn:mfa]", "second-factor-amr: [ngcmfa]", "second-factor-kinds: true",
            "document-hosts: [Keys.example, '10.0.0.7', '[fd00::1]']")
        let provider = try #require(try read(yaml).signIn.providers.first)
        #expect(
            provider.secondFactor
                == SecondFactorEvidence(contexts: ["urn:mfa"], methods: ["ngcmfa"], countsKinds: true))
        #expect(provider.documentHosts == ["keys.example", "10.0.0.7", "fd00::1"])
        let none = try #require(try read(Self.provider("second-factor-amr: []")).signIn.providers.first)
        #expect(none.secondFactor == SecondFactorEvidence(methods: []))
    }

    @Test(arguments: [
        "issuer", "client-id", "client-authentication", "client-secret-file", "client-key-file", "signing-algorithms",
        "scope", "acr-values", "acr-order", "second-factor-acr", "second-factor-amr", "second-factor-kinds",
        "document-hosts",
        "max-age", "members",
    ])
    func `each key of a provider stands in the document`(_ key: String) throws {
        #expect(try ConfigurationDocumentTests.document().contains("| `\(key)` | "))
    }
}
