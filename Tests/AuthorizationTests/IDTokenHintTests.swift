import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import Authorization
@testable import OAuthCore

/// An app says with an ID token of ours whom it expects (OpenID Connect Core §3.1.2.1).
struct IDTokenHintTests {
    private func hint(_ harness: LaunchHarness, of person: String, choosing patient: String? = nil) async throws
        -> String
    {
        let code = try await harness.launch(as: person, choosing: patient)
        return try #require(try await harness.exchange(code).response?.idToken).reveal()
    }

    @Test(.verifies("oauth-attack@U-15"), arguments: [nil, "none"])
    func `somebody else than the hinted person is signed in`(_ prompt: String?) async throws {
        let harness = try await LaunchHarness()
        let parent = try await hint(harness, of: "parent", choosing: "patient-b")
        let (_, session) = try await harness.reachConsent()

        let answer = try await harness.begin(["id_token_hint": parent, "prompt": prompt], session: session)

        #expect(answer.redirectParameters?["error"] == "login_required")
        #expect(answer.redirectParameters?["code"] == nil)
    }

    @Test(.verifies("oauth-attack@U-15"))
    func `somebody else than the hinted person signs in`() async throws {
        let harness = try await LaunchHarness()
        let parent = try await hint(harness, of: "parent", choosing: "patient-b")
        let begun = try await harness.begin(["id_token_hint": parent])

        let answer = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: "anna", password: Secret("pass-anna"),
            session: begun.newCookie, from: harness.source)

        #expect(answer.redirectParameters?["error"] == "access_denied")
    }

    @Test(.verifies("oauth-attack@U-15"), arguments: [0, 7200])
    func `the hinted person goes on, also by a hint whose time is over`(_ age: Int64) async throws {
        let harness = try await LaunchHarness()
        let own = try await hint(harness, of: "anna")
        harness.clock.advance(seconds: age)
        let (_, session) = try await harness.reachConsent(["id_token_hint": own])

        let again = try await harness.begin(["id_token_hint": own, "prompt": "none"], session: session)

        #expect(again.redirectParameters?["error"] == "consent_required")
    }

    @Test(.verifies("oauth-attack@U-15"))
    func `who is to sign in again can become the hinted person`() async throws {
        let harness = try await LaunchHarness()
        let parent = try await hint(harness, of: "parent", choosing: "patient-b")
        let (_, session) = try await harness.reachConsent()
        harness.clock.advance(seconds: 1)

        let answer = try await harness.begin(["id_token_hint": parent, "prompt": "login"], session: session)

        #expect(answer.login != nil)
    }

    @Test(.verifies("oauth-attack@U-15"), arguments: ["cut", "unsigned", "changed", "junk", "access"])
    func `what is no ID token of ours for this client is refused`(_ kind: String) async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let response = try #require(try await harness.exchange(code).response)
        let own = try #require(response.idToken).reveal()
        let parts = own.split(separator: ".").map(String.init)
        let hint: String =
            switch kind {
            case "cut": String(own.dropLast(8))
            case "unsigned": parts[0] + "." + parts[1] + "."
            case "changed": parts[0] + "." + parts[1] + "." + String(parts[2].reversed())
            case "access": response.accessToken.reveal()
            default: kind
            }

        let answer = try await harness.begin(["id_token_hint": hint])
        let foreign = try await harness.begin(["id_token_hint": own, "client_id": "app-2"])

        #expect(answer.redirectParameters?["error"] == "invalid_request")
        #expect(foreign.redirectParameters?["error"] == "invalid_request")
    }
}
