import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// `id_token_hint` at the authorization endpoint (OpenID Connect Core §3.1.2.1): whom the app means.
@Suite struct IDTokenHintTests {
    /// A person's session, and an ID token of theirs for a client.
    private struct Visitor {
        let session: Secret
        let idToken: String
    }

    private func visitor(
        _ harness: LaunchHarness, _ person: String = "anna", client: String = "app"
    ) async throws -> Visitor {
        let (page, session) = try await harness.reachConsent(as: person, ["client_id": client])
        let answer = try await harness.decide(page, session: session)
        let code = try #require(answer.redirectParameters?["code"])
        let response = try #require(try await harness.exchange(code, ["client_id": client]).response)
        return Visitor(session: session, idToken: try #require(response.idToken).reveal())
    }

    private func signIn(
        _ harness: LaunchHarness, _ begun: InteractionAnswer, as person: String, session: Secret?
    ) async throws -> InteractionAnswer {
        await harness.server.interaction.login(
            transaction: try #require(begun.login, "\(begun.outcome)").transaction, username: person,
            password: Secret("pass-\(person)"), session: session, from: harness.source)
    }

    /// The ID token with other claims, signed by a key.
    private static func changed(
        _ token: String, with key: PrivateJWK, _ changes: [String: JSONValue] = [:]
    ) throws -> String {
        let parts = token.split(separator: ".")
        let claims = try JSONValue(parsing: try #require(Base64URL.decode(String(parts[1]))))
        let members = (claims.object ?? []).map { JSONMemberValue($0.name, changes[$0.name] ?? $0.value) }
        return try JWS.sign(.object(members), type: "JWT", with: key)
    }

    // MARK: - refusals

    @Test(
        .verifies("oauth-attack@U-15"),
        arguments: [
            "junk", "foreign key", "same kid, foreign key", "unsigned", "cut", "access token", "another client",
            "another issuer",
        ])
    func `a hint that is no ID token of ours for the client is refused`(_ kind: String) async throws {
        let harness = try await LaunchHarness()
        let good = try await visitor(harness)
        let ours = harness.server.keys.signer.idTokenKey.keyID
        let hint =
            switch kind {
            case "foreign key": try Self.changed(good.idToken, with: try .generate(.rs256, keyID: "other"))
            case "same kid, foreign key": try Self.changed(good.idToken, with: try .generate(.rs256, keyID: ours))
            case "unsigned": good.idToken.split(separator: ".").prefix(2).joined(separator: ".") + "."
            case "cut": String(good.idToken.dropLast(2))
            case "access token":
                try #require(try await harness.exchange(try await harness.launch()).response).accessToken.reveal()
            case "another client": try await visitor(harness, client: "app-2").idToken
            case "another issuer":
                try Self.changed(
                    good.idToken, with: harness.server.keys.signer.idTokenKey, ["iss": "https://other.example"])
            default: kind
            }
        for prompt in [nil, "none"] as [String?] {
            let answer = try await harness.begin(["id_token_hint": hint, "prompt": prompt], session: good.session)
            #expect(answer.redirectParameters?["error"] == "invalid_request", "\(answer.outcome)")
            #expect(answer.redirectParameters?["state"] == "state-1")
        }
    }

    @Test(.verifies("oauth-attack@U-15"))
    func `without a page nobody else than the hinted person gets a code`() async throws {
        let harness = try await LaunchHarness()
        let anna = try await visitor(harness)
        let ben = try await visitor(harness, "ben")
        let silent: [String: String?] = ["id_token_hint": anna.idToken, "prompt": "none"]

        let other = try await harness.begin(silent, session: ben.session)
        #expect(other.redirectParameters?["error"] == "login_required")
        let nobody = try await harness.begin(silent)
        #expect(nobody.redirectParameters?["error"] == "login_required")
        // The person of the hint is there: what is missing is only the consent.
        let same = try await harness.begin(silent, session: anna.session)
        #expect(same.redirectParameters?["error"] == "consent_required")
    }

    @Test(.verifies("oauth-attack@U-15"))
    func `is somebody else signed in a new sign-in is asked for, and theirs leads to no code`() async throws {
        let harness = try await LaunchHarness()
        let anna = try await visitor(harness)
        let ben = try await visitor(harness, "ben")
        harness.clock.advance(seconds: 5)

        let begun = try await harness.begin(["id_token_hint": anna.idToken], session: ben.session)
        #expect(begun.login != nil, "\(begun.outcome)")
        let again = try await signIn(harness, begun, as: "ben", session: ben.session)
        #expect(again.redirectParameters?["error"] == "login_required", "\(again.outcome)")
        let record = try #require(harness.log.records.last)
        #expect(record.kind == .authorizationRefused && record.outcome == .refused(reason: "login_required"))

        harness.clock.advance(seconds: 5)
        let second = try await harness.begin(["id_token_hint": anna.idToken], session: again.newCookie)
        let right = try await signIn(harness, second, as: "anna", session: again.newCookie)
        #expect(right.consent?.personName == "ANNA", "\(right.outcome)")
    }

    @Test(.verifies("oauth-attack@U-15"))
    func `who signs in for the hint of another gets no code`() async throws {
        let harness = try await LaunchHarness()
        let hint = try await visitor(harness).idToken
        let begun = try await harness.begin(["id_token_hint": hint])
        let answer = try await signIn(harness, begun, as: "ben", session: begun.newCookie)
        #expect(answer.redirectParameters?["error"] == "login_required", "\(answer.outcome)")
    }

    @Test func `the hint of an app counts beside the person that the EHR made the launch for`() async throws {
        let harness = try await LaunchHarness()
        let hint = try await visitor(harness).idToken
        let made = try await EHR.launch(harness)
        let begun = try await harness.begin(EHR.request(made).merging(["id_token_hint": hint]) { $1 })
        let answer = try await signIn(harness, begun, as: "anna", session: begun.newCookie)
        #expect(answer.redirectParameters?["error"] == "access_denied", "\(answer.outcome)")
    }

    @Test(.verifies("oauth-attack@U-15"))
    func `a pushed request is refused for its hint when it is pushed`() async throws {
        let harness = try await LaunchHarness()
        let form = try LaunchHarness.form(try LaunchHarness.parameters(["id_token_hint": "junk"]))
        let answer = await harness.server.pushedRequests.answer(form, authorization: nil, from: harness.source)
        guard case .refused(let error) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(error.code == .invalidRequest)
    }

    // MARK: - what goes on

    @Test(.verifies("oauth-attack@U-15"))
    func `a hint that is over is a hint all the same`() async throws {
        let harness = try await LaunchHarness()
        let anna = try await visitor(harness)
        harness.clock.advance(seconds: 4 * 3600)

        let begun = try await harness.begin(["id_token_hint": anna.idToken])
        let answer = try await signIn(harness, begun, as: "anna", session: begun.newCookie)
        #expect(answer.consent != nil, "\(answer.outcome)")
    }
}
