import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

/// Proofs of possession (RFC 9449 §4.3).
@Suite struct DPoPProofTests {
    private static let key = try! PrivateJWK.generate(.es256)
    private static let now: Int64 = 1_800_000_000
    private static let address = "https://as.example/oauth/token"

    private func proof(
        _ changes: [String: JSONValue?] = [:], header changesOfHeader: [String: JSONValue?] = [:],
        key: PrivateJWK = key
    ) throws -> String {
        var header: [String: JSONValue] = [
            "typ": "dpop+jwt", "alg": "ES256", "jwk": try ProofKey.publicJWK(of: key),
        ]
        for (name, value) in changesOfHeader { header[name] = value }
        var claims: [String: JSONValue] = [
            "jti": "proof-1", "htm": "POST", "htu": .string(Self.address), "iat": .int(Self.now),
        ]
        for (name, value) in changes { claims[name] = value }
        return try ProofKey.sign(header: header, claims: claims, with: key)
    }

    private func check(_ proof: String, token: Secret? = nil) throws(JOSEError) -> DPoPProof {
        try DPoPProof(proof, for: .init(method: "POST", address: Self.address, token: token), now: Self.now)
    }

    @Test func `a good proof names its key`() throws {
        let proof = try check(try proof())
        #expect(proof.thumbprint == Self.key.publicKey.thumbprint)
        #expect(proof.tokenID == "proof-1")
        #expect(try check(try self.proof(["htu": "https://as.example/oauth/token?x=1#y"])).tokenID == "proof-1")
    }

    @Test(
        .verifies("oauth-attack@T-29"),
        arguments: [
            ["htm": "GET"], ["htm": nil], ["htu": "https://as.example/oauth/token/"],
            ["htu": "https://evil.example/oauth/token"], ["htu": nil], ["iat": .int(now - 91)],
            ["iat": .int(now + 31)], ["iat": nil], ["iat": "1800000000"], ["jti": nil], ["jti": ""],
        ] as [[String: JSONValue?]])
    func `a proof about something else, or of another time, proves nothing`(_ changes: [String: JSONValue?]) throws {
        let proof = try proof(changes)
        #expect(throws: JOSEError.self) { try check(proof) }
    }

    @Test(
        .verifies("oauth-attack@T-29"),
        arguments: [
            ["typ": "JWT"], ["typ": nil], ["alg": "none"], ["alg": "HS256"], ["alg": "ES384"], ["jwk": nil],
            ["jwk": ["kty": "oct", "k": "AAAA"]], ["crit": ["b64"]],
        ] as [[String: JSONValue?]])
    func `a proof with another header proves nothing`(_ changes: [String: JSONValue?]) throws {
        let proof = try proof(header: changes)
        #expect(throws: JOSEError.self) { try check(proof) }
    }

    @Test(.verifies("oauth-attack@T-29"))
    func `a private key in the header, another key and a changed byte are refused`() throws {
        let leaked = try proof(header: ["jwk": try Self.key.json()])
        #expect(throws: JOSEError.privateKeyMaterial) { try check(leaked) }
        let other = try PrivateJWK.generate(.es256)
        let foreign = try proof(header: ["jwk": try ProofKey.publicJWK(of: other)])
        #expect(throws: JOSEError.signatureInvalid) { try check(foreign) }
        let good = try proof()
        let changed = String(good.dropLast(4)) + (good.hasSuffix("AAAA") ? "BBBB" : "AAAA")
        #expect(throws: JOSEError.self) { try check(changed) }
    }

    @Test(.verifies("oauth-attack@T-29"))
    func `with a token the proof must name that token`() throws {
        let token = Secret("token")
        let digest = Base64URL.encode(SHA256Hash.of(Array("token".utf8)))
        #expect(try check(try proof(["ath": .string(digest)]), token: token).tokenID == "proof-1")
        let without = try proof()
        #expect(throws: JOSEError.self) { try check(without, token: token) }
        let another = try proof(["ath": .string(Base64URL.encode(SHA256Hash.of([1])))])
        #expect(throws: JOSEError.claimRefused("ath")) { try check(another, token: token) }
    }
}

/// A client's own maker of proofs.
enum ProofKey {
    static func publicJWK(of key: PrivateJWK) throws -> JSONValue {
        let kept = (key.publicKey.json.object ?? []).filter { ["kty", "crv", "x", "y"].contains($0.name) }
        return .object(kept)
    }

    static func sign(
        header: [String: JSONValue], claims: [String: JSONValue], with key: PrivateJWK
    ) throws -> String {
        let head = JSONValue.object(header.map { JSONMemberValue($0.key, $0.value) })
        let body = JSONValue.object(claims.map { JSONMemberValue($0.key, $0.value) })
        let input = Base64URL.encode(head.serialized) + "." + Base64URL.encode(body.serialized)
        return input + "." + Base64URL.encode(try key.signature(over: Array(input.utf8)))
    }
}
