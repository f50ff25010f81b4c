import AccessPolicy
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import Authorization

/// Secrets of clients: what they cost to check, how they end and how they are changed.
@Suite struct ClientSecretTests {
    private static let now: Int64 = 1_800_000_000
    private static let fresh = ClientSecret(hash: Secret("fresh").hash)
    private static let old = ClientSecret(hash: Secret("old").hash, expiresAt: now + 100)

    /// The secrets, what is presented, when, and whether it counts.
    static let cases: [([ClientSecret], String, Int64, Bool)] = [
        ([], "fresh", now, false), ([], "", now, false), ([fresh], "fresh", now, true), ([fresh], "wrong", now, false),
        ([fresh], "", now, false), ([fresh, old], "fresh", now, true), ([fresh, old], "old", now, true),
        ([fresh, old], "old", now + 99, true), ([fresh, old], "old", now + 100, false),
        ([fresh, old], "fresh", now + 100, true), ([old], "old", now + 100, false),
        ([fresh, old], "wrong", now, false),
    ]

    @Test(.verifies("oauth-attack@A-31"), arguments: cases)
    func `every check compares as often as any other, whatever comes of it`(
        _ secrets: [ClientSecret], _ presented: String, _ now: Int64, _ isAccepted: Bool
    ) {
        var compared = 0
        let result = ClientSecret.accepts(secrets, at: now) { hash in
            compared += 1
            return hash.matches(Secret(presented))
        }

        #expect(result == isAccepted)
        #expect(compared == ClientSecret.most)
    }

    private func harness(_ secrets: [ClientSecret]) async throws -> LaunchHarness {
        let harness = try await LaunchHarness()
        let client = ClientRegistration(
            id: ClientID("rotating"),
            metadata: try ClientMetadata(
                name: "Rotating", redirectURIs: [LaunchHarness.redirect], grantTypes: [.authorizationCode],
                authenticationMethod: .clientSecretBasic),
            status: .active, isTrusted: true, secrets: secrets,
            approvedScopes: try ScopeSet(parsing: LaunchHarness.scope), program: .patientAccess)
        #expect(try await harness.server.clients.reconcile(client, from: harness.source) == .added)
        return harness
    }

    private func answer(_ harness: LaunchHarness, _ client: String, _ secret: String) async throws -> TokenAnswer {
        try await harness.token(
            ["grant_type": "authorization_code", "code": "x", "redirect_uri": "x", "code_verifier": "x"],
            authorization: LaunchHarness.basic(client, secret))
    }

    @Test(.verifies("oauth-attack@A-31"))
    func `an unknown client, a suspended one and a wrong secret have one answer and count alike`() async throws {
        let harness = try await harness([Self.fresh])
        let unknown = try await answer(harness, "nobody", "wrong")
        let wrong = try await answer(harness, "rotating", "wrong")
        let public_ = try await answer(harness, "app", "wrong")

        #expect(unknown.face == "401 invalid_client")
        #expect(unknown.error?.json == wrong.error?.json)
        #expect(unknown.error?.json == public_.error?.json)

        // Guesses at names that nobody has use up the same hundred tries.
        for number in 0..<120 { _ = try await answer(harness, "nobody-\(number)", "wrong") }
        #expect(try await answer(harness, "nobody", "wrong").isTooMany)
        #expect(try await answer(harness, "rotating", "fresh").isTooMany)
    }

    @Test(.verifies("oauth-attack@A-33"))
    func `while a secret is changed both count, and then the old one is over`() async throws {
        let harness = try await harness([Self.fresh, Self.old])
        // Past the client's proof the request fails for its code alone.
        let known = "400 invalid_grant"

        #expect(try await answer(harness, "rotating", "fresh").face == known)
        #expect(try await answer(harness, "rotating", "old").face == known)
        harness.clock.advance(seconds: Self.now + 100 - harness.clock.now)
        #expect(try await answer(harness, "rotating", "old").face == "401 invalid_client")
        #expect(try await answer(harness, "rotating", "fresh").face == known)
    }

    @Test(.verifies("oauth-attack@A-33"))
    func `a secret that has ended lets nobody in`() async throws {
        let harness = try await harness([Self.old])

        harness.clock.advance(seconds: Self.now + 100 - harness.clock.now)

        #expect(try await answer(harness, "rotating", "old").face == "401 invalid_client")
    }
}
