import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Introspection (RFC 7662, SMART 2.2 token-introspection), UserInfo, and tokens that are references.
@Suite struct IntrospectionTests {
    private func granted(
        _ harness: LaunchHarness, as client: String = "app", scope: String = LaunchHarness.scope
    ) async throws -> TokenResponse {
        let isConfidential = client != "app" && client != "app-2"
        let code = try await harness.launch(["client_id": client, "scope": scope])
        let answer = try await harness.exchange(
            code, ["client_id": isConfidential ? nil : client],
            authorization: isConfidential ? LaunchHarness.basic(client, "\(client)-secret") : nil)
        return try #require(answer.response)
    }

    private func ask(
        _ harness: LaunchHarness, _ token: String, authorization: String?, extra: [(String, String)] = []
    ) async throws -> IntrospectionAnswer {
        await harness.server.introspection.answer(
            try LaunchHarness.form([("token", token)] + extra), authorization: authorization, from: harness.source)
    }

    private func resourceServer(_ harness: LaunchHarness) async throws -> String {
        "Bearer " + (try await EHR.token(harness, client: "resource-server", scope: "__introspect"))
    }

    // MARK: - who may ask

    @Test(
        .verifies("oauth-attack@T-20"),
        arguments: [nil, "Bearer junk", "Basic !!!", "DPoP x", LaunchHarness.basic("confidential", "wrong")])
    func `who does not prove who it is is told nothing`(_ header: String?) async throws {
        let harness = try await LaunchHarness()
        let token = try await granted(harness).accessToken.reveal()
        let answer = try await ask(
            harness, token, authorization: header, extra: header == nil ? [("client_id", "app")] : [])
        guard case .unauthorized = answer else { throw Unexpected(answer) }
    }

    @Test(.verifies("oauth-attack@T-20"))
    func `a person's token may not ask, however good it is`() async throws {
        let harness = try await LaunchHarness()
        let token = try await granted(harness).accessToken.reveal()
        let answer = try await ask(harness, token, authorization: "Bearer \(token)")
        guard case .forbidden(let error) = answer else { throw Unexpected(answer) }
        #expect(error.code == .insufficientScope)
    }

    @Test(.verifies("oauth-attack@T-21"))
    func `a client without the permission sees its own tokens and nobody else's`() async throws {
        let harness = try await LaunchHarness()
        let own = try await granted(harness, as: "confidential").accessToken.reveal()
        let foreign = try await granted(harness).accessToken.reveal()
        let basic = LaunchHarness.basic("confidential", "confidential-secret")
        guard case .facts(let seen) = try await ask(harness, own, authorization: basic),
            case .facts(let hidden) = try await ask(harness, foreign, authorization: basic)
        else { throw Unexpected(nil) }
        #expect(seen["active"] == true)
        #expect(hidden == ["active": false])
    }

    @Test(.verifies("oauth-attack@T-23"), arguments: 0..<6)
    func `what is not good now is inactive, and nothing more is said`(_ which: Int) async throws {
        let harness = try await LaunchHarness()
        let response = try await granted(harness)
        var token = response.accessToken.reveal()
        switch which {
        case 0: harness.clock.advance(seconds: 600)
        case 1:
            _ = try await harness.server.access.revoke(
                .grant(try harness.access(response).access.grantID), because: .person, by: "t", from: harness.source)
        case 2:
            _ = try await harness.server.access.revoke(
                .user(try #require(try harness.access(response).access.subject)), because: .accountDisabled, by: "t",
                from: harness.source)
        case 3:
            _ = try await harness.server.access.revoke(
                .client(ClientID("app")), because: .clientSuspended, by: "t", from: harness.source)
        case 4: token = "junk"
        default: token = try #require(response.idToken).reveal()
        }
        let answer = try await ask(harness, token, authorization: try await resourceServer(harness))
        guard case .facts(let facts) = answer else { throw Unexpected(answer) }
        #expect(facts == ["active": false])
    }

    @Test func `the refresh token of somebody who has signed out is inactive`() async throws {
        let harness = try await LaunchHarness()
        let (page, session) = try await harness.reachConsent([
            "scope": "launch/patient openid online_access patient/Patient.rs"
        ])
        let end = try await harness.decide(page, session: session)
        let code = try #require(end.redirectParameters?["code"])
        let exchanged = try await harness.exchange(code)
        let token = try #require(exchanged.response?.refreshToken).reveal()
        _ = await harness.server.interaction.signOut(session: session, from: harness.source)
        let answer = try await ask(harness, token, authorization: try await resourceServer(harness))
        guard case .facts(let facts) = answer else { throw Unexpected(answer) }
        #expect(facts == ["active": false])
    }

    // MARK: - what is told

    @Test func `a resource server is told what SMART asks for`() async throws {
        let harness = try await LaunchHarness()
        let response = try await granted(harness)
        let claims = try harness.access(response)
        let answer = try await ask(
            harness, response.accessToken.reveal(), authorization: try await resourceServer(harness))
        guard case .facts(let facts) = answer else { throw Unexpected(answer) }
        #expect(facts["active"] == true)
        #expect(facts["scope"]?.string == response.scope)
        #expect(facts["client_id"] == "app")
        #expect(facts["exp"]?.int == claims.access.expiresAt)
        #expect(facts["patient"] == "patient-a")
        #expect(facts["need_patient_banner"] == true)
        #expect(facts["iss"]?.string == LaunchHarness.issuer)
        #expect(facts["sub"]?.string == claims.access.subject?.text)
        #expect(facts["fhirUser"]?.string == "\(LaunchHarness.fhirBase)/Patient/patient-a")
        #expect(facts["token_type"] == "Bearer")
        #expect(harness.log.records.last?.kind == .introspect)
    }

    @Test(arguments: ["access_token", "refresh_token", "nonsense"])
    func `the hint does not matter, and a refresh token has facts too`(_ hint: String) async throws {
        let harness = try await LaunchHarness()
        let response = try await granted(harness)
        let bearer = try await resourceServer(harness)
        for token in [response.accessToken, try #require(response.refreshToken)] {
            let answer = try await ask(
                harness, token.reveal(), authorization: bearer, extra: [("token_type_hint", hint)])
            guard case .facts(let facts) = answer else { throw Unexpected(answer) }
            #expect(facts["active"] == true)
        }
    }

    @Test func `a refresh with a smaller scope keeps the context, and both say the smaller scope`() async throws {
        let harness = try await LaunchHarness()
        let first = try await granted(harness)
        let refreshToken = try #require(first.refreshToken).reveal()
        let smaller = "patient/Patient.rs"
        let renewed = try #require(try await harness.refresh(refreshToken, scope: smaller).response)
        #expect(renewed.scope == smaller)
        #expect(renewed.launch.patient?.text == "patient-a")
        #expect(try harness.access(renewed).access.launch.patient?.text == "patient-a")
        let answer = try await ask(
            harness, renewed.accessToken.reveal(), authorization: try await resourceServer(harness))
        guard case .facts(let facts) = answer else { throw Unexpected(answer) }
        #expect(facts["scope"]?.string == smaller)
        #expect(facts["patient"] == "patient-a")
        // The grant is not smaller for it.
        let next = try #require(renewed.refreshToken).reveal()
        #expect(try await harness.refresh(next).response?.scope == first.scope)
    }

    // MARK: - references

    @Test func `a client can have tokens that say nothing by themselves`() async throws {
        let harness = try await LaunchHarness()
        let response = try await granted(harness, as: "references")
        let token = response.accessToken.reveal()
        #expect(token.split(separator: ".").count == 2)
        #expect(throws: JOSEError.self) {
            try JWS.verify(token, keys: harness.server.keys.signer.verificationKeys, rules: .accessToken)
        }
        let claims = try #require(
            try harness.server.references.claims(of: token, audience: LaunchHarness.fhirBase, at: harness.clock.now))
        #expect(claims.access.launch.patient?.text == "patient-a")
        #expect(claims.scope == response.scope)
        let answer = try await ask(harness, token, authorization: try await resourceServer(harness))
        guard case .facts(let facts) = answer else { throw Unexpected(answer) }
        #expect(facts["active"] == true && facts["patient"] == "patient-a")
        _ = try await harness.server.access.revoke(
            .grant(claims.access.grantID), because: .person, by: "t", from: harness.source)
        #expect(harness.server.revocationState.refuses(claims.access))
        guard
            case .facts(let after) = try await ask(
                harness, token, authorization: try await resourceServer(harness))
        else { throw Unexpected(nil) }
        #expect(after == ["active": false])
    }

    @Test(.verifies("oauth-attack@T-26"))
    func `a reference is good for its own base, to its end, and cannot be guessed`() async throws {
        let harness = try await LaunchHarness()
        let token = try await granted(harness, as: "references").accessToken.reveal()
        let references = harness.server.references
        #expect(throws: JOSEError.claimRefused("aud")) {
            try references.claims(of: token, audience: "https://as.example/other", at: harness.clock.now)
        }
        let changed = String(token.dropLast()) + (token.hasSuffix("A") ? "E" : "A")
        for junk in [changed, "a.b", "", token + ".x", "x" + token] {
            #expect(try references.claims(of: junk, audience: LaunchHarness.fhirBase, at: harness.clock.now) == nil)
        }
        harness.clock.advance(seconds: 600)
        #expect(throws: JOSEError.expired) {
            try references.claims(of: token, audience: LaunchHarness.fhirBase, at: harness.clock.now)
        }
    }

    @Test(.verifies("oauth-attack@S-01"))
    func `8 kB of scopes pass, and their token is short enough for any proxy`() async throws {
        let harness = try await LaunchHarness()
        let many = (0..<400).map { "patient/Observation.rs?code=http://l|\($0)" }.joined(separator: " ")
        let wanted = "launch/patient openid " + many
        #expect(wanted.utf8.count > 8192)
        let response = try await granted(harness, scope: wanted)
        #expect(response.accessToken.reveal().utf8.count < 100)
        #expect(response.scope.utf8.count > 8192)
        let access = try #require(
            try harness.server.references.claims(
                of: response.accessToken.reveal(), audience: LaunchHarness.fhirBase, at: harness.clock.now)
        ).access
        #expect(access.scopes.count == 400)
    }

    @Test func `a reference can be given back`() async throws {
        let harness = try await LaunchHarness()
        let response = try await granted(harness, as: "references")
        let form = try LaunchHarness.form([("token", response.accessToken.reveal())])
        guard
            case .done = await harness.server.revocation.answer(
                form, authorization: LaunchHarness.basic("references", "references-secret"), from: harness.source)
        else { throw Unexpected(nil) }
        let claims = try #require(
            try harness.server.references.claims(
                of: response.accessToken.reveal(), audience: LaunchHarness.fhirBase, at: harness.clock.now))
        #expect(harness.server.revocationState.refuses(claims.access))
    }

    // MARK: - UserInfo

    @Test func `UserInfo tells who signed in, to whom may know it`() async throws {
        let harness = try await LaunchHarness()
        let response = try await granted(harness)
        guard
            case .claims(let claims) = await harness.server.userInfo.answer(
                .bearer(response.accessToken), from: harness.source)
        else {
            throw Unexpected(nil)
        }
        #expect(claims["sub"]?.string == (try harness.access(response)).access.subject?.text)
        #expect(claims["fhirUser"]?.string == "\(LaunchHarness.fhirBase)/Patient/patient-a")
        let narrow = try await granted(harness, scope: "launch/patient patient/Patient.rs")
        guard case .forbidden = await harness.server.userInfo.answer(.bearer(narrow.accessToken), from: harness.source)
        else {
            throw Unexpected(nil)
        }
        guard case .unauthorized(nil) = await harness.server.userInfo.answer(.none, from: harness.source) else {
            throw Unexpected(nil)
        }
        let idToken = try #require(response.idToken)
        guard case .unauthorized(.some) = await harness.server.userInfo.answer(.bearer(idToken), from: harness.source)
        else {
            throw Unexpected(nil)
        }
        let records = harness.log.records.filter { $0.kind == .userInfo }
        #expect(
            records.map(\.outcome) == [
                .succeeded, .refused(reason: "insufficient_scope"), .refused(reason: "invalid_token"),
            ])
        #expect(records.first?.clientID == ClientID("app") && records.first?.patient == "patient-a")
        #expect(records.first?.tokenID != nil && records.first?.scopes.contains("openid") == true)
        harness.log.fill()
        guard
            case .refused = await harness.server.userInfo.answer(
                .bearer(response.accessToken), from: harness.source)
        else { throw Unexpected(nil) }
    }

    private struct Unexpected: Error {
        let answer: String
        init(_ answer: IntrospectionAnswer?) { self.answer = "\(String(describing: answer))" }
    }
}
