import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Public keys` {
    static let rfc7638Modulus =
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

    static func rsa(_ modulus: [UInt8], exponent: [UInt8] = [1, 0, 1]) -> JSONValue {
        ["kty": "RSA", "kid": "k", "n": .string(Base64URL.encode(modulus)), "e": .string(Base64URL.encode(exponent))]
    }

    static func modulus() throws -> [UInt8] { try #require(Base64URL.decode(rfc7638Modulus)) }

    @Test(
        .verifies("oauth-attack@A-39"), arguments: ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
    func `private material in a public key refuses the whole set`(_ member: String) throws {
        let members = try #require(TestKeys.es384.publicKey.json.object)
        let leaked = JSONValue.object(members + [JSONMemberValue(member, "AQAB")])

        for source in [JWKSet.Source.registered, .fetched] {
            let error = refusal(JOSEError.self) {
                try JWKSet(parsing: ["keys": [TestKeys.es256.publicKey.json, leaked]], from: source)
            }
            #expect(error == .privateKeyMaterial)
        }
    }

    @Test(
        .verifies("oauth-attack@A-05"),
        arguments: [[1], [2], [3, 0], [0, 1, 0, 1], [], [1, 0, 0, 0, 1]] as [[UInt8]])
    func `exponents that are one, even, padded, empty or endless are refused`(_ exponent: [UInt8]) throws {
        let modulus = try Self.modulus()

        #expect(
            refusal(JOSEError.self) { try PublicJWK(parsing: Self.rsa(modulus, exponent: exponent)) } == .keyRefused)
    }

    @Test(.verifies("oauth-attack@A-05"), arguments: [127, 128, 255, 513, 1024])
    func `moduli of another size than 2048 to 4096 bits are refused`(_ length: Int) {
        let modulus = [0x80] + [UInt8](repeating: 0x35, count: length - 2) + [0x01]

        #expect(refusal(JOSEError.self) { try PublicJWK(parsing: Self.rsa(modulus)) } == .keyRefused)
    }

    @Test func `moduli that are even, padded or divisible by a small prime are refused`() throws {
        let modulus = try Self.modulus()

        #expect(refusal(JOSEError.self) { try PublicJWK(parsing: Self.rsa([0] + modulus)) } == .keyRefused)
        #expect(refusal(JOSEError.self) { try PublicJWK(parsing: Self.rsa(modulus.dropLast() + [2])) } == .keyRefused)
        // 2^2047 + 1 is divisible by three.
        let divisible = [0x80] + [UInt8](repeating: 0, count: 254) + [1]
        #expect(refusal(JOSEError.self) { try PublicJWK(parsing: Self.rsa(divisible)) } == .keyRefused)
    }

    @Test func `a modulus with the fingerprint of ROCA is refused`() {
        // One more than a multiple of every prime up to 167 is 65537 to the power of nought modulo each of them.
        let primes = (3...167).filter { number in (2..<number).allSatisfy { number % $0 != 0 } }
        var product: [UInt8] = [2]
        for prime in primes { product = Self.multiply(product, by: prime) }
        // Further factors keep the property; 257 bytes are within the allowed sizes.
        while product.count < 256 { product = Self.multiply(product, by: 251) }
        while product.count < 257 { product = Self.multiply(product, by: 3) }
        let oneMore = product.dropLast() + [product[product.count - 1] | 1]
        let oneLess = Self.decrement(product)

        #expect(
            refusal(JOSEError.self) { try RSAPublicNumbers(modulus: Array(oneMore), exponent: [1, 0, 1]) }
                == .keyRefused)
        // The neighbour has the same size and no small divisor either, but not the fingerprint.
        #expect(throws: Never.self) { try RSAPublicNumbers(modulus: oneLess, exponent: [1, 0, 1]) }
    }

    private static func decrement(_ number: [UInt8]) -> [UInt8] {
        var result = number
        for index in result.indices.reversed() {
            result[index] &-= 1
            if result[index] != 0xFF { break }
        }
        return result
    }

    private static func multiply(_ number: [UInt8], by factor: Int) -> [UInt8] {
        var carry = 0
        var result: [UInt8] = []
        for byte in number.reversed() {
            carry += Int(byte) * factor
            result.append(UInt8(carry & 0xFF))
            carry >>= 8
        }
        while carry > 0 {
            result.append(UInt8(carry & 0xFF))
            carry >>= 8
        }
        return result.reversed()
    }

    @Test(
        arguments: [
            ["kty": "oct", "kid": "k"], ["kty": "OKP", "crv": "Ed25519", "x": "AA"], ["kty": "EC", "crv": "P-521"],
            ["kty": "EC", "crv": "secp256k1"], ["kty": "EC", "crv": "RSA", "x": "AA", "y": "AA"], ["kty": "EC"], [:],
            ["kty": "RSA"], ["kty": "rsa", "n": "AQAB", "e": "AQAB"], "text",
        ] as [JSONValue])
    func `kinds of key that we do not use are refused`(_ json: JSONValue) {
        #expect(refusal(JOSEError.self) { try PublicJWK(parsing: json) } != nil)
    }

    @Test(.verifies("oauth-attack@A-04"))
    func `points off the curve, of another curve or of short length are refused`() throws {
        let key = TestKeys.es256.publicKey.json
        let x = try #require(key["x"]?.string)
        let y = try #require(key["y"]?.string)
        let bent = try #require(Base64URL.decode(y)).map { $0 ^ 1 }
        let cases: [JSONValue] = [
            ["kty": "EC", "crv": "P-256", "x": .string(x), "y": .string(Base64URL.encode(bent))],
            ["kty": "EC", "crv": "P-384", "x": .string(x), "y": .string(y)],
            ["kty": "EC", "crv": "P-256", "x": .string(x), "y": .string(x)],
            [
                "kty": "EC", "crv": "P-256", "x": .string(Base64URL.encode([UInt8](repeating: 0, count: 32))),
                "y": .string(Base64URL.encode([UInt8](repeating: 0, count: 32))),
            ],
            ["kty": "EC", "crv": "P-256", "x": .string(x + "="), "y": .string(y)],
        ]

        for json in cases { #expect(refusal(JOSEError.self) { try PublicJWK(parsing: json) } == .keyRefused) }
    }

    @Test(arguments: [
        ("use", "enc"), ("use", ""), ("alg", "ES384"), ("alg", "HS256"), ("alg", "none"), ("kid", ""),
        ("kid", "\u{212A}"), ("kid", "a\n"),
    ])
    func `a key that says it is for something else is refused`(_ member: String, _ value: String) throws {
        let members = try #require(TestKeys.es256.publicKey.json.object).filter { $0.name != member }
        let json = JSONValue.object(members + [JSONMemberValue(member, .string(value))])

        #expect(refusal(JOSEError.self) { try PublicJWK(parsing: json) } == .keyRefused)
    }

    @Test func `a key for encryption by its operations is refused`() throws {
        let members = try #require(TestKeys.es256.publicKey.json.object)

        #expect(
            refusal(JOSEError.self) {
                try PublicJWK(parsing: .object(members + [JSONMemberValue("key_ops", ["wrapKey"])]))
            } == .keyRefused)
    }

    @Test func `the thumbprint is that of RFC 7638`() throws {
        let key = try PublicJWK(parsing: [
            "kty": "RSA", "n": .string(Self.rfc7638Modulus), "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        ])

        #expect(key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
        #expect(key.keyType == .rsa)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `a key is read back as it was printed`(_ algorithm: SignatureAlgorithm) throws {
        let key = try TestKeys.key(algorithm).publicKey

        #expect(try PublicJWK(parsing: key.json) == key)
        #expect(key.json["d"] == nil)
    }
}

@Suite struct `Key sets` {
    @Test(.verifies("oauth-attack@A-13"))
    func `two keys of one family under one name are no key`() throws {
        let set = JWKSet([TestKeys.es256.publicKey, TestKeys.otherES256.publicKey])
        let token = try JWS.sign(["a": 1], type: "JWT", with: TestKeys.es256)

        #expect(refusal(JOSEError.self) { try JWS.verify(token, keys: set, rules: anyAlgorithm) } == .keyNotFound)
    }

    @Test func `one name may stand on an RSA and on a curve key`() throws {
        let curve = try PrivateJWK.generate(.es384, keyID: "rs384")
        let set = JWKSet([TestKeys.rs384.publicKey, curve.publicKey])

        for key in [TestKeys.rs384, curve] {
            let token = try JWS.sign(["a": 1], type: "JWT", with: key)
            #expect(throws: Never.self) { try JWS.verify(token, keys: set, rules: anyAlgorithm) }
        }
    }

    @Test func `registration wants a name on each key, each name once, and only keys of use`() throws {
        let key = TestKeys.es384.publicKey.json
        let nameless = JSONValue.object(try #require(key.object).filter { $0.name != "kid" })
        let sets: [JSONValue] = [
            ["keys": []], ["keys": [nameless]], ["keys": [key, key]], ["keys": [key, ["kty": "OKP"]]], [:], ["keys": 1],
            [key], ["keys": .array(Array(repeating: key, count: 33))],
        ]

        for set in sets { #expect(throws: JOSEError.self) { try JWKSet(parsing: set, from: .registered) } }
        #expect(try JWKSet(parsing: ["keys": [key]], from: .registered).keys == [TestKeys.es384.publicKey])
    }

    @Test func `a fetched set passes over what we cannot use`() throws {
        let set = try JWKSet(
            parsing: ["keys": [["kty": "OKP", "crv": "Ed25519", "x": "AA"], TestKeys.es384.publicKey.json]],
            from: .fetched)

        #expect(set.keys == [TestKeys.es384.publicKey])
    }

    @Test(
        .verifies("oauth-attack@A-38"),
        arguments: [
            "<html></html>", "\u{FEFF}{\"keys\":[]}", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[]} x", "",
            "{\"keys\":[]",
        ])
    func `documents that are not JSON are refused`(_ text: String) {
        #expect(throws: JOSEError.self) { try JWKSet(parsing: Array(text.utf8), from: .fetched) }
    }
}

@Suite struct `Private keys` {
    @Test(arguments: SignatureAlgorithm.allCases)
    func `a key survives PEM and JWK storage`(_ algorithm: SignatureAlgorithm) throws {
        let key = try TestKeys.key(algorithm)
        let fromPEM = try PrivateJWK(pem: key.pem.reveal(), algorithm: algorithm, keyID: key.keyID)
        let fromJWK = try PrivateJWK(parsing: key.json())

        for copy in [fromPEM, fromJWK] {
            #expect(copy.publicKey == key.publicKey)
            let token = try JWS.sign(["a": 1], type: "JWT", with: copy)
            #expect(throws: Never.self) { try JWS.verify(token, keys: TestKeys.set, rules: anyAlgorithm) }
        }
    }

    @Test func `an RSA key as JWK has all private members`() throws {
        let json = try TestKeys.rs384.json()

        for member in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] { #expect(json[member]?.string != nil) }
    }

    @Test func `halves that do not belong together are refused`() throws {
        let first = try #require(TestKeys.es256.publicKey.json.object)
        let d = try #require(try TestKeys.otherES256.json()["d"])

        #expect(throws: JOSEError.self) { try PrivateJWK(parsing: .object(first + [JSONMemberValue("d", d)])) }
    }

    @Test func `a key does not sign with an algorithm that is not its own`() {
        #expect(throws: JOSEError.self) { try PrivateJWK(pem: TestKeys.es256.pem.reveal(), algorithm: .es384) }
        #expect(throws: JOSEError.self) { try PrivateJWK(pem: TestKeys.es256.pem.reveal(), algorithm: .rs256) }
        #expect(throws: JOSEError.self) { try PrivateJWK(pem: "not a key", algorithm: .es256) }
        #expect(throws: JOSEError.self) { try PrivateJWK.generate(.rs256, rsaBits: 1024) }
    }

    @Test func `a key without a given name is named by its thumbprint`() throws {
        let key = try PrivateJWK.generate(.es256)

        #expect(key.keyID == key.publicKey.thumbprint)
    }
}
