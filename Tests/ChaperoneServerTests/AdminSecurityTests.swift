import FHIRCore
import NIOHTTP1
import OAuthCore
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// What somebody does on the admin side when something has gone wrong: keys and revocations.
@Suite(.demoServer) struct AdminSecurityTests {
    let server: RunningServer

    init() throws { server = try #require(ServerScope.current) }

    private func call(_ path: String, _ body: String, as user: String = "security-a") async throws -> Answer {
        try await Browser().send(
            .POST, server.admin + path,
            headers: [
                ("authorization", "Basic " + Base64.encode("\(user):demo".utf8)), ("content-type", "application/json"),
            ], body: body)
    }

    @Test(arguments: ["/admin/v1/keys/rotate", "/admin/v1/revocations"])
    func `only security people and administrators may`(_ path: String) async throws {
        for user in ["auditor-a", "steward-a", "developer-a", "patient-a"] {
            #expect(try await call(path, "{}", as: user).status == 403)
        }
        #expect(try await Browser().send(.POST, server.admin + path, body: "{}").status == 401)
    }

    @Test(arguments: [
        ("/admin/v1/keys/rotate", #"{"purpose":"refresh-root"}"#, 400),
        ("/admin/v1/keys/rotate", #"{"purpose":"audit-checkpoint"}"#, 400),
        ("/admin/v1/keys/rotate", #"{"leaked":"true"}"#, 400), ("/admin/v1/keys/rotate", #"{"purpose":7}"#, 400),
        ("/admin/v1/keys/rotate", #"{"leekd":true}"#, 400), ("/admin/v1/revocations", "{}", 400),
        ("/admin/v1/revocations", #"{"kind":"everything","id":"x"}"#, 400),
        ("/admin/v1/revocations", #"{"kind":"client","id":"nobody"}"#, 404),
        ("/admin/v1/revocations", #"{"kind":"grant","id":"nobody"}"#, 409),
    ])
    func `what cannot be meant is refused`(_ path: String, _ body: String, _ status: Int) async throws {
        #expect(try await call(path, body).status == status)
    }

    @Test(.verifies("oauth-attack@T-39"))
    func `after a leak every token of the old key is dead at the gateway, and the new key is published`() async throws {
        let app = TestApp(server: server)
        let token = try await app.launch()
        #expect(try await app.fhir("/Patient/patient-a", token).status == 200)
        let before = try await Browser().get(server.issuer + "/.well-known/jwks.json").json()

        let done = try await call("/admin/v1/keys/rotate", #"{"purpose":"access-token","leaked":true}"#)

        #expect(done.status == 200, "\(done.text)")
        #expect(try await app.fhir("/Patient/patient-a", token).status == 401)
        let after = try await Browser().get(server.issuer + "/.well-known/jwks.json").json()
        #expect(before != after)
        let fresh = try await app.launch()
        #expect(try await app.fhir("/Patient/patient-a", fresh).status == 200)
    }

    @Test func `an access token, a grant and an account are ended by name`() async throws {
        let app = TestApp(server: server)
        let token = try await app.launch(as: "patient-b")
        let parts = (token["access_token"]?.string ?? "").split(separator: ".")
        let middle = try #require(parts.dropFirst().first)
        let payload = try #require(Base64URL.decode(middle))
        let claims = try JSONValue(parsing: payload)
        let (jti, grant) = (claims["jti"]?.string ?? "", claims["grant"]?.string ?? "")
        #expect(try await call("/admin/v1/revocations", #"{"kind":"token","id":"\#(jti)"}"#).status == 200)
        #expect(try await app.fhir("/Patient/patient-b", token).status == 401)
        #expect(try await call("/admin/v1/revocations", #"{"kind":"grant","id":"\#(grant)"}"#).status == 200)
        #expect(try await call("/admin/v1/revocations", #"{"kind":"grant","id":"\#(grant)"}"#).status == 409)
        #expect(try await call("/admin/v1/revocations", #"{"kind":"user","id":"patient-b"}"#).status == 200)
        let login = try await Browser().post(
            server.issuer + "/account/login", [("username", "patient-b"), ("password", "demo")])
        #expect(login.status == 400)
    }
}
