import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

/// What another provider sends, without any key of a server: the pure parts of signing in elsewhere.
@Suite struct ProviderTests {
    static let now: Int64 = 1_800_000_000

    static func token(
        _ changes: [String: JSONValue?] = [:], key: PrivateJWK = TestKeys.rs256, maxAge: Int64? = nil,
        algorithms: Set<SignatureAlgorithm> = [.rs256]
    ) throws -> ProviderIDToken {
        var claims: [String: JSONValue] = [
            "iss": "https://idp.example", "aud": "us", "sub": "s", "exp": .int(now + 300), "iat": .int(now),
            "nonce": "n-1", "auth_time": .int(now - 10), "member": "M-1", "number": 42, "acr": "urn:x",
            "amr": ["pwd", "otp"],
        ]
        for (name, value) in changes { claims[name] = value }
        let json = JSONValue.object(claims.map { JSONMemberValue($0.key, $0.value) })
        return try ProviderIDToken(
            try JWS.sign(json, type: "JWT", with: key), keys: TestKeys.set,
            expecting: .init(
                issuer: "https://idp.example", clientID: "us", nonce: "n-1", algorithms: algorithms, maxAge: maxAge),
            now: now)
    }

    @Test(.verifies("oauth-attack@U-23"), arguments: [SignatureAlgorithm.es256, .es384, .rs384, .ps256, .ps384])
    func `an ID token in another algorithm than the configured one is refused`(_ algorithm: SignatureAlgorithm) throws {
        let key = try TestKeys.key(algorithm)
        #expect(throws: JOSEError.algorithmRefused) { try Self.token(key: key) }
        #expect(try Self.token(key: key, algorithms: [algorithm]).subject == "s")
    }

    @Test(
        arguments: [
            (299, true), (300, true), (359, true), (361, false),
        ] as [(Int64, Bool)])
    func `a sign-in that is older than was asked for is refused`(_ age: Int64, _ holds: Bool) throws {
        let changes: [String: JSONValue?] = ["auth_time": .int(Self.now - age)]
        if holds {
            #expect(try Self.token(changes, maxAge: 300).authenticatedAt == Self.now - age)
        } else {
            #expect(throws: JOSEError.claimRefused("auth_time")) { try Self.token(changes, maxAge: 300) }
        }
        #expect(throws: JOSEError.claimMalformed("auth_time")) { try Self.token(["auth_time": nil], maxAge: 300) }
        #expect(try Self.token(["auth_time": nil]).authenticatedAt == nil)
    }

    @Test func `what a token says of strength and member is read strictly`() throws {
        let token = try Self.token()
        #expect(token.context == "urn:x" && token.methods == ["pwd", "otp"])
        #expect(token.identifier("member") == "M-1")
        #expect(token.identifier("number") == "42")
        for claim in ["amr", "absent", "aud-list"] { #expect(token.identifier(claim) == nil) }
        #expect(try Self.token(["member": "Ä"]).identifier("member") == nil)
        #expect(try Self.token(["member": .string(String(repeating: "x", count: 256))]).identifier("member") == nil)
        #expect(try Self.token(["number": -1]).identifier("number") == nil)
    }

    @Test(.verifies("oauth-attack@U-23")) func `secrets belong to one cookie and one state`() throws {
        func make(_ cookie: String, _ state: String) throws -> ProviderSecrets {
            try #require(ProviderSecrets(cookie: Secret(cookie), state: Secret(state)))
        }
        let one = try make("cookie", "state")
        #expect(try make("cookie", "state").nonce == one.nonce)
        for other in [try make("cookie2", "state"), try make("cookie", "state2")] {
            #expect(other.nonce != one.nonce && other.verifier != one.verifier && other.sealKey != one.sealKey)
        }
        #expect(one.nonce != one.verifier.secret.reveal())
        #expect(one.sealKey.count == 32)
    }

    @Test func `an address that has a query already keeps it`() {
        #expect(ProviderAddress.adding([("a", "1&2")], to: "https://x.example/a") == "https://x.example/a?a=1%262")
        #expect(ProviderAddress.adding([("a", "1")], to: "https://x.example/a?b=2") == "https://x.example/a?b=2&a=1")
    }

    @Test(arguments: ["", "Access Denied", "<b>", "access_denied\nx", String(repeating: "a", count: 65), "Ä"])
    func `an error of a provider that is no word is not repeated`(_ text: String) {
        #expect(ProviderResponse.errorName(text) == "an unreadable error")
    }

    @Test(arguments: [
        ("https://idp.example", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/", "https://idp.example/.well-known/openid-configuration"),
        ("https://idp.example/a", "https://idp.example/a/.well-known/openid-configuration"),
    ])
    func `the document of an issuer is where the standard says`(_ issuer: String, _ address: String) {
        #expect(ProviderMetadata.address(of: issuer) == address)
    }

    @Test(arguments: [
        ("https://idp.example/x", true), ("http://idp.example/x", false), ("https://u@idp.example/x", false),
        ("https://idp.example/x#y", false), ("javascript:alert(1)", false), ("com.example:/x", false), ("/x", false),
        ("", false), ("http://127.0.0.1:9/x", false), ("http://localhost/x", false),
    ])
    func `an endpoint is an https address`(_ text: String, _ isOne: Bool) {
        #expect(ProviderMetadata.isEndpoint(text, allowsPlain: false) == isOne)
    }

    @Test func `plain http is for loopback and for tests`() {
        #expect(ProviderMetadata.isEndpoint("http://127.0.0.1:9/x", allowsPlain: true))
        #expect(!ProviderMetadata.isEndpoint("http://idp.example/x", allowsPlain: true))
    }
}
