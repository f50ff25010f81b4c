import AccessPolicy
import Authorization
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

/// What introspection says of tokens that are bound to a key (RFC 9449 §6.2); certificates are in `MutualTLSTests`.
@Suite struct IntrospectionConfirmationTests {
    // Made once for all cases; without a key there is no test, so a crash is the right answer.
    private static let key = try! PrivateJWK.generate(.es256)

    private func proof(_ harness: LaunchHarness) throws -> String {
        let members = (Self.key.publicKey.json.object ?? []).filter { ["kty", "crv", "x", "y"].contains($0.name) }
        let header: JSONValue = ["typ": "dpop+jwt", "alg": "ES256", "jwk": .object(members)]
        let claims: JSONValue = [
            "jti": "proof-1", "htm": "POST", "htu": "https://as.example/oauth/token", "iat": .int(harness.clock.now),
        ]
        let input = Base64URL.encode(header.serialized) + "." + Base64URL.encode(claims.serialized)
        return input + "." + Base64URL.encode(try Self.key.signature(over: Array(input.utf8)))
    }

    /// The thumbprint as RFC 7638 §3 computes it, written out here.
    private func thumbprint() throws -> String {
        let json = Self.key.publicKey.json
        let x = try #require(json["x"]?.string)
        let y = try #require(json["y"]?.string)
        return Base64URL.encode(
            SHA256Hash.of(Array("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"\(x)\",\"y\":\"\(y)\"}".utf8)))
    }

    private func facts(_ harness: LaunchHarness, _ token: Secret) async throws -> JSONValue {
        let bearer = "Bearer " + (try await EHR.token(harness, client: "resource-server", scope: "__introspect"))
        let answer = await harness.server.introspection.answer(
            try LaunchHarness.form([("token", token.reveal())]), authorization: bearer, from: harness.source)
        guard case .facts(let facts) = answer else {
            Issue.record("\(answer)")
            return [:]
        }
        return facts
    }

    @Test(.verifies("house@INTROSPECTION-CNF"), arguments: ["app", "references"])
    func `the facts of a token that is bound to a key name the key`(_ client: String) async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch(["client_id": client])
        let form = try LaunchHarness.form(
            [
                ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", LaunchHarness.redirect),
                ("code_verifier", LaunchHarness.verifier),
            ] + (client == "app" ? [("client_id", client)] : []))
        let answer = await harness.server.token.answer(
            form, authorization: client == "app" ? nil : LaunchHarness.basic(client, "\(client)-secret"),
            proofs: [try proof(harness)], from: harness.source)
        let response = try #require(answer.response)

        let facts = try await facts(harness, response.accessToken)

        #expect(facts["active"] == true)
        #expect(facts["cnf"] == ["jkt": .string(try thumbprint())])
        #expect(facts["token_type"] == "DPoP")
        // RFC 9449 §5: a public client's refresh token is bound to the key; a confidential one's to the client.
        let renewing = try await self.facts(harness, try #require(response.refreshToken))
        #expect(renewing["active"] == true)
        #expect(renewing["token_type"] == "refresh_token")
        #expect(renewing["cnf"] == (client == "app" ? ["jkt": .string(try thumbprint())] : nil))
    }

    @Test(.verifies("house@INTROSPECTION-CNF"))
    func `the facts of a token that is bound to nothing name nothing`() async throws {
        let harness = try await LaunchHarness()
        let response = try #require(try await harness.exchange(try await harness.launch()).response)
        let facts = try await facts(harness, response.accessToken)
        #expect(facts["active"] == true)
        #expect(facts["cnf"] == nil)
        #expect(facts["token_type"] == "Bearer")
        let renewing = try await self.facts(harness, try #require(response.refreshToken))
        #expect(renewing["active"] == true)
        #expect(renewing["cnf"] == nil)
    }
}
