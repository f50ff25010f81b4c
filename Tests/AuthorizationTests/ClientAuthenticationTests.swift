import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Who may speak at the token endpoint, and backend services.
@Suite struct ClientAuthenticationTests {
    private func assertion(
        _ harness: LaunchHarness, client: String = "service", audience: String = "https://as.example/oauth/token",
        jti: String = "jti-1", life: Int64 = 300, key: PrivateJWK = SharedKeys.serviceKey
    ) throws -> String {
        let claims: JSONValue = [
            "iss": .string(client), "sub": .string(client), "aud": .string(audience), "jti": .string(jti),
            "exp": .int(harness.clock.now + life),
        ]
        return try JWS.sign(claims, type: "JWT", with: key)
    }

    private func request(
        _ harness: LaunchHarness, _ assertion: String, scope: String? = "system/Patient.rs",
        changes: [String: String?] = [:]
    ) async throws -> TokenAnswer {
        var parameters: [String: String?] = [
            "grant_type": "client_credentials", "scope": scope, "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ]
        for (name, value) in changes { parameters[name] = value }
        return try await harness.token(parameters)
    }

    @Test(arguments: ["https://as.example/oauth/token", "https://as.example"])
    func `a service gets a short token for what it is approved for`(_ audience: String) async throws {
        let harness = try await LaunchHarness()
        let answer = try await request(harness, try assertion(harness, audience: audience))
        let response = try #require(answer.response)
        #expect(response.expiresIn == 300)
        #expect(response.scope == "system/Patient.rs")
        #expect(response.refreshToken == nil && response.idToken == nil)
        let access = try harness.access(response).access
        #expect(access.subject == nil)
        #expect(access.launch == LaunchContext())
        #expect(access.program == .payerToPayer)
    }

    @Test(.verifies("oauth-attack@A-16"))
    func `an assertion is good for one use, also after a restart`() async throws {
        let harness = try await LaunchHarness()
        let assertion = try assertion(harness)
        #expect(try await request(harness, assertion).response != nil)
        #expect(try await request(harness, assertion).face == "401 invalid_client")
        let restarted = try await LaunchHarness(store: harness.store, clock: harness.clock, seed: 9, isFresh: false)
        #expect(try await request(restarted, assertion).face == "401 invalid_client")
    }

    @Test(.verifies("house@rate-before-cost"))
    func `bad proofs of one source are soon not verified any more, and good ones never wait`() async throws {
        let harness = try await LaunchHarness()
        let stranger = try PrivateJWK.generate(.es384, keyID: "service-key")

        // Good ones use nothing up.
        for number in 0..<300 {
            #expect(try await request(harness, try assertion(harness, jti: "good-\(number)")).response != nil)
        }
        var answers: [TokenAnswer] = []
        for number in 0..<250 {
            answers.append(try await request(harness, try assertion(harness, jti: "bad-\(number)", key: stranger)))
        }
        #expect(answers.count { $0.face == "401 invalid_client" } == 200)
        #expect(answers.count { $0.isTooMany } == 50)
        // Not even a good one is looked at from there, until a moment has passed.
        #expect(try await request(harness, try assertion(harness, jti: "late")).isTooMany)
        harness.clock.advance(seconds: 1)
        #expect(try await request(harness, try assertion(harness, jti: "later")).response != nil)
    }

    @Test(.verifies("oauth-attack@A-17"))
    func `of 20 parallel uses of an assertion one succeeds`() async throws {
        let harness = try await LaunchHarness()
        let assertion = try assertion(harness)
        let answers = try await withThrowingTaskGroup(of: TokenAnswer.self) { group in
            for _ in 0..<20 { group.addTask { try await request(harness, assertion) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.compactMap(\.response).count == 1)
    }

    @Test(.verifies("oauth-attack@A-19", "oauth-attack@A-20"))
    func `one jti serves two clients, and again after its end`() async throws {
        let harness = try await LaunchHarness()
        #expect(try await request(harness, try assertion(harness)).response != nil)
        #expect(try await request(harness, try assertion(harness, client: "service-2")).response != nil)
        harness.clock.advance(seconds: 331)
        _ = try await harness.server.sweep()
        #expect(try await request(harness, try assertion(harness)).response != nil)
    }

    @Test(.verifies("oauth-attack@A-21", "oauth-attack@A-25", "oauth-attack@A-26"), arguments: 0..<6)
    func `a wrong assertion is no client`(_ index: Int) async throws {
        let harness = try await LaunchHarness()
        let stranger = try PrivateJWK.generate(.es384, keyID: "service-key")
        let wrong = [
            try assertion(harness, audience: "https://evil.test/token"),
            try assertion(harness, audience: "https://as.example/oauth/token/"), try assertion(harness, life: -31),
            try assertion(harness, life: 331), try assertion(harness, client: "nobody"),
            try assertion(harness, key: stranger),
        ]
        #expect(try await request(harness, wrong[index]).face == "401 invalid_client")
        #expect(harness.log.kinds.last == .tokenRefused)
    }

    @Test(
        .verifies("oauth-attack@T-37", "oauth-attack@T-38"),
        arguments: [
            nil, "patient/Patient.rs", "user/Patient.rs", "system/Patient.rs patient/Patient.rs",
            "system/Patient.cruds",
            "system/Condition.rs", "system/Patient.rs system/Condition.rs", "openid", "system/Patient.sr",
        ] as [String?])
    func `a service gets exactly what it is approved for or nothing`(_ scope: String?) async throws {
        let harness = try await LaunchHarness()
        #expect(try await request(harness, try assertion(harness), scope: scope).face == "400 invalid_scope")
    }

    @Test func `a wildcard is answered with the approved types`() async throws {
        let harness = try await LaunchHarness()
        let answer = try await request(harness, try assertion(harness), scope: "system/*.rs")
        #expect(answer.response?.scope == "system/Patient.rs system/Observation.rs")
    }

    @Test(
        .verifies("oauth-attack@A-27", "oauth-attack@A-29", "oauth-attack@A-30"),
        arguments: [
            ("confidential", nil, nil, "401 invalid_client"),
            ("confidential", nil, LaunchHarness.basic("confidential", "wrong"), "401 invalid_client"),
            ("confidential", "confidential-secret", nil, "401 invalid_client"),
            ("app", nil, LaunchHarness.basic("app", "x"), "401 invalid_client"),
            ("app", nil, LaunchHarness.basic("app", ""), "401 invalid_client"),
            ("app", "x", nil, "401 invalid_client"), ("app", nil, "Basic !!!", "401 invalid_client"),
            ("app", nil, "Bearer x", "401 invalid_client"), ("service", nil, nil, "401 invalid_client"),
            ("confidential", "x", LaunchHarness.basic("confidential", "confidential-secret"), "400 invalid_request"),
            ("app", nil, LaunchHarness.basic("confidential", "confidential-secret"), "401 invalid_client"),
            (nil, nil, nil, "401 invalid_client"),
        ] as [(String?, String?, String?, String)])
    func `a client uses the one method it is registered for`(
        _ client: String?, _ secret: String?, _ header: String?, _ face: String
    ) async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let answer = try await harness.exchange(
            code, ["client_id": client, "client_secret": secret], authorization: header)
        #expect(answer.face == face)
    }

    @Test func `a confidential client exchanges its code with its secret`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch(["client_id": "confidential"])
        let basic = LaunchHarness.basic("confidential", "confidential-secret")
        #expect(try await harness.exchange(code, ["client_id": nil], authorization: basic).response != nil)
    }

    @Test func `wrong secrets are slowed down like guesses`() async throws {
        let harness = try await LaunchHarness()
        var answers: [TokenAnswer] = []
        for index in 0..<101 {
            let basic = LaunchHarness.basic("confidential", "guess-\(index)")
            answers.append(try await harness.refresh("x", client: "confidential", authorization: basic))
        }
        #expect(answers.prefix(100).allSatisfy { $0.face == "401 invalid_client" })
        #expect(answers.last?.isTooMany == true)
    }
}
