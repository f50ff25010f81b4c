import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Base64url` {
    @Test(arguments: ["=", "Zg==", "Zg=", "Z", "Zm9vY", "Zm9v\n", " Zm9v", "Zm9+", "Zm9/", "Zh", "Zm9vYmF", "Zé"])
    func `refuses padding, foreign characters, lone characters and left-over bits`(_ text: String) {
        #expect(Base64URL.decode(text) == nil)
    }

    @Test(arguments: [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")])
    func `agrees with the vectors of RFC 4648 without their padding`(_ plain: String, _ encoded: String) {
        #expect(Base64URL.encode(Array(plain.utf8)) == encoded)
        #expect(Base64URL.decode(encoded) == Array(plain.utf8))
    }

    @Test func `uses the URL-safe alphabet`() {
        #expect(Base64URL.encode([0xFB, 0xFF, 0xFE]) == "-__-")
        #expect(Base64.encode([0xFB, 0xFF, 0xFE]) == "+//+")
    }

    @Test(arguments: 0..<200)
    func `gives back what was encoded, and only for that text`(_ length: Int) {
        let bytes = RandomSource.system.bytes(length)
        let text = Base64URL.encode(bytes)

        #expect(Base64URL.decode(text) == bytes)
        #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    }

    @Test(arguments: ["Zg", "Zg=", "Zg===", "Zh==", "Z===", "====", "=", "Zg==Zg==", "Zg== ", "Z-=="])
    func `ordinary base64 wants its padding and nothing else`(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }
}

@Suite struct `Secrets` {
    @Test(.verifies("oauth-attack@U-27"))
    func `a secret never prints itself`() {
        let secret = Secret("s3cr3t-value")
        var dumped = ""
        dump([secret], to: &dumped)

        #expect(!"\(secret) \(String(reflecting: secret)) \(dumped)".contains("s3cr3t"))
        #expect(!"\(secret.hash)".contains(secret.hash.text))
        #expect(!"\(TestKeys.es256)".contains(TestKeys.es256.pem.reveal()))
    }

    @Test(.verifies("oauth-attack@U-27"))
    func `keys, tokens and forms print without their content`() throws {
        let derivation = try #require(DerivationKey([UInt8](repeating: 77, count: 32)))
        let sealer = try #require(Sealer(keys: [[UInt8](repeating: 77, count: 32)]))
        let token = try UnverifiedJWT(parsing: JWS.sign(["sub": "planted"], type: "JWT", with: TestKeys.es256))
        let verified = try token.verified(by: TestKeys.set, rules: anyAlgorithm)
        let form = try FormParameters(parsing: "code=planted&client_id=a")
        let values: [Any] = [derivation, sealer, token, verified, form, TestKeys.es256, Secret("planted")]
        var text = values.map { "\($0) \(String(reflecting: $0))" }.joined()
        for value in values { dump(value, to: &text) }

        #expect(!text.contains("planted"))
        #expect(!text.contains("77"))
        #expect(!text.contains("SymmetricKey"))
        #expect(text.contains("client_id, code"))
    }

    @Test func `secrets are equal only when their texts are`() {
        #expect(Secret("a") == Secret("a"))
        #expect(Secret("a") != Secret("b"))
        #expect(Secret("a") != Secret("aa"))
    }

    @Test func `a hash is SHA-256 and survives storage`() throws {
        // FIPS 180-2: the digest of "abc".
        let hash = SecretHash(of: Secret("abc"))

        #expect(Hex.encode(hash.bytes) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(try #require(SecretHash(text: hash.text)) == hash)
        #expect(hash.matches(Secret("abc")))
        #expect(!hash.matches(Secret("abd")))
    }

    @Test(arguments: [
        "", "abc", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0A",
    ])
    func `text that is no digest is not read as one`(_ text: String) {
        #expect(SecretHash(text: text) == nil)
    }

    @Test func `HMAC agrees with RFC 4231 case 2`() {
        let code = SHA256Hash.keyed(by: Array("Jefe".utf8), of: Array("what do ya want for nothing?".utf8))

        #expect(Hex.encode(code) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    }

    @Test func `derived secrets differ by key, purpose and parts, and parts do not run together`() throws {
        let key = try #require(DerivationKey([UInt8](repeating: 1, count: 32)))
        let other = try #require(DerivationKey([UInt8](repeating: 2, count: 32)))
        let secret = key.secret(purpose: "refresh", "ab", "c")

        #expect(key.secret(purpose: "refresh", "ab", "c") == secret)
        #expect(key.secret(purpose: "refresh", "a", "bc") != secret)
        #expect(key.secret(purpose: "refresh", "abc") != secret)
        #expect(key.secret(purpose: "other", "ab", "c") != secret)
        #expect(other.secret(purpose: "refresh", "ab", "c") != secret)
        #expect(DerivationKey([1, 2, 3]) == nil)
    }

    @Test func `random secrets have the asked strength and do not repeat`() {
        let secrets = (0..<100).map { _ in RandomSource.system.secret().reveal() }

        #expect(Set(secrets).count == 100)
        #expect(secrets.allSatisfy { Base64URL.decode($0)?.count == 32 })
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `no identifier begins with a hyphen, and all the others are the bytes as they came`(first: UInt8) {
        let bytes = [first] + [UInt8](repeating: 7, count: 15)
        let identifier = RandomSource(bytes: { _ in bytes }).identifier()
        #expect(identifier.utf8.count == 22)
        #expect(identifier.first != "-")
        #expect((identifier == Base64URL.encode(bytes)) == (first >> 2 != 62))
    }
}

@Suite struct `Sealing` {
    let first = [UInt8](repeating: 7, count: 32)
    let second = [UInt8](repeating: 9, count: 32)
    let message = Array("page 2 of Patient/patient-a".utf8)

    @Test func `opens only with the context it was sealed for`() throws {
        let sealer = try #require(Sealer(keys: [first]))
        let sealed = try sealer.seal(message, context: "page")

        #expect(sealer.open(sealed, context: "cookie") == nil)
        #expect(sealer.open(sealed, context: "page") == message)
    }

    @Test func `any changed, cut or lengthened byte keeps it shut`() throws {
        let sealer = try #require(Sealer(keys: [first]))
        let sealed = try #require(Base64URL.decode(try sealer.seal(message, context: "page")))

        let opened = sealed.indices.filter { index in
            var changed = sealed
            changed[index] ^= 1
            return sealer.open(Base64URL.encode(changed), context: "page") != nil
        }
        let cut = sealed.indices.filter { sealer.open(Base64URL.encode(sealed[..<$0]), context: "page") != nil }

        #expect(opened.isEmpty)
        #expect(cut.isEmpty)
        #expect(sealer.open(Base64URL.encode(sealed + [0]), context: "page") == nil)
        #expect(sealer.open("", context: "page") == nil)
    }

    @Test func `the first key seals and every listed key opens`() throws {
        let old = try #require(Sealer(keys: [first]))
        let rotated = try #require(Sealer(keys: [second, first]))
        let new = try #require(Sealer(keys: [second]))

        #expect(rotated.open(try old.seal(message, context: "page"), context: "page") == message)
        #expect(new.open(try rotated.seal(message, context: "page"), context: "page") == message)
        #expect(new.open(try old.seal(message, context: "page"), context: "page") == nil)
    }

    @Test func `the same message never looks the same twice`() throws {
        let sealer = try #require(Sealer(keys: [first]))

        #expect(try sealer.seal(message, context: "page") != sealer.seal(message, context: "page"))
    }

    @Test func `keys of another length are refused`() {
        #expect(Sealer(keys: []) == nil)
        #expect(Sealer(keys: [first, [1]]) == nil)
    }
}
