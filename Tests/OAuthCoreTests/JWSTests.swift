import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Signed tokens` {
    static let header = #"{"alg":"ES256","kid":"es256","typ":"JWT"}"#

    static func verify(_ token: String, rules: JWSRules = anyAlgorithm) -> JOSEError? {
        refusal(JOSEError.self) { try JWS.verify(token, keys: TestKeys.set, rules: rules) }
    }

    @Test(
        .verifies("oauth-attack@A-01", "oauth-attack@A-02"),
        arguments: [
            #""none""#, #""None""#, #""nOnE""#, #""HS256""#, #""HS384""#, #""ES512""#, #""es256""#, #""""#, "1", "null",
            #"["ES256"]"#,
        ])
    func `algorithms that are not ours are refused before anything else`(_ algorithm: String) throws {
        let token = try Forge.token(
            header: #"{"alg":\#(algorithm),"kid":"es256","typ":"JWT"}"#, claims: "{}", key: TestKeys.es256)

        #expect(Self.verify(token) == .algorithmRefused)
    }

    @Test(.verifies("oauth-attack@A-01"))
    func `an unsigned token is refused however it names its algorithm`() throws {
        let none = Base64URL.encode(Array(#"{"alg":"none"}"#.utf8)) + ".e30."
        let absent = Base64URL.encode(Array(#"{"kid":"es256","typ":"JWT"}"#.utf8)) + ".e30."
        let stripped = Base64URL.encode(Array(Self.header.utf8)) + ".e30."

        #expect(Self.verify(none) == .algorithmRefused)
        #expect(Self.verify(absent) == .algorithmRefused)
        #expect(Self.verify(stripped) == .signatureInvalid)
    }

    @Test(.verifies("oauth-attack@A-02"))
    func `a public key is never a shared secret`() throws {
        let header = #"{"alg":"HS256","kid":"rs256","typ":"JWT"}"#
        let input = Base64URL.encode(Array(header.utf8)) + ".e30"
        let secrets = [TestKeys.rs256.publicKey.json.serialized, Array(TestKeys.rs256.publicKey.thumbprint.utf8)]

        for secret in secrets {
            let signature = SHA256Hash.keyed(by: secret, of: Array(input.utf8))
            #expect(Self.verify(input + "." + Base64URL.encode(signature)) == .algorithmRefused)
        }
    }

    @Test(
        .verifies("oauth-attack@A-03"),
        arguments: [
            ("ES384", "es256"), ("ES256", "es384"), ("RS256", "rs384"), ("RS384", "rs256"), ("PS384", "rs384"),
            ("RS384", "ps384"),
        ])
    func `a key is not used with an algorithm that is not its own`(_ algorithm: String, _ key: String) throws {
        let signer = try TestKeys.key(try #require(SignatureAlgorithm(rawValue: key.uppercased())))
        let token = try Forge.token(
            header: #"{"alg":"\#(algorithm)","kid":"\#(key)","typ":"JWT"}"#, claims: "{}", key: signer)

        #expect(Self.verify(token) == .algorithmRefused)
    }

    @Test(.verifies("oauth-attack@A-03"), arguments: [("ES384", "rs384"), ("RS384", "es384")])
    func `a name finds no key of another family`(_ algorithm: String, _ key: String) throws {
        let signer = try TestKeys.key(try #require(SignatureAlgorithm(rawValue: key.uppercased())))
        let token = try Forge.token(
            header: #"{"alg":"\#(algorithm)","kid":"\#(key)","typ":"JWT"}"#, claims: "{}", key: signer)

        #expect(Self.verify(token) == .keyNotFound)
    }

    @Test(.verifies("oauth-attack@A-03"))
    func `an RSA key without a stated algorithm still takes no curve signature`() throws {
        let unpinned = PublicJWK(material: TestKeys.rs384.publicKey.material, keyID: "k", algorithm: nil)

        for algorithm in SignatureAlgorithm.allCases {
            #expect(unpinned.fits(algorithm) == (algorithm.keyType == .rsa))
        }
        #expect(!unpinned.material.isValid([UInt8](repeating: 0, count: 256), over: [], algorithm: .es256))
    }

    @Test func `an algorithm that is ours but not expected here is refused`() throws {
        let token = try JWS.sign(["a": 1], type: "JWT", with: TestKeys.rs256)

        #expect(Self.verify(token, rules: JWSRules(algorithms: [.es256], types: ["jwt"])) == .algorithmRefused)
    }

    @Test(
        .verifies("oauth-attack@A-04"),
        arguments: [
            [UInt8](repeating: 0, count: 64), [UInt8](repeating: 0, count: 63), [UInt8](repeating: 0, count: 65), [],
            [UInt8](repeating: 0xFF, count: 64), [UInt8](repeating: 0, count: 63) + [1],
        ] as [[UInt8]])
    func `signatures of noughts, of wrong length or out of range are refused`(_ signature: [UInt8]) {
        let input = Base64URL.encode(Array(Self.header.utf8)) + ".e30."

        #expect(Self.verify(input + Base64URL.encode(signature)) == .signatureInvalid)
    }

    @Test(.verifies("oauth-attack@A-04"))
    func `a signature in DER or with bytes after it is refused`() throws {
        let token = try Forge.token(header: Self.header, claims: "{}", key: TestKeys.es256)
        let parts = token.split(separator: ".")
        let raw = try #require(Base64URL.decode(parts[2]))
        func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
            let body = (bytes.first ?? 0) >= 0x80 ? [0] + bytes : Array(bytes)
            return [0x02, UInt8(body.count)] + body
        }
        let content = integer(raw[..<32]) + integer(raw[32...])
        let der = [0x30, UInt8(content.count)] + content

        #expect(Self.verify("\(parts[0]).\(parts[1]).\(Base64URL.encode(der))") == .signatureInvalid)
        #expect(Self.verify("\(parts[0]).\(parts[1]).\(Base64URL.encode(raw + [0]))") == .signatureInvalid)
        #expect(Self.verify(token) == nil)
    }

    @Test(.verifies("oauth-attack@A-06"))
    func `a key that the token brings along is refused, also when it signed`() throws {
        let attacker = TestKeys.otherES256
        let header = #"{"alg":"ES256","kid":"es256","typ":"JWT","jwk":\#(attacker.publicKey.json.text)}"#

        #expect(Self.verify(try Forge.token(header: header, claims: "{}", key: attacker)) == .embeddedKey)
        #expect(Self.verify(try Forge.token(header: header, claims: "{}", key: TestKeys.es256)) == .embeddedKey)
    }

    @Test(
        .verifies("oauth-attack@A-07", "oauth-attack@A-08"),
        arguments: [
            "https://evil.example/jwks", "https://app.example/jwks/", "https://app.example/jwks?x",
            "https://APP.example/jwks",
            "https://app.example/jwks@evil.example", "http://app.example/jwks", "",
        ])
    func `a key set address other than the registered one is refused`(_ location: String) throws {
        let token = try Forge.token(
            header: #"{"alg":"ES256","kid":"es256","typ":"JWT","jku":"\#(location)"}"#, claims: "{}",
            key: TestKeys.es256)
        let rules = JWSRules(
            algorithms: [.es256], types: ["jwt"], registeredKeySetURL: "https://app.example/jwks")

        #expect(Self.verify(token, rules: rules) == .embeddedKey)
        #expect(Self.verify(token) == .embeddedKey)
    }

    @Test func `the registered key set address may be repeated`() throws {
        let token = try Forge.token(
            header: #"{"alg":"ES256","kid":"es256","typ":"JWT","jku":"https://app.example/jwks"}"#, claims: "{}",
            key: TestKeys.es256)
        let rules = JWSRules(
            algorithms: [.es256], types: ["jwt"], registeredKeySetURL: "https://app.example/jwks")

        #expect(Self.verify(token, rules: rules) == nil)
    }

    @Test(.verifies("oauth-attack@A-09"))
    func `certificates in the header lend no trust`() throws {
        let header = #"{"alg":"ES256","kid":"es256","typ":"JWT","x5c":["AAAA"],"x5u":"https://evil.example"}"#

        #expect(
            Self.verify(try Forge.token(header: header, claims: "{}", key: TestKeys.otherES256)) == .signatureInvalid)
        #expect(Self.verify(try Forge.token(header: header, claims: "{}", key: TestKeys.es256)) == nil)
    }

    @Test(
        .verifies("oauth-attack@A-10"),
        arguments: [#""crit":["exp"]"#, #""crit":[]"#, #""crit":["b64"],"b64":false"#, #""b64":false"#, #""b64":true"#])
    func `extensions that we do not understand are refused`(_ member: String) throws {
        let token = try Forge.token(
            header: #"{"alg":"ES256","kid":"es256","typ":"JWT",\#(member)}"#, claims: "{}", key: TestKeys.es256)

        #expect(Self.verify(token) == .criticalHeader)
    }

    @Test(
        .verifies("oauth-attack@A-11"),
        arguments: [#""../../dev/null""#, #""' OR 1=1--""#, #""ES256""#, #""es256 ""#])
    func `a name is compared whole and means nothing else`(_ keyID: String) throws {
        let token = try Forge.token(
            header: #"{"alg":"ES256","kid":\#(keyID),"typ":"JWT"}"#, claims: "{}", key: TestKeys.es256)

        #expect(Self.verify(token) == .keyNotFound)
    }

    @Test(
        .verifies("oauth-attack@A-11", "oauth-attack@A-12"),
        arguments: [
            #","kid":["es256"]"#, #","kid":1"#, #","kid":"""#, #","kid":null"#, #","kid":"es256\u0000""#,
            #","kid":"\#(String(repeating: "a", count: 300))""#, "",
        ])
    func `a name that is missing, no text or endless is refused`(_ member: String) throws {
        let token = try Forge.token(
            header: #"{"alg":"ES256","typ":"JWT"\#(member)}"#, claims: "{}", key: TestKeys.es256)

        #expect(Self.verify(token) == .keyIDMissing)
    }

    @Test(
        .verifies("oauth-attack@A-15"),
        arguments: [
            #","typ":"at+jwt""#, #","typ":"application/at+jwt""#, #","typ":"dpop+jwt""#, #","typ":1"#, #","typ":"""#,
            "",
        ])
    func `a token made for something else is refused by its type`(_ member: String) throws {
        let token = try Forge.token(
            header: #"{"alg":"ES256","kid":"es256"\#(member)}"#, claims: "{}", key: TestKeys.es256)

        #expect(Self.verify(token) == .typeRefused)
    }

    @Test(arguments: ["JWT", "jwt", "application/jwt", "Application/JWT"])
    func `types are media types: case and the usual prefix do not matter`(_ type: String) throws {
        let token = try Forge.token(
            header: #"{"alg":"ES256","kid":"es256","typ":"\#(type)"}"#, claims: "{}", key: TestKeys.es256)

        #expect(Self.verify(token) == nil)
    }

    @Test(arguments: [
        #"{"alg":"ES256","alg":"ES256","kid":"es256","typ":"JWT"}"#,
        #"{"alg":"ES256","kid":"a","kid":"es256","typ":"JWT"}"#,
        #"{"alg":"ES256","kid":"es256","typ":"JWT","\u0061lg":"none"}"#, #"["ES256"]"#, #""x""#, "", "{",
        #"{"alg":"ES256","kid":"es256","typ":"JWT"} "# + "x",
    ])
    func `a header that is no object or names a member twice is refused`(_ header: String) throws {
        let token = try Forge.token(header: header, claims: "{}", key: TestKeys.es256)

        #expect(Self.verify(token) == .malformedJSON)
    }

    @Test(arguments: [#"{"sub":"a","sub":"b"}"#, "[]", "", "null", "{", #"{"a":1}}"#])
    func `claims that are no object or name a member twice are refused`(_ claims: String) throws {
        let token = try Forge.token(header: Self.header, claims: claims, key: TestKeys.es256)

        #expect(Self.verify(token) == .malformedJSON)
    }

    @Test(.verifies("oauth-attack@A-35"))
    func `other serializations, segments and encodings are refused`() throws {
        let token = try Forge.token(header: Self.header, claims: #"{"a":1}"#, key: TestKeys.es256)
        let parts = token.split(separator: ".").map(String.init)
        let wrong = [
            "", ".", "..", "...", parts[0], "\(parts[0]).\(parts[1])", token + ".", "." + token, token + ".x",
            "\(token).\(parts[1]).\(parts[2])", token + "=", token + "\n", " " + token, token + " ",
            "\(parts[0])=.\(parts[1]).\(parts[2])", token.replacing("_", with: "/").replacing("-", with: "+") + "+",
            #"{"payload":"\#(parts[1])","protected":"\#(parts[0])","signature":"\#(parts[2])"}"#,
            "Bearer " + token, token + "é",
        ]

        for text in wrong { #expect(Self.verify(text) != nil, "`\(text)`") }
        #expect(Self.verify(token) == nil)
    }

    @Test(.verifies("oauth-attack@A-35"))
    func `a token over the size limit is refused unread`() throws {
        let claims = #"{"a":"\#(String(repeating: "a", count: 16 << 10))"}"#
        let token = try Forge.token(header: Self.header, claims: claims, key: TestKeys.es256)

        #expect(Self.verify(token) == .malformed)
        #expect(Self.verify(String(repeating: "a", count: 1 << 20)) == .malformed)
    }

    @Test func `deeply nested claims are refused`() throws {
        let claims = #"{"a":\#(String(repeating: "[", count: 100))\#(String(repeating: "]", count: 100))}"#
        let token = try Forge.token(header: Self.header, claims: claims, key: TestKeys.es256)

        #expect(Self.verify(token) == .malformedJSON)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `what a key signs its public half verifies, and no other key does`(_ algorithm: SignatureAlgorithm) throws {
        let key = try TestKeys.key(algorithm)
        let token = try JWS.sign(["sub": "a", "n": 1], type: "JWT", with: key)
        let stranger = try PrivateJWK.generate(algorithm, keyID: key.keyID)

        let verified = try JWS.verify(token, keys: TestKeys.set, rules: anyAlgorithm)
        #expect(verified.claims["sub"] == "a")
        #expect(verified.key == key.publicKey)
        #expect(verified.algorithm == algorithm)
        #expect(
            refusal(JOSEError.self) {
                try JWS.verify(token, keys: JWKSet([stranger.publicKey]), rules: anyAlgorithm)
            } == .signatureInvalid)
    }

    @Test func `claims exchanged under a signature are refused`() throws {
        let first = try JWS.sign(["sub": "a"], type: "JWT", with: TestKeys.es256).split(separator: ".")
        let second = try JWS.sign(["sub": "b"], type: "JWT", with: TestKeys.es256).split(separator: ".")

        #expect(Self.verify("\(first[0]).\(second[1]).\(first[2])") == .signatureInvalid)
    }
}

@Suite struct `Published vectors` {
    /// RFC 7515 A.2 and A.3 sign the same claims.
    static let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

    static func isValid(_ input: String, _ signature: String, key: PublicJWK, _ algorithm: SignatureAlgorithm) throws
        -> Bool
    {
        key.material.isValid(try #require(Base64URL.decode(signature)), over: Array(input.utf8), algorithm: algorithm)
    }

    @Test func `RFC 7515 A_3 verifies with ES256`() throws {
        let key = try PublicJWK(parsing: [
            "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        ])
        let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

        #expect(try Self.isValid("eyJhbGciOiJFUzI1NiJ9.\(Self.payload)", signature, key: key, .es256))
        #expect(try !Self.isValid("eyJhbGciOiJFUzI1NiJ9.\(Self.payload)x", signature, key: key, .es256))
    }

    @Test func `RFC 7515 A_2 verifies with RS256`() throws {
        let key = try PublicJWK(parsing: [
            "kty": "RSA", "e": "AQAB",
            "n":
                "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        ])
        let signature =
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"

        #expect(try Self.isValid("eyJhbGciOiJSUzI1NiJ9.\(Self.payload)", signature, key: key, .rs256))
        #expect(try !Self.isValid("eyJhbGciOiJSUzI1NiJ9.\(Self.payload)", signature, key: key, .rs384))
    }
}
