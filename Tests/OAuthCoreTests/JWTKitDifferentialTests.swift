import FHIRCore
import JWTKit
import RequirementTraits
import Testing

@testable import OAuthCore

/// The claims that both implementations read and write.
struct PeerClaims: JWTPayload, Equatable {
    var sub: String
    var n: Int
    func verify(using algorithm: some JWTAlgorithm) throws {}
}

/// jwt-kit is written by others; what it signs we must accept, and the other way round.
@Suite struct `Against jwt-kit` {
    static func peer(_ algorithm: SignatureAlgorithm, keyID: String) async throws -> JWTKeyCollection {
        let pem = try TestKeys.key(algorithm).pem.reveal()
        let keys = JWTKeyCollection()
        let name = JWKIdentifier(string: keyID)
        switch algorithm {
        case .es256: await keys.add(ecdsa: try ES256PrivateKey(pem: pem), kid: name)
        case .es384: await keys.add(ecdsa: try ES384PrivateKey(pem: pem), kid: name)
        case .rs256: await keys.add(rsa: try Insecure.RSA.PrivateKey(pem: pem), digestAlgorithm: .sha256, kid: name)
        case .rs384: await keys.add(rsa: try Insecure.RSA.PrivateKey(pem: pem), digestAlgorithm: .sha384, kid: name)
        case .ps256: await keys.add(pss: try Insecure.RSA.PrivateKey(pem: pem), digestAlgorithm: .sha256, kid: name)
        case .ps384: await keys.add(pss: try Insecure.RSA.PrivateKey(pem: pem), digestAlgorithm: .sha384, kid: name)
        }
        return keys
    }

    static func peerToken(_ algorithm: SignatureAlgorithm) async throws -> String {
        let keyID = try TestKeys.key(algorithm).keyID
        return try await peer(algorithm, keyID: keyID)
            .sign(PeerClaims(sub: "patient-a", n: 7), kid: JWKIdentifier(string: keyID))
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `a token of theirs is accepted here`(_ algorithm: SignatureAlgorithm) async throws {
        let token = try await Self.peerToken(algorithm)

        let verified = try JWS.verify(token, keys: TestKeys.set, rules: anyAlgorithm)

        #expect(verified.claims["sub"] == "patient-a")
        #expect(verified.claims["n"] == 7)
        #expect(verified.algorithm == algorithm)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `a token of ours is accepted there`(_ algorithm: SignatureAlgorithm) async throws {
        let key = try TestKeys.key(algorithm)
        let token = try JWS.sign(["sub": "patient-a", "n": 7], type: "JWT", with: key)

        let claims = try await Self.peer(algorithm, keyID: key.keyID).verify(token, as: PeerClaims.self)

        #expect(claims == PeerClaims(sub: "patient-a", n: 7))
    }

    @Test(.verifies("oauth-attack@A-04"), arguments: SignatureAlgorithm.allCases)
    func `a token of theirs with any character changed is refused here`(_ algorithm: SignatureAlgorithm) async throws {
        let token = Array(try await Self.peerToken(algorithm).utf8)
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

        var accepted: [Int] = []
        for index in token.indices where token[index] != UInt8(ascii: ".") {
            var changed = token
            let position = try #require(alphabet.firstIndex(of: token[index]))
            changed[index] = alphabet[(position + 1) % 64]
            let text = String(decoding: changed, as: UTF8.self)
            if (try? JWS.verify(text, keys: TestKeys.set, rules: anyAlgorithm)) != nil { accepted.append(index) }
        }

        #expect(accepted.isEmpty)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `a token of theirs cut short anywhere is refused here`(_ algorithm: SignatureAlgorithm) async throws {
        let token = try await Self.peerToken(algorithm)

        let accepted = (0..<token.utf8.count).filter {
            (try? JWS.verify(String(token.prefix($0)), keys: TestKeys.set, rules: anyAlgorithm)) != nil
        }

        #expect(accepted.isEmpty)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `our published keys verify their tokens after a round through JSON`(_ algorithm: SignatureAlgorithm)
        async throws
    {
        let token = try await Self.peerToken(algorithm)
        let published = try JWKSet(parsing: TestKeys.set.json.serialized, from: .registered)

        #expect(throws: Never.self) { try JWS.verify(token, keys: published, rules: anyAlgorithm) }
    }

    @Test(arguments: [SignatureAlgorithm.es256, .es384, .rs256, .rs384])
    func `their reader of key sets reads ours and verifies our tokens`(_ algorithm: SignatureAlgorithm) async throws {
        let key = try TestKeys.key(algorithm)
        let document = JWKSet([key.publicKey]).json.text
        let keys = JWTKeyCollection()
        try await keys.add(jwksJSON: document)
        let token = try JWS.sign(["sub": "patient-a", "n": 7], type: "JWT", with: key)

        let claims = try await keys.verify(token, as: PeerClaims.self)

        #expect(claims.sub == "patient-a")
    }
}
