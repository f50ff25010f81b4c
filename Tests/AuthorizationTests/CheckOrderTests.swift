import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import RequirementTraits
import Testing

@testable import OAuthCore

/// The order of the checks at the token endpoint: of two things that are wrong the earlier one is answered, and done.
@Suite struct CheckOrderTests {
    private static let junk: [String: String?] = [
        "scope": "patient/Patient.cruds", "resource": "https://elsewhere.example/fhir",
    ]

    private func answer(
        _ harness: LaunchHarness, _ parameters: [String: String?], proofs: [String] = []
    ) async throws -> TokenAnswer {
        let form = try LaunchHarness.form(parameters.compactMap { name, value in value.map { (name, $0) } })
        return await harness.server.token.answer(form, authorization: nil, proofs: proofs, from: harness.source)
    }

    private func exchange(_ code: String, _ changes: [String: String?] = [:]) -> [String: String?] {
        [
            "grant_type": "authorization_code", "code": code, "redirect_uri": LaunchHarness.redirect,
            "client_id": "app",
            "code_verifier": LaunchHarness.verifier,
        ].merging(changes) { $1 }
    }

    private func refresh(_ token: Secret, _ changes: [String: String?] = [:]) -> [String: String?] {
        let usual: [String: String?] = [
            "grant_type": "refresh_token", "refresh_token": token.reveal(), "client_id": "app",
        ]
        return usual.merging(changes) { $1 }
    }

    @Test(.verifies("house@token-check-order"))
    func `a used code ends its grant, whatever else is wrong with the request`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let first = try #require(try await harness.exchange(code).response)
        harness.clock.advance(seconds: 30)

        let changes = Self.junk.merging(
            ["redirect_uri": "https://app.example/other", "code_verifier": String?.none] as [String: String?]
        ) { $1 }
        let second = try await answer(harness, exchange(code, changes), proofs: ["junk", "junk"])

        #expect(second.face == "400 invalid_grant")
        #expect(harness.log.kinds.contains(.codeReplayed))
        #expect(try harness.isRefused(first))
    }

    @Test(.verifies("house@token-check-order"))
    func `a replaced refresh token ends its family, whatever else is wrong with the request`() async throws {
        let harness = try await LaunchHarness()
        let first = try #require(try await harness.exchange(try await harness.launch()).response)
        let token = try #require(first.refreshToken)
        #expect(try await harness.refresh(token.reveal()).response != nil)
        harness.clock.advance(seconds: 60)

        let second = try await answer(harness, refresh(token, Self.junk), proofs: ["junk"])

        #expect(second.face == "400 invalid_grant")
        #expect(harness.log.kinds.contains(.refreshReplayed))
        #expect(try harness.isRefused(first))
    }

    @Test(.verifies("house@token-check-order"))
    func `whose it is comes before everything that could end it`() async throws {
        let harness = try await LaunchHarness()
        let first = try #require(try await harness.exchange(try await harness.launch()).response)
        let token = try #require(first.refreshToken)
        #expect(try await harness.refresh(token.reveal()).response != nil)
        harness.clock.advance(seconds: 60)

        #expect(try await answer(harness, refresh(token, ["client_id": "app-2"])).face == "400 invalid_grant")
        #expect(!harness.log.kinds.contains(.refreshReplayed))
        #expect(try !harness.isRefused(first))
    }

    @Test(.verifies("house@token-check-order"))
    func `a wrong verifier spoils the code before a bad proof is looked at, and a good one does not`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()

        // The proof is bad, so there are no tokens, but the code is still good: nothing was redeemed.
        #expect(try await answer(harness, exchange(code), proofs: ["junk"]).face == "400 invalid_dpop_proof")
        #expect(
            try await answer(harness, exchange(code, ["resource": "https://elsewhere.example"])).face
                == "400 invalid_target")
        let wrong = String(LaunchHarness.verifier.dropLast()) + "2"
        #expect(
            try await answer(harness, exchange(code, ["code_verifier": wrong]), proofs: ["junk"]).face
                == "400 invalid_grant")
        #expect(try await answer(harness, exchange(code)).face == "400 invalid_grant")
    }

    @Test(.verifies("house@token-check-order"))
    func `who asks comes before what is asked`() async throws {
        let harness = try await LaunchHarness()

        #expect(
            try await answer(harness, ["grant_type": "password", "client_id": "nobody"]).face == "401 invalid_client")
        #expect(
            try await answer(harness, ["grant_type": "password", "client_id": "app"]).face
                == "400 unsupported_grant_type")
        #expect(
            try await answer(harness, ["grant_type": "client_credentials", "client_id": "app"]).face
                == "400 unauthorized_client")
    }
}
