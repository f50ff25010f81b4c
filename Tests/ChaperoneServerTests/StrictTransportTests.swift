import NIOHTTP1
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// `Strict-Transport-Security` (RFC 6797): where browsers are told to come over TLS only.
@Suite struct StrictTransportTests {
    private static func configuration(_ issuer: String, _ more: String) throws -> Configuration {
        let yaml = "issuer: \(issuer)\nfhir-server: {upstream: https://fhir.example.org}\n\(more)"
        return try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
    }

    @Test(
        .verifies("house@strict-transport"),
        arguments: [
            ("https://auth.example.org", "", nil, "max-age=31536000"),
            ("https://auth.example.org", "tls-terminated-by-proxy: true", "max-age=31536000", "max-age=31536000"),
            ("https://auth.example.org", "strict-transport-seconds: 600", nil, "max-age=600"),
            ("https://auth.example.org", "strict-transport-seconds: 0", nil, nil),
            ("http://localhost:8080", "tls-terminated-by-proxy: true", nil, nil),
        ] as [(String, String, String?, String?)])
    func `it stands where the answer goes over TLS and the issuer is https`(
        _ issuer: String, _ more: String, _ plain: String?, _ encrypted: String?
    ) throws {
        let configuration = try Self.configuration(issuer, more)
        #expect(configuration.strictTransport(overTLS: false) == plain)
        #expect(configuration.strictTransport(overTLS: true) == encrypted)
    }

    @Test(.verifies("house@strict-transport"))
    func `every answer of both sides has it once`() async throws {
        try await RunningServer.with(settings: "tls-terminated-by-proxy: true", scheme: "https") { server in
            let here = "http://localhost:\(server.publicPort)"
            let paths = [
                ("/", 200), ("/nothing-here", 404), ("/.well-known/jwks.json", 200), ("/oauth/authorize", 400),
                ("/fhir/metadata", 200), ("/fhir/Patient", 401), ("/fhir/.well-known/smart-configuration", 200),
            ]
            for (path, status) in paths {
                let answer = try await Browser().get(here + path)
                #expect(answer.status == status, "\(path)")
                #expect(answer.headers["strict-transport-security"] == ["max-age=31536000"], "\(path)")
            }
        }
    }

    @Test(.verifies("house@strict-transport"))
    func `without TLS there is no word about it`() async throws {
        try await RunningServer.with { server in
            for path in ["/", "/fhir/metadata", "/fhir/Patient"] {
                let answer = try await Browser().get(server.issuer + path)
                #expect(answer["strict-transport-security"] == nil, "\(path)")
            }
        }
    }
}
