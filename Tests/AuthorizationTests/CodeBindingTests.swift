import Authorization
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

/// Codes that are bound to a key before they are made (RFC 9449 §10), on a manual clock.
@Suite struct CodeBindingTests {
    // Made once for all cases; without keys there is no test, so a crash is the right answer.
    private static let key = try! PrivateJWK.generate(.es256)
    private static let other = try! PrivateJWK.generate(.es256)
    private static let par = "https://as.example/oauth/par"
    private static let token = "https://as.example/oauth/token"

    private func proof(
        _ harness: LaunchHarness, _ key: PrivateJWK = CodeBindingTests.key, to address: String = CodeBindingTests.token,
        nonce: String? = nil,
        jti: String = RandomSource.system.identifier()
    ) throws -> String {
        let members = (key.publicKey.json.object ?? []).filter { ["kty", "crv", "x", "y"].contains($0.name) }
        let header: JSONValue = ["typ": "dpop+jwt", "alg": "ES256", "jwk": .object(members)]
        var claims: [JSONMemberValue] = [
            .init("jti", .string(jti)), .init("htm", "POST"), .init("htu", .string(address)),
            .init("iat", .int(harness.clock.now)),
        ]
        if let nonce { claims.append(.init("nonce", .string(nonce))) }
        let input = Base64URL.encode(header.serialized) + "." + Base64URL.encode(JSONValue.object(claims).serialized)
        return input + "." + Base64URL.encode(try key.signature(over: Array(input.utf8)))
    }

    private func redeem(_ harness: LaunchHarness, _ code: String, proofs: [String]) async throws -> TokenAnswer {
        let form = try LaunchHarness.form([
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", LaunchHarness.redirect),
            ("client_id", "app"), ("code_verifier", LaunchHarness.verifier),
        ])
        return await harness.server.token.answer(form, authorization: nil, proofs: proofs, from: harness.source)
    }

    private func push(
        _ harness: LaunchHarness, _ changes: [String: String?] = [:], proofs: [String]
    ) async throws -> PushedRequestAnswer {
        await harness.server.pushedRequests.answer(
            try LaunchHarness.form(try LaunchHarness.parameters(changes)), authorization: nil, proofs: proofs,
            from: harness.source)
    }

    private struct NotKept: Error {}

    /// A code for a request that was pushed.
    private func code(
        _ harness: LaunchHarness, _ changes: [String: String?] = [:], pushedWith proofs: [String]
    ) async throws -> String {
        guard case .kept(let body) = try await push(harness, changes, proofs: proofs) else { throw NotKept() }
        let uri = try #require(try JSONValue(parsing: body)["request_uri"]?.string)
        let begun = await harness.server.authorization.begin(
            try LaunchHarness.form([("client_id", "app"), ("request_uri", uri)]), session: nil, from: harness.source)
        let answer = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: "anna", password: Secret("pass-anna"),
            session: begun.newCookie, from: harness.source)
        let decided = try await harness.decide(
            try #require(answer.consent), session: try #require(answer.newCookie))
        return try #require(decided.redirectParameters?["code"])
    }

    /// Only a proof of the right key redeems it, and what failed before spoilt nothing.
    private func isBound(_ code: String, _ harness: LaunchHarness) async throws {
        #expect(try await redeem(harness, code, proofs: []).face == "400 invalid_dpop_proof")
        #expect(
            try await redeem(harness, code, proofs: [try proof(harness, Self.other)]).face == "400 invalid_dpop_proof")
        #expect(try await harness.store.grants(matching: GrantFilter(onlyActive: true), limit: 9).count == 1)
        let response = try #require(try await redeem(harness, code, proofs: [try proof(harness)]).response)
        #expect(response.tokenType == .dpop)
        #expect(
            try harness.access(response).confirmation == .proofKey(thumbprint: Self.key.publicKey.thumbprint))
    }

    @Test(.verifies("house@CODE-KEY"))
    func `a code of a request that names a key is redeemed with a proof of that key and with nothing else`()
        async throws
    {
        let harness = try await LaunchHarness()
        try await isBound(try await harness.launch(["dpop_jkt": Self.key.publicKey.thumbprint]), harness)
    }

    @Test(.verifies("house@CODE-KEY"), arguments: [false, true])
    func `a proof at the pushed request binds the code as the parameter does`(_ namesItToo: Bool) async throws {
        let harness = try await LaunchHarness()
        let code = try await code(
            harness, ["dpop_jkt": namesItToo ? Self.key.publicKey.thumbprint : nil],
            pushedWith: [try proof(harness, to: Self.par)])
        try await isBound(code, harness)
    }

    @Test(.verifies("house@CODE-KEY"))
    func `a pushed request is refused with a proof of another key, a bad one, a used one or two`() async throws {
        let harness = try await LaunchHarness()
        let used = try proof(harness, to: Self.par)
        guard case .kept = try await push(harness, proofs: [used]) else { throw NotKept() }
        let cases: [([String: String?], [String])] = [
            (["dpop_jkt": Self.other.publicKey.thumbprint], [try proof(harness, to: Self.par)]), ([:], [used]),
            ([:], ["junk"]), ([:], [try proof(harness)]),
            ([:], [try proof(harness, to: Self.par), try proof(harness, to: Self.par)]),
        ]
        for (changes, proofs) in cases {
            guard case .refused(let error) = try await push(harness, changes, proofs: proofs) else { throw NotKept() }
            #expect(error.code == .invalidDPoPProof)
        }
    }

    @Test(.verifies("oauth-attack@T-31"))
    func `where nonces are demanded a pushed request's proof needs one too`() async throws {
        let harness = try await LaunchHarness(demandsProofNonces: true)
        guard case .refused(let error) = try await push(harness, proofs: [try proof(harness, to: Self.par)]) else {
            throw NotKept()
        }
        #expect(error.code == .useDPoPNonce)
        let nonce = try #require(harness.server.pushedRequests.nextProofNonce)
        guard case .kept = try await push(harness, proofs: [try proof(harness, to: Self.par, nonce: nonce)]) else {
            throw NotKept()
        }
    }

    @Test(
        .verifies("house@CODE-KEY"),
        arguments: ["x", String(repeating: "A", count: 44), String(repeating: "_", count: 43)])
    func `what is no thumbprint is refused and not left out`(_ text: String) async throws {
        let harness = try await LaunchHarness()
        let answer = try await harness.begin(["dpop_jkt": text])
        #expect(answer.redirectParameters?["error"] == "invalid_request", "\(answer.outcome)")
    }

    @Test func `a code that is bound to nothing needs no proof`() async throws {
        let harness = try await LaunchHarness()
        #expect(try await redeem(harness, try await harness.launch(), proofs: []).response?.tokenType == .bearer)
    }
}
