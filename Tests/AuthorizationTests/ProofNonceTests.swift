import Authorization
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

/// Proofs that have to carry a nonce of ours (RFC 9449 §8).
@Suite struct ProofNonceTests {
    // Made once for all cases; without a key there is no test, so a crash is the right answer.
    private static let key = try! PrivateJWK.generate(.es256)

    private func proof(_ harness: LaunchHarness, nonce: String?, jti: String) throws -> String {
        let members = (Self.key.publicKey.json.object ?? []).filter { ["kty", "crv", "x", "y"].contains($0.name) }
        let header: JSONValue = ["typ": "dpop+jwt", "alg": "ES256", "jwk": .object(members)]
        var claims: [JSONMemberValue] = [
            .init("jti", .string(jti)), .init("htm", "POST"), .init("htu", "https://as.example/oauth/token"),
            .init("iat", .int(harness.clock.now)),
        ]
        if let nonce { claims.append(.init("nonce", .string(nonce))) }
        let input = Base64URL.encode(header.serialized) + "." + Base64URL.encode(JSONValue.object(claims).serialized)
        return input + "." + Base64URL.encode(try Self.key.signature(over: Array(input.utf8)))
    }

    private func exchange(_ harness: LaunchHarness, _ code: String, proof: String) async throws -> TokenAnswer {
        let form = try LaunchHarness.form([
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", LaunchHarness.redirect),
            ("client_id", "app"), ("code_verifier", LaunchHarness.verifier),
        ])
        return await harness.server.token.answer(form, authorization: nil, proofs: [proof], from: harness.source)
    }

    @Test(.verifies("oauth-attack@T-31"))
    func `a proof without our nonce is told to use one, and the code stays good`() async throws {
        let harness = try await LaunchHarness(demandsProofNonces: true)
        let code = try await harness.launch()
        let nonce = try #require(harness.server.token.nextProofNonce)

        #expect(
            try await exchange(harness, code, proof: try proof(harness, nonce: nil, jti: "1")).face
                == "400 use_dpop_nonce")
        #expect(
            try await exchange(harness, code, proof: try proof(harness, nonce: "x", jti: "2")).face
                == "400 use_dpop_nonce")
        let answer = try await exchange(harness, code, proof: try proof(harness, nonce: nonce, jti: "3"))

        #expect(answer.response?.tokenType == .dpop)
    }

    @Test(
        .verifies("oauth-attack@T-31"),
        arguments: [(0, true), (119, true), (240, false), (3600, false)] as [(Int64, Bool)])
    func `a nonce counts for a while`(_ age: Int64, _ isGood: Bool) throws {
        let nonces = ProofNonces(key: try #require(DerivationKey([UInt8](repeating: 3, count: 32))))
        let given: Int64 = 1_800_000_000
        let nonce = nonces.current(at: given)

        #expect(nonces.accepts(nonce, at: given + age) == isGood)
        #expect(!nonces.accepts(nil, at: given))
        #expect(!nonces.accepts(nonce + "x", at: given))
    }

    @Test func `where none is demanded none is given`() async throws {
        #expect(try await LaunchHarness().server.token.nextProofNonce == nil)
    }
}
