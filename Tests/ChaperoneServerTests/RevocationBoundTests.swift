import AccessPolicy
import Audit
import Authorization
import FHIRCore
import RequirementTraits
import Testing

@testable import ChaperoneServer
@testable import OAuthCore

/// How soon what was ended is refused, and proofs that need a nonce, through the whole server.
@Suite struct RevocationBoundTests {
    /// Within the process that revokes there is no delay (decision 19): the very next request is refused. What other
    /// processes may take is for tests with several of them.
    @Test(.verifies("oauth-attack@T-19"))
    func `a token that was given back is refused from the next request on`() async throws {
        try await RunningServer.with { server in
            let app = TestApp(server: server)
            let token = try await app.launch()
            #expect(try await app.fhir("/Patient/patient-a", token).status == 200)

            let revoked = try await Browser().post(
                server.issuer + "/oauth/revoke",
                [("client_id", "demo-patient-app"), ("token", token["access_token"]?.string ?? "")])

            #expect(revoked.status == 200)
            for _ in 0..<5 { #expect(try await app.fhir("/Patient/patient-a", token).status == 401) }
        }
    }

    /// Many links are undone at once: each is over when its own call returns, whatever the others do to the store.
    @Test(.verifies("oauth-attack@T-19", "house@MEMBER-UNDO"))
    func `what is ended is refused when the ending returns, also among many that end at once`() async throws {
        try await RunningServer.with { server in
            let installation = server.composition.installation
            let source = RequestSource(address: "test")
            let person = try #require(InstanceKey("Patient/patient-a"))
            let patients = [LinkedPatient(id: person.id, label: "Ana")]
            var signedIn: [(app: TestApp, token: JSONValue, subject: SubjectID)] = []
            for number in 0..<12 {
                let account = try #require(
                    try await installation.server.accounts.add(
                        NewAccount(
                            username: "many-\(number)", password: Secret("demo"), displayName: "M", fhirUser: person,
                            patients: patients), by: "test", from: source))
                let app = TestApp(server: server)
                signedIn.append((app, try await app.launch(as: "many-\(number)"), account.subject))
            }
            for one in signedIn { #expect(try await one.app.fhir("/Patient/patient-a", one.token).status == 200) }

            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for one in signedIn {
                    group.addTask {
                        _ = try await installation.server.access.unlink(one.subject, by: "test", from: source)
                        return try await one.app.fhir("/Patient/patient-a", one.token).status
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses == Array(repeating: 401, count: signedIn.count))
        }
    }

    /// As when the process could not read the store after a write that stands.
    @Test(.verifies("house@ENDED-AT-ONCE"))
    func `what stands ended in the store and was not taken into memory is refused soon`() async throws {
        try await RunningServer.with { server in
            let installation = server.composition.installation
            let app = TestApp(server: server)
            let token = try await app.launch()
            #expect(try await app.fhir("/Patient/patient-a", token).status == 200)
            let grants = try await installation.server.stores.grants.grants(
                matching: GrantFilter(onlyActive: true), limit: 10)
            let grant = try #require(grants.first)
            let record = AuthorizationRecord(
                id: DecisionID(installation.random.identifier()), kind: .revoke, outcome: .succeeded, at: 0)
            _ = try await installation.server.stores.revocations.revoke(
                .grant(grant.id), because: .administrator, at: installation.clock.now(), record: record)
            var status = 200
            for _ in 0..<300 where status == 200 {
                try await Task.sleep(for: .milliseconds(100))
                status = try await app.fhir("/Patient/patient-a", token).status
            }
            #expect(status == 401)
        }
    }

    @Test(.verifies("oauth-attack@T-31"))
    func `where nonces are demanded both sides give one and take no proof without`() async throws {
        try await RunningServer.with(settings: "dpop-nonces: true") { server in
            let key = try PrivateJWK.generate(.es256)
            let endpoint = server.issuer + "/oauth/token"
            let app = TestApp(server: server)
            let consent = try await app.consentPage(as: "patient-a")
            let back = try await app.browser.post(
                server.issuer + "/consent", Form(consent.text).fields + [("decision", "allow")])
            let query = try #require(back["location"]?.split(separator: "?").last)
            let code = try #require(try FormParameters(parsing: Array(query.utf8))["code"])
            func exchange(_ nonce: String?) async throws -> Answer {
                try await Browser().post(
                    endpoint,
                    [
                        ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", TestApp.redirect),
                        ("client_id", "demo-patient-app"), ("code_verifier", app.verifier),
                    ], headers: [("dpop", try Self.proof("POST", endpoint, key, nonce: nonce))])
            }

            let refused = try await exchange(nil)
            #expect(refused.status == 400)
            #expect(try refused.json()["error"]?.string == "use_dpop_nonce")
            let answer = try await exchange(refused["dpop-nonce"])
            #expect(answer.status == 200, "\(answer.text)")
            let token = try #require(try answer.json()["access_token"]?.string)

            func read(_ nonce: String?) async throws -> Answer {
                let address = server.fhir + "/Patient/patient-a"
                return try await Browser().get(
                    address,
                    headers: [
                        ("authorization", "DPoP \(token)"), ("accept", "application/fhir+json"),
                        ("dpop", try Self.proof("GET", address, key, token: token, nonce: nonce)),
                    ])
            }
            let stale = try await read(nil)
            #expect(stale.status == 401)
            #expect(stale["www-authenticate"]?.contains("use_dpop_nonce") == true)
            #expect(try await read(stale["dpop-nonce"]).status == 200)
        }
    }

    private static func proof(
        _ method: String, _ address: String, _ key: PrivateJWK, token: String? = nil, nonce: String?
    ) throws -> String {
        let members = (key.publicKey.json.object ?? []).filter { ["kty", "crv", "x", "y"].contains($0.name) }
        let header: JSONValue = ["typ": "dpop+jwt", "alg": "ES256", "jwk": .object(members)]
        var claims: [JSONMemberValue] = [
            .init("jti", .string(RandomSource.system.identifier())), .init("htm", .string(method)),
            .init("htu", .string(address)), .init("iat", .int(Clock.system.now())),
        ]
        if let token { claims.append(.init("ath", .string(Base64URL.encode(SHA256Hash.of(Array(token.utf8)))))) }
        if let nonce { claims.append(.init("nonce", .string(nonce))) }
        let input = Base64URL.encode(header.serialized) + "." + Base64URL.encode(JSONValue.object(claims).serialized)
        return input + "." + Base64URL.encode(try key.signature(over: Array(input.utf8)))
    }
}
