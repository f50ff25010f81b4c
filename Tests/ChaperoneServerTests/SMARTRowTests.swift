import AccessPolicy
import Authorization
import ChaperoneServer
import FHIRCore
import RequirementTraits
import Testing

/// Rows of docs/smart-conformance.md that no other test shows.
@Suite(.demoServer) struct SMARTRowTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    @Test(arguments: [nil, "*/*", "application/json", "application/xml", "text/html", "junk", "application/json;q=0"])
    func `the discovery document is JSON whatever is asked for`(_ accept: String?) async throws {
        let answer = try await Browser().get(
            server.fhir + "/.well-known/smart-configuration", headers: accept.map { [("accept", $0)] } ?? [])
        #expect(answer.status == 200)
        #expect(answer["content-type"] == "application/json")
        #expect(try answer.json()["capabilities"]?.array?.isEmpty == false)
    }

    @Test func `every address in the discovery document is absolute`() async throws {
        let document = try await Browser().get(server.fhir + "/.well-known/smart-configuration").json()
        let names = (document.object ?? []).map(\.name).filter {
            $0.hasSuffix("_endpoint") || $0.hasSuffix("_uri") || $0.hasSuffix("_bundle") || $0 == "issuer"
        }
        #expect(names.count > 7)
        for name in names { #expect(document[name]?.string?.hasPrefix(server.issuer) == true, "\(name)") }
    }

    @Test(arguments: [
        ("clients:\n  - kind: public", "clients[0].id"),
        ("users:\n  - {login: x, password-file: f, fhir-user: Device/d1}", "users[0].fhir-user"),
        ("users:\n  - {login: x, password-file: f, fhir-user: Patient}", "users[0].fhir-user"),
        ("second-factor: {roles: [king]}", "second-factor.roles"),
        ("second-factor: {programs: [everything]}", "second-factor.programs"),
        ("second-factor: {role: [admin]}", "second-factor.role"),
    ])
    func `a client without a name of its own, and a person who is no person, are mistakes`(
        _ yaml: String, _ path: String
    ) throws {
        let minimal = "issuer: https://auth.example.org\nfhir-server: {upstream: 'https://fhir.example.org'}\n"
        let error = #expect(throws: ConfigurationError.self) {
            try Configuration(settings: try Setting(yaml: minimal + yaml), isDemo: false)
        }
        let text = String(describing: error)
        #expect(text.contains(path), "\(text)")
    }

    @Test func `roles and programs that need a second factor are read`() throws {
        let yaml = """
            issuer: https://auth.example.org
            fhir-server: {upstream: 'https://fhir.example.org'}
            second-factor: {roles: [admin, security], programs: [provider-access]}
            """
        let configuration = try Configuration(settings: try Setting(yaml: yaml), isDemo: false)
        #expect(configuration.secondFactor.roles.map(\.rawValue) == ["admin", "security"])
        #expect(configuration.secondFactor.programs == [.providerAccess])
    }
}
