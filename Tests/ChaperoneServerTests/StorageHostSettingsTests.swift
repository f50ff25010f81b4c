import Enforcement
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// `fhir-server.storage-hosts` in the configuration.
@Suite struct StorageHostSettingsTests {
    private func read(_ hosts: String) throws -> Configuration {
        let yaml = "issuer: https://a.example\nfhir-server: {upstream: https://x.example, storage-hosts: [\(hosts)]}"
        return try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
    }

    @Test(
        .verifies("house@STORAGE-HOSTS"),
        arguments: [
            "{}", "{address: http://files.example}", "{address: ftp://files.example}", "{address: files.example}",
            "{address: 'https://files.example/x?y=z'}", "{address: 'https://u@files.example'}",
            "{address: 'https://files.example/../x'}", "{address: https://files.example, follow-redirects: true}",
        ])
    func `a storage host that is not said exactly, or not over TLS, stops the start`(host: String) {
        #expect(throws: ConfigurationError.self) { try read(host) }
    }

    @Test(.verifies("house@STORAGE-HOSTS"), arguments: [false, true])
    func `a storage host gets what the protected server gets only when it is told so`(gets: Bool) throws {
        let settings = try read("{address: 'https://files.example/x/', upstream-credentials: \(gets)}").fhirServer
        var upstream = try UpstreamFHIRServer(base: "https://x.example")
        upstream.staticHeaders = [try .init(name: "x-key", value: "secret")]
        upstream.clientCertificate = .init(chainFile: "a", keyFile: "b")

        let host = try #require(try settings.storage(beside: upstream).first).server

        #expect(host.base == "https://files.example/x")
        #expect(host.staticHeaders.map(\.name) == (gets ? ["x-key"] : []))
        #expect((host.clientCertificate != nil) == gets)
    }
}
