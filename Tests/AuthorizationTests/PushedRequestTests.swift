import AccessPolicy
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Requests that were pushed (RFC 9126), and requests that name a resource (RFC 8707), on a manual clock.
@Suite struct PushedRequestTests {
    private func push(_ harness: LaunchHarness, _ changes: [String: String?] = [:]) async throws
        -> PushedRequestAnswer
    {
        await harness.server.pushedRequests.answer(
            try LaunchHarness.form(try LaunchHarness.parameters(changes)), authorization: nil, from: harness.source)
    }

    private func uri(_ harness: LaunchHarness) async throws -> String {
        guard case .kept(let body) = try await push(harness) else { throw NotKept() }
        return try #require(try JSONValue(parsing: body)["request_uri"]?.string)
    }

    private func begin(_ harness: LaunchHarness, _ uri: String, client: String = "app") async throws
        -> InteractionAnswer
    {
        await harness.server.authorization.begin(
            try LaunchHarness.form([("client_id", client), ("request_uri", uri)]), session: nil, from: harness.source)
    }

    private struct NotKept: Error {}

    @Test(.verifies("oauth-attack@P-03"), arguments: [(89, true), (90, false)] as [(Int64, Bool)])
    func `a pushed request waits for a minute and a half`(_ age: Int64, _ isGood: Bool) async throws {
        let harness = try await LaunchHarness()
        let uri = try await uri(harness)
        harness.clock.advance(seconds: age)
        let answer = try await begin(harness, uri)
        #expect((answer.login != nil) == isGood)
        if !isGood { #expect(answer.shownError?.code == .invalidRequestURI) }
    }

    @Test(
        .verifies("oauth-attack@P-05"),
        arguments: [
            ("response_type", "token", OAuthError.Code.unsupportedResponseType), ("scope", nil, .invalidScope),
            ("code_challenge", nil, .invalidRequest), ("aud", "https://evil.example/fhir", .invalidTarget),
            ("redirect_uri", "https://evil.example/cb", .invalidRequest), ("client_id", "nobody", .invalidClient),
            ("state", nil, .invalidRequest),
        ] as [(String, String?, OAuthError.Code)])
    func `what the authorization endpoint would refuse cannot be pushed`(
        _ name: String, _ value: String?, _ code: OAuthError.Code
    ) async throws {
        let harness = try await LaunchHarness()
        guard case .refused(let error) = try await push(harness, [name: value]) else { throw NotKept() }
        #expect(error.code == code)
    }

    @Test func `one source cannot push without end`() async throws {
        let harness = try await LaunchHarness()
        for _ in 0..<300 { _ = try await uri(harness) }
        guard case .tooManyRequests = try await push(harness) else { throw NotKept() }
    }

    @Test func `a pushed request leads to the consent that was pushed`() async throws {
        let harness = try await LaunchHarness()
        let begun = try await begin(harness, try await uri(harness))
        let login = try #require(begun.login)
        let answer = await harness.server.interaction.login(
            transaction: login.transaction, username: "anna", password: Secret("pass-anna"),
            session: begun.newCookie, from: harness.source)
        #expect(answer.consent?.offer.items.contains { $0.value == "patient/Observation.rs" } == true)
    }

    // MARK: - resource

    @Test(.verifies("oauth-attack@L-06"))
    func `a token is for the grant's FHIR server whatever the token request names`() async throws {
        let harness = try await LaunchHarness()
        let wrong = try await harness.exchange(
            try await harness.launch(), ["resource": "https://as.example/other"])
        #expect(wrong.face == "400 invalid_target")
        let foreign = try await harness.exchange(try await harness.launch(), ["resource": "https://evil.example"])
        #expect(foreign.face == "400 invalid_target")
        let code = try await harness.launch()
        let right = try await harness.exchange(code, ["resource": LaunchHarness.fhirBase])
        let response = try #require(right.response)
        #expect(try harness.access(response).audience == LaunchHarness.fhirBase)
    }

    @Test func `a service says for which FHIR server it wants its token`() async throws {
        let harness = try await LaunchHarness()
        let claims: JSONValue = [
            "iss": "service", "sub": "service", "aud": "https://as.example/oauth/token", "jti": "r-1",
            "exp": .int(harness.clock.now + 300),
        ]
        let answer = try await harness.token([
            "grant_type": "client_credentials", "scope": "system/Patient.rs",
            "resource": "https://as.example/other",
            "client_assertion": try JWS.sign(claims, type: "JWT", with: SharedKeys.serviceKey),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ])
        let response = try #require(answer.response)
        let token = try JWS.verify(
            response.accessToken.reveal(), keys: harness.server.keys.signer.verificationKeys, rules: .accessToken)
        #expect(token.claims["aud"] == "https://as.example/other")
    }
}
