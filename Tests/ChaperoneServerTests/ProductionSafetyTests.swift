import ChaperoneServer
import RequirementTraits
import Testing

@Suite struct ProductionSafetyTests {
    @Test(arguments: [
        ("https://auth.example.org", true, "", true), ("https://auth.example.org", true, "10.0.0.7", false),
        ("https://auth.example.org", false, "", false), ("http://localhost:8080", true, "", false),
    ])
    func `who would be locked out with everybody else is told of it`(
        issuer: String, proxy: Bool, trusted: String, isTold: Bool
    ) throws {
        let yaml = """
            issuer: \(issuer)
            tls-terminated-by-proxy: \(proxy)
            trusted-proxies: [\(trusted)]
            fhir-server: {upstream: http://127.0.0.1:9}
            """
        let configuration = try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
        #expect(configuration.remarks.contains { $0.contains("trusted-proxies") } == isTold)
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        var issuer = "https://auth.example.org"
        var isDemo = false
        var more = "tls-terminated-by-proxy: true"
        var publishedSecrets = false
        var expected: [ProductionHazard] = []
        var testDescription: String { name }
    }

    static let cases = [
        Case(name: "a deployment behind a TLS proxy"),
        Case(name: "demo mode", isDemo: true, expected: [.demoMode]),
        Case(name: "published keys", publishedSecrets: true, expected: [.demoIdentities]),
        Case(name: "plain HTTP issuer", issuer: "http://auth.example.org", expected: [.plainHTTP]),
        Case(name: "https without a declared proxy", more: "", expected: [.plainHTTP]),
        Case(
            name: "decisions open to others",
            more: "tls-terminated-by-proxy: true\nlisteners: {decisions: {host: 0.0.0.0, key-file: key}}",
            expected: [.unprotectedDecisions]),
        Case(
            name: "no decisions at all",
            more: "tls-terminated-by-proxy: true\nlisteners: {decisions: {host: 0.0.0.0}}"),
        Case(
            name: "decisions open to others but protected",
            more: "tls-terminated-by-proxy: true\n"
                + "listeners: {decisions: {host: 0.0.0.0, key-file: key, protected: true}}"),
        Case(
            name: "admin open to others", more: "tls-terminated-by-proxy: true\nlisteners: {admin: {host: 0.0.0.0}}",
            expected: [.unprotectedAdmin]),
        Case(
            name: "admin open to others but protected",
            more: "tls-terminated-by-proxy: true\nlisteners: {admin: {host: 0.0.0.0, protected: true}}"),
        Case(
            name: "admin under the issuer's name",
            more: "tls-terminated-by-proxy: true\nlisteners: {admin: {host-name: AUTH.example.org}}",
            expected: [.sharedHostName]),
        Case(name: "a developer's machine", issuer: "http://localhost:8080", more: ""),
        Case(name: "the demo", issuer: "http://localhost:8080", isDemo: true, more: "", publishedSecrets: true),
        Case(name: "an IPv4 loopback issuer", issuer: "http://127.0.0.1:8080", more: ""),
        Case(name: "an IPv6 loopback issuer", issuer: "http://[::1]:8080", more: ""),
        Case(
            name: "a name that only begins like loopback", issuer: "http://127.0.0.1.example.org", more: "",
            expected: [.plainHTTP]),
        Case(
            name: "a name that only ends like loopback", issuer: "http://notlocalhost", more: "", expected: [.plainHTTP]
        ),
        Case(
            name: "the demo with its sandbox open", issuer: "http://localhost:8080", isDemo: true,
            more: "listeners: {sandbox: {host: 0.0.0.0}}", expected: [.unprotectedSandbox]),
        Case(
            name: "the demo on every address", issuer: "http://localhost:8080", isDemo: true,
            more: "listeners: {public: {host: 0.0.0.0}}", expected: [.demoMode]),
        Case(
            name: "the developer's admin side open to others", issuer: "http://localhost:8080",
            more: "listeners: {admin: {host: 192.0.2.1}}", expected: [.unprotectedAdmin]),
    ]

    @Test(.verifies("house@production-safety"), arguments: cases)
    func `a server does not start where it would be unsafe`(_ given: Case) throws {
        let yaml = "issuer: '\(given.issuer)'\nfhir-server: {upstream: https://fhir.example.org}\n\(given.more)"
        let configuration = try Configuration(settings: try Setting(yaml: yaml), isDemo: given.isDemo)

        let hazards = configuration.productionHazards(secrets: LoadedSecrets(includesPublished: given.publishedSecrets))

        #expect(hazards == given.expected)
    }
}
