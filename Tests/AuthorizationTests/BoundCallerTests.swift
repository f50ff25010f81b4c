import Authorization
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

/// Access tokens that are bound to a key, at the endpoints of ours that take access tokens (RFC 9449 §7).
@Suite struct BoundCallerTests {
    // Made once for all cases; without keys there is no test, so a crash is the right answer.
    private static let key = try! PrivateJWK.generate(.es256)
    private static let other = try! PrivateJWK.generate(.es256)

    enum Door: String, CaseIterable, Sendable {
        case userInfo, introspection, launch

        var address: String {
            switch self {
            case .userInfo: "https://as.example/oauth/userinfo"
            case .introspection: "https://as.example/oauth/introspect"
            case .launch: "https://as.example/launch"
            }
        }
    }

    /// What came back: given, or the status and code of the refusal.
    private enum Face: Equatable { case given, refused(OAuthError.Code?) }

    private func proof(
        _ harness: LaunchHarness, _ key: PrivateJWK = BoundCallerTests.key, to address: String, method: String = "POST",
        token: String? = nil, nonce: String? = nil, jti: String = RandomSource.system.identifier()
    ) throws -> String {
        let members = (key.publicKey.json.object ?? []).filter { ["kty", "crv", "x", "y"].contains($0.name) }
        let header: JSONValue = ["typ": "dpop+jwt", "alg": "ES256", "jwk": .object(members)]
        var claims: [JSONMemberValue] = [
            .init("jti", .string(jti)), .init("htm", .string(method)), .init("htu", .string(address)),
            .init("iat", .int(harness.clock.now)),
        ]
        if let token { claims.append(.init("ath", .string(Base64URL.encode(SHA256Hash.of(Array(token.utf8)))))) }
        if let nonce { claims.append(.init("nonce", .string(nonce))) }
        let input = Base64URL.encode(header.serialized) + "." + Base64URL.encode(JSONValue.object(claims).serialized)
        return input + "." + Base64URL.encode(try key.signature(over: Array(input.utf8)))
    }

    private func knock(
        _ door: Door, _ header: String, _ proofs: [String], _ harness: LaunchHarness, method: String = "POST"
    ) async throws -> Face {
        let presented = PresentedAccessToken(authorizationHeader: header)
        let proofs = ProofHeaders(proofs, method: method)
        switch door {
        case .userInfo:
            switch await harness.server.userInfo.answer(presented, proofs: proofs, from: harness.source) {
            case .claims: return .given
            case .unauthorized(let error): return .refused(error?.code)
            case .forbidden(let error), .refused(let error): return .refused(error.code)
            case .tooManyRequests: return .refused(nil)
            }
        case .introspection:
            let answer = await harness.server.introspection.answer(
                try LaunchHarness.form([("token", "x")]), authorization: header, proofs: proofs, from: harness.source)
            switch answer {
            case .facts: return .given
            case .unauthorized(let error), .forbidden(let error), .refused(let error): return .refused(error.code)
            case .tooManyRequests: return .refused(nil)
            }
        case .launch:
            let answer = await harness.server.launch.create(
                EHR.document(), token: presented, proofs: proofs, from: harness.source)
            switch answer {
            case .created: return .given
            case .unauthorized(let error): return .refused(error?.code)
            case .forbidden(let error), .refused(let error): return .refused(error.code)
            case .tooManyRequests: return .refused(nil)
            }
        }
    }

    /// A token for a door that is bound to the key.
    private func bound(_ door: Door, _ harness: LaunchHarness) async throws -> String {
        let endpoint = "https://as.example/oauth/token"
        let nonce = harness.server.token.nextProofNonce
        var form: [(String, String)]
        switch door {
        case .userInfo:
            form = [
                ("grant_type", "authorization_code"), ("code", try await harness.launch()),
                ("redirect_uri", LaunchHarness.redirect), ("client_id", "app"),
                ("code_verifier", LaunchHarness.verifier),
            ]
        case .introspection, .launch:
            let client = door == .launch ? "ehr" : "resource-server"
            let claims: JSONValue = [
                "iss": .string(client), "sub": .string(client), "aud": .string(endpoint),
                "jti": .string(RandomSource.system.identifier()), "exp": .int(harness.clock.now + 300),
            ]
            form = [
                ("grant_type", "client_credentials"), ("scope", door == .launch ? "__launch.create" : "__introspect"),
                ("client_assertion", try JWS.sign(claims, type: "JWT", with: SharedKeys.serviceKey)),
                ("client_assertion_type", PresentedClient.assertionType),
            ]
        }
        let answer = await harness.server.token.answer(
            try LaunchHarness.form(form), authorization: nil,
            proofs: [try proof(harness, to: endpoint, nonce: nonce)], from: harness.source)
        let response = try #require(answer.response, "\(answer)")
        #expect(response.tokenType == .dpop)
        return response.accessToken.reveal()
    }

    @Test(.verifies("house@BOUND-CALLERS", "oauth-attack@T-30"), arguments: Door.allCases)
    func `a token that is bound to a key is good with a proof for this request and with nothing else`(
        _ door: Door
    ) async throws {
        let harness = try await LaunchHarness()
        let token = try await bound(door, harness)
        let header = "DPoP \(token)"
        let good = try proof(harness, to: door.address, token: token)
        let wrong: [(String, [String], OAuthError.Code)] = [
            ("Bearer \(token)", [], .invalidToken), ("Bearer \(token)", [good], .invalidToken),
            (header, [], .invalidDPoPProof), (header, ["junk"], .invalidDPoPProof),
            (header, [try proof(harness, Self.other, to: door.address, token: token)], .invalidDPoPProof),
            (header, [try proof(harness, to: door.address)], .invalidDPoPProof),
            (header, [try proof(harness, to: door.address, token: "another")], .invalidDPoPProof),
            (header, [try proof(harness, to: "https://as.example/other", token: token)], .invalidDPoPProof),
            (header, [try proof(harness, to: door.address, method: "GET", token: token)], .invalidDPoPProof),
            ("DPoP junk", [good], .invalidToken),
        ]
        for (header, proofs, code) in wrong {
            #expect(try await knock(door, header, proofs, harness) == .refused(code), "\(header.prefix(6)) \(code)")
        }
        #expect(try await knock(door, header, [good], harness) == .given)
        #expect(try await knock(door, header, [good], harness) == .refused(.invalidDPoPProof), "a proof counts once")
    }

    @Test(.verifies("house@BOUND-CALLERS"))
    func `a proof names the method of the request`() async throws {
        let harness = try await LaunchHarness()
        let token = try await bound(.userInfo, harness)
        let proof = try proof(harness, to: Door.userInfo.address, method: "GET", token: token)
        #expect(try await knock(.userInfo, "DPoP \(token)", [proof], harness, method: "GET") == .given)
    }

    @Test(.verifies("oauth-attack@T-30"), arguments: Door.allCases)
    func `a proof makes nothing of a token that is bound to none`(_ door: Door) async throws {
        let harness = try await LaunchHarness()
        let token =
            switch door {
            case .userInfo:
                try #require(try await harness.exchange(try await harness.launch()).response).accessToken.reveal()
            case .introspection: try await EHR.token(harness, client: "resource-server", scope: "__introspect")
            case .launch: try await EHR.token(harness)
            }
        let proof = try proof(harness, to: door.address, token: token)
        #expect(try await knock(door, "DPoP \(token)", [proof], harness) == .refused(.invalidToken))
    }

    @Test(.verifies("oauth-attack@T-31"), arguments: Door.allCases)
    func `where nonces are demanded each proof needs one`(_ door: Door) async throws {
        let harness = try await LaunchHarness(demandsProofNonces: true)
        let token = try await bound(door, harness)
        let header = "DPoP \(token)"
        let without = try proof(harness, to: door.address, token: token)
        #expect(try await knock(door, header, [without], harness) == .refused(.useDPoPNonce))
        let nonce = try #require(harness.server.launch.nextProofNonce)
        let with = try proof(harness, to: door.address, token: token, nonce: nonce)
        #expect(try await knock(door, header, [with], harness) == .given)
    }

    @Test func `the challenge for a proof is in the DPoP scheme`() {
        let challenge = ProofChallenge(realm: "https://as\"x", error: OAuthError(.useDPoPNonce))?.headerValue
        #expect(challenge == "DPoP realm=\"https://as?x\", error=\"use_dpop_nonce\", algs=\"ES256 ES384 RS256 PS384\"")
        #expect(ProofChallenge(realm: "x", error: OAuthError(.invalidToken)) == nil)
        #expect(ProofChallenge(realm: "x", error: nil) == nil)
    }
}
