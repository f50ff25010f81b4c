import FHIRCore
import NIOHTTP1
import RequirementTraits
import Testing

@testable import ChaperoneServer
@testable import OAuthCore

/// Tokens that are bound to a key (RFC 9449), and requests that are pushed (RFC 9126), through the whole server.
@Suite(.demoServer) struct SenderConstraintTests {
    let server: RunningServer
    private let key: PrivateJWK

    init() throws {
        server = try #require(ServerScope.current)
        key = try PrivateJWK.generate(.es256)
    }

    private func proof(
        _ method: String, _ address: String, token: String? = nil, jti: String = RandomSource.system.identifier(),
        key: PrivateJWK? = nil
    ) throws -> String {
        let key = key ?? self.key
        let publicMembers = (key.publicKey.json.object ?? []).filter { ["kty", "crv", "x", "y"].contains($0.name) }
        let header: JSONValue = ["typ": "dpop+jwt", "alg": "ES256", "jwk": .object(publicMembers)]
        var claims: [JSONMemberValue] = [
            .init("jti", .string(jti)), .init("htm", .string(method)), .init("htu", .string(address)),
            .init("iat", .int(Clock.system.now())),
        ]
        if let token { claims.append(.init("ath", .string(Base64URL.encode(SHA256Hash.of(Array(token.utf8)))))) }
        let input =
            Base64URL.encode(header.serialized) + "." + Base64URL.encode(JSONValue.object(claims).serialized)
        return input + "." + Base64URL.encode(try key.signature(over: Array(input.utf8)))
    }

    private func code(_ app: TestApp) async throws -> String {
        let consent = try await app.consentPage(as: "patient-a")
        let back = try await app.browser.post(
            server.issuer + "/consent", Form(consent.text).fields + [("decision", "allow")])
        let query = try #require(back["location"]?.split(separator: "?").last)
        return try #require(try FormParameters(parsing: Array(query.utf8))["code"])
    }

    private func bound() async throws -> JSONValue {
        let app = TestApp(server: server)
        let answer = try await token(
            [
                ("grant_type", "authorization_code"), ("code", try await code(app)),
                ("redirect_uri", TestApp.redirect), ("client_id", "demo-patient-app"), ("code_verifier", app.verifier),
            ], proof: try proof("POST", server.issuer + "/oauth/token"))
        #expect(answer.status == 200, "\(answer.text)")
        return try answer.json()
    }

    private func token(_ form: [(String, String)], proof: String?) async throws -> Answer {
        try await Browser().post(
            server.issuer + "/oauth/token", form, headers: proof.map { [("dpop", $0)] } ?? [])
    }

    private func read(_ token: String, scheme: String = "DPoP", proof: String?) async throws -> Answer {
        var headers = [("authorization", "\(scheme) \(token)"), ("accept", "application/fhir+json")]
        if let proof { headers.append(("dpop", proof)) }
        return try await Browser().get(server.fhir + "/Patient/patient-a", headers: headers)
    }

    @Test(.verifies("oauth-attack@T-29", "oauth-attack@T-30", "attack@ATK-285"))
    func `a bound token reads with its key's proof and with nothing else`() async throws {
        let response = try await bound()
        #expect(response["token_type"] == "DPoP")
        let token = try #require(response["access_token"]?.string)
        let address = server.fhir + "/Patient/patient-a"
        let once = try proof("GET", address, token: token)
        #expect(try await read(token, proof: once).status == 200)
        let other = try PrivateJWK.generate(.es256)
        let wrong: [(String, String?)] = [
            ("DPoP", once), ("DPoP", nil), ("Bearer", nil), ("Bearer", try proof("GET", address, token: token)),
            ("DPoP", try proof("POST", address, token: token)),
            ("DPoP", try proof("GET", server.fhir + "/Patient/patient-b", token: token)),
            ("DPoP", try proof("GET", address, token: "another")), ("DPoP", try proof("GET", address)),
            ("DPoP", try proof("GET", address, token: token, key: other)), ("DPoP", "junk"),
        ]
        for (scheme, proof) in wrong {
            let answer = try await read(token, scheme: scheme, proof: proof)
            #expect(answer.status == 401, "\(scheme)")
        }
        #expect(try await read(token, proof: try proof("GET", address, token: token)).status == 200)
    }

    @Test func `a request with a proof that is explained uses the proof once`() async throws {
        let token = try #require(try await bound()["access_token"]?.string)
        let address = server.fhir + "/Patient/patient-a"

        let answer = try await Browser().get(
            address,
            headers: [
                ("authorization", "DPoP \(token)"), ("dpop", try proof("GET", address, token: token)),
                ("chaperone-explain", "1"),
            ])

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer["chaperone-explanation"]?.contains("permitted") == true)
    }

    @Test(.verifies("oauth-attack@T-30"))
    func `a bearer token is not made better by a proof, and a bound one is none at UserInfo`() async throws {
        let bearer = try #require(try await TestApp(server: server).launch()["access_token"]?.string)
        let address = server.fhir + "/Patient/patient-a"
        #expect(try await read(bearer, proof: try proof("GET", address, token: bearer)).status == 401)
        let token = try #require(try await bound()["access_token"]?.string)
        let userInfo = try await Browser().get(
            server.issuer + "/oauth/userinfo", headers: [("authorization", "Bearer \(token)")])
        #expect(userInfo.status == 401)
    }

    @Test(.verifies("house@BOUND-CALLERS"))
    func `a bound token is good at UserInfo with its key's proof, and the challenge asks for one`() async throws {
        let token = try #require(try await bound()["access_token"]?.string)
        let address = server.issuer + "/oauth/userinfo"
        func ask(_ proof: String?) async throws -> Answer {
            let headers = [("authorization", "DPoP \(token)")] + (proof.map { [("dpop", $0)] } ?? [])
            return try await Browser().get(address, headers: headers)
        }
        let without = try await ask(nil)
        #expect(without.status == 401)
        #expect(without["www-authenticate"]?.hasPrefix("DPoP ") == true)
        #expect(try await ask(try proof("POST", address, token: token)).status == 401)
        let told = try await ask(try proof("GET", address, token: token))
        #expect(told.status == 200, "\(told.text)")
        #expect(try told.json()["sub"] != nil)
    }

    @Test(.verifies("oauth-attack@T-29"))
    func `a refresh token that was given to a key is renewed by that key`() async throws {
        let response = try await bound()
        let refreshToken = try #require(response["refresh_token"]?.string)
        let form = [
            ("grant_type", "refresh_token"), ("refresh_token", refreshToken), ("client_id", "demo-patient-app"),
        ]
        let endpoint = server.issuer + "/oauth/token"
        let other = try PrivateJWK.generate(.es256)
        for wrong in [nil, try proof("POST", endpoint, key: other)] {
            let answer = try await token(form, proof: wrong)
            #expect(answer.status == 400)
            #expect(try answer.json()["error"] == "invalid_dpop_proof")
        }
        let once = try proof("POST", endpoint)
        let renewed = try await token(form, proof: once)
        #expect(renewed.status == 200)
        // Bound to a key, it need not change (decision 17).
        #expect(try renewed.json()["refresh_token"]?.string == refreshToken)
        #expect(try await token(form, proof: once).status == 400)
    }

    // MARK: - pushed requests

    private func push(_ form: [(String, String)]) async throws -> Answer {
        try await Browser().post(server.issuer + "/oauth/par", form)
    }

    private func authorize(_ uri: String, client: String = "demo-patient-app", more: String = "") async throws
        -> Answer
    {
        try await Browser().get(
            server.issuer + "/oauth/authorize?client_id=\(client)&request_uri=\(FormParameters.encode(uri))\(more)")
    }

    @Test(.verifies("oauth-attack@P-01", "oauth-attack@P-04", "oauth-attack@P-08"))
    func `a pushed request is used once, by its client, and nothing overrides it`() async throws {
        let app = TestApp(server: server)
        let pushed = try await push(app.parameters())
        #expect(pushed.status == 201, "\(pushed.text)")
        let uri = try #require(try pushed.json()["request_uri"]?.string)
        #expect(try pushed.json()["expires_in"]?.int == 90)
        #expect(try await authorize(uri, client: "demo-short-token-app").status == 400)
        let more = "&scope=patient/Coverage.rs&redirect_uri=https://evil.example/"
        let begun = try await authorize(uri, more: more)
        #expect(begun.status == 303)
        #expect(begun["location"]?.hasPrefix("/login") == true, "\(begun["location"] ?? "")")
        let again = try await authorize(uri)
        #expect(again.status == 400)
        #expect(again["location"] == nil)
    }

    @Test(.verifies("house@CODE-KEY"))
    func `a proof in the header of a pushed request is read`() async throws {
        func push(_ proof: String) async throws -> Answer {
            try await Browser().post(
                server.issuer + "/oauth/par", TestApp(server: server).parameters(), headers: [("dpop", proof)])
        }
        let answer = try await push(try proof("POST", server.issuer + "/oauth/par"))
        #expect(answer.status == 201, "\(answer.text)")
        let wrong = try await push(try proof("POST", server.issuer + "/oauth/token"))
        #expect(try wrong.status == 400 && wrong.json()["error"] == "invalid_dpop_proof")
    }

    @Test(.verifies("oauth-attack@P-05", "oauth-attack@P-06"))
    func `what cannot be pushed is refused`() async throws {
        let app = TestApp(server: server)
        let nested = try await push(app.parameters() + [("request_uri", "urn:ietf:params:oauth:request_uri:x")])
        #expect(nested.status == 400)
        #expect(try nested.json()["error"] == "invalid_request")
        #expect(try await Browser().get(server.issuer + "/oauth/par").status == 405)
        let foreign = app.parameters().map { $0.0 == "redirect_uri" ? ($0.0, "https://evil.example/") : $0 }
        #expect(try await push(foreign).status == 400)
        let unknown = app.parameters().map { $0.0 == "client_id" ? ($0.0, "nobody") : $0 }
        #expect(try await push(unknown).status == 401)
        #expect(try await authorize("urn:ietf:params:oauth:request_uri:guess").status == 400)
    }

    @Test(.verifies("oauth-attack@P-09", "oauth-attack@P-10"))
    func `request objects are refused and nothing is fetched`() async throws {
        let app = TestApp(server: server)
        for (name, value, error) in [
            ("request_uri", "https://evil.example/request.jwt", "request_uri_not_supported"),
            ("request", "e30.e30.", "request_not_supported"),
        ] {
            let answer = try await app.browser.get(app.authorizeURL(app.parameters() + [(name, value)]))
            #expect(answer.status == 303)
            #expect(answer["location"]?.contains("error=\(error)") == true)
        }
    }
}
