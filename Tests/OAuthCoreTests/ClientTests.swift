import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Presented clients` {
    static let assertionType = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    static let basic = "Basic " + Base64.encode(Array("app:secret".utf8))

    static func assertion(_ claims: JSONValue = ["iss": "app", "sub": "app"]) throws -> String {
        try JWS.sign(claims, type: "JWT", with: TestKeys.es384)
    }

    static func code(_ header: String?, _ text: String) throws -> OAuthError.Code? {
        let form = try form(text)
        return refusal(OAuthError.self) { try PresentedClient(authorizationHeader: header, form: form) }?.code
    }

    @Test(.verifies("oauth-attack@A-27"))
    func `two methods at once are refused`() throws {
        let assertion = "client_assertion_type=\(Self.assertionType)&client_assertion=\(try Self.assertion())"

        #expect(try Self.code(Self.basic, assertion) == .invalidRequest)
        #expect(try Self.code(Self.basic, "client_id=app&client_secret=secret") == .invalidRequest)
        #expect(try Self.code(nil, "client_secret=secret&\(assertion)") == .invalidRequest)
        #expect(try Self.code(Self.basic, "client_assertion_type=x") == .invalidRequest)
    }

    @Test(.verifies("oauth-attack@A-26"))
    func `names that contradict each other are refused`() throws {
        let other = try Self.assertion(["iss": "app", "sub": "other"])
        let own = try Self.assertion()

        #expect(try Self.code(Self.basic, "client_id=other") == .invalidClient)
        #expect(
            try Self.code(nil, "client_assertion_type=\(Self.assertionType)&client_assertion=\(other)")
                == .invalidClient)
        #expect(
            try Self.code(nil, "client_id=other&client_assertion_type=\(Self.assertionType)&client_assertion=\(own)")
                == .invalidClient)
        #expect(try Self.code(Self.basic, "client_id=app") == nil)
    }

    @Test(
        .verifies("oauth-attack@A-34"),
        arguments: [
            "client_assertion_type=saml&client_assertion=x", "client_assertion=x",
            "client_assertion_type=\(assertionType)",
        ])
    func `another assertion type is a malformed request`(_ text: String) throws {
        #expect(try Self.code(nil, text) == .invalidRequest)
    }

    @Test(
        .verifies("oauth-attack@A-30", "oauth-attack@A-29"),
        arguments: ["", "Basic", "Bearer abc", "Basic YXBwOg==", "Basic YXBw", "Digest x"])
    func `a malformed header is not a public client`(_ header: String) throws {
        #expect(try Self.code(header, "client_id=app") == .invalidClient)
    }

    @Test(arguments: ["", "client_id=", "client_id=%00", "client_id=\(String(repeating: "a", count: 256))"])
    func `a request that names nobody is refused`(_ text: String) throws {
        #expect(try Self.code(nil, text) == .invalidClient)
    }

    @Test(.verifies("oauth-attack@A-35"), arguments: ["x", "a.b.c.d", "a.b", "e30.e30."])
    func `an assertion that is no token is refused`(_ text: String) throws {
        #expect(
            try Self.code(nil, "client_assertion_type=\(Self.assertionType)&client_assertion=\(text)") == .invalidClient
        )
    }

    @Test func `each method is told apart`() throws {
        let assertion = "client_assertion_type=\(Self.assertionType)&client_assertion=\(try Self.assertion())"
        let clients = [
            try PresentedClient(authorizationHeader: nil, form: form("client_id=app")),
            try PresentedClient(authorizationHeader: Self.basic, form: form("a=1")),
            try PresentedClient(authorizationHeader: nil, form: form("client_id=app&client_secret=secret")),
            try PresentedClient(authorizationHeader: nil, form: form(assertion)),
        ]

        #expect(clients.map(\.clientID) == Array(repeating: ClientID("app"), count: 4))
        #expect(clients.map(\.method) == [.none, .clientSecretBasic, .clientSecretPost, .privateKeyJWT])
    }
}

@Suite struct `Client assertions` {
    static let now: Int64 = 1_800_000_000
    static let endpoint = "http://localhost:8080/oauth/token"
    static let issuer = "http://localhost:8080"
    static let rules = ClientAssertion.Rules(audiences: [endpoint, issuer])
    static let keys = JWKSet([TestKeys.es384.publicKey, TestKeys.rs384.publicKey, TestKeys.es256.publicKey])
    static let good: [(String, JSONValue)] = [
        ("iss", "app"), ("sub", "app"), ("aud", .string(endpoint)), ("exp", .int(now + 300)), ("jti", "j1"),
    ]

    static func claims(_ changes: [(String, JSONValue?)]) -> JSONValue {
        let kept = good.filter { pair in !changes.contains { $0.0 == pair.0 } }
        return .object(
            (kept + changes.compactMap { name, value in value.map { (name, $0) } }).map { JSONMemberValue($0.0, $0.1) })
    }

    static func check(
        _ changes: [(String, JSONValue?)] = [], type: String = "JWT", key: PrivateJWK = TestKeys.es384,
        client: String = "app"
    ) throws -> OAuthError? {
        let token = try JWS.sign(claims(changes), type: type, with: key)
        return refusal(OAuthError.self) {
            try ClientAssertion(
                UnverifiedJWT(parsing: token), from: ClientID(client), keys: keys, rules: rules, now: now)
        }
    }

    @Test(
        .verifies("oauth-attack@A-21", "oauth-attack@A-22"),
        arguments: [
            nil, .int(now - 31), .int(now - 300), .int(now + 331), .int(now + 3600), .string("\(now + 300)"),
            .number(JSONNumber("1800000300.5")!),
            .number(JSONNumber("1e300")!), .int(-1), .null, .bool(true), .int(.max),
            .number(JSONNumber("18446744073709551616")!),
        ] as [JSONValue?])
    func `an expiry that is missing, past, far or no whole number is refused`(_ expiry: JSONValue?) throws {
        #expect(try Self.check([("exp", expiry)])?.code == .invalidClient)
    }

    @Test(
        .verifies("oauth-attack@A-24"), arguments: ["iat", "nbf"],
        [.int(now + 31), .int(now + 10_000), .string("x"), .number(JSONNumber("1.5")!)] as [JSONValue])
    func `a beginning in the future or of another type is refused`(_ name: String, _ value: JSONValue) throws {
        #expect(try Self.check([(name, value)])?.code == .invalidClient)
    }

    @Test(
        .verifies("oauth-attack@A-25"),
        arguments: [
            nil, "https://other.example/token", .string(endpoint + "/"), .string(endpoint + "x"),
            "http://localhost:8080/oauth",
            "HTTP://localhost:8080/oauth/token", [.string(endpoint), "https://other.example/token"],
            [.string(endpoint), .string(issuer)],
            [], [1], 1, "", [["a": 1]],
        ] as [JSONValue?])
    func `an audience that is not us alone is refused`(_ audience: JSONValue?) throws {
        #expect(try Self.check([("aud", audience)])?.code == .invalidClient)
    }

    @Test(
        .verifies("oauth-attack@A-26"),
        arguments: [
            [("iss", "other")], [("sub", "other")], [("iss", nil)], [("sub", nil)],
            [("iss", "other"), ("sub", "other")], [("sub", 1)],
        ]
            as [[(String, JSONValue?)]])
    func `issuer and subject must be the client`(_ changes: [(String, JSONValue?)]) throws {
        #expect(try Self.check(changes)?.code == .invalidClient)
    }

    @Test(arguments: [nil, "", 1, .string(String(repeating: "j", count: 256)), .null] as [JSONValue?])
    func `without a usable jti an assertion could be replayed, so it is refused`(_ jti: JSONValue?) throws {
        #expect(try Self.check([("jti", jti)])?.code == .invalidClient)
    }

    @Test(.verifies("oauth-attack@A-15"), arguments: ["at+jwt", "dpop+jwt", "logout+jwt"])
    func `tokens of another kind are no assertions`(_ type: String) throws {
        #expect(try Self.check(type: type)?.code == .invalidClient)
    }

    @Test(.verifies("oauth-attack@A-03"))
    func `an algorithm that the client may not use is refused, though it has the key`() throws {
        #expect(try Self.check(key: TestKeys.es256)?.code == .invalidClient)
    }

    @Test(.verifies("oauth-attack@A-40"))
    func `a key that is not in the client's set is refused`() throws {
        #expect(try Self.check(key: TestKeys.otherES384)?.code == .invalidClient)
        #expect(try Self.check(key: TestKeys.ps384)?.code == .invalidClient)
    }

    @Test func `every refusal reads the same and keeps its reason for the log`() throws {
        let refusals = try [
            Self.check([("exp", .int(0))]), Self.check(key: TestKeys.otherES384), Self.check([("aud", "x")]),
            Self.check(client: "other"),
        ].map { try #require($0) }

        #expect(Set(refusals.map(\.json)).count == 1)
        #expect(Set(refusals.map(\.detail)).count == 4)
    }

    @Test(arguments: [TestKeys.es384.algorithm, TestKeys.rs384.algorithm], ["JWT", "client-authentication+jwt"])
    func `a SMART assertion with five minutes to live is accepted`(_ algorithm: SignatureAlgorithm, _ type: String)
        throws
    {
        let token = try JWS.sign(Self.claims([]), type: type, with: TestKeys.key(algorithm))

        let assertion = try ClientAssertion(
            UnverifiedJWT(parsing: token), from: ClientID("app"), keys: Self.keys, rules: Self.rules, now: Self.now)

        #expect(assertion.tokenID == "j1")
        #expect(assertion.algorithm == algorithm)
        #expect(assertion.audience == Self.endpoint)
        // From then on it is refused as expired, so the memory may end.
        #expect(assertion.rememberUntil == Self.now + 330)
        #expect(throws: OAuthError.self) {
            try ClientAssertion(
                UnverifiedJWT(parsing: token), from: ClientID("app"), keys: Self.keys, rules: Self.rules,
                now: assertion.rememberUntil)
        }
    }

    @Test(
        arguments: [
            [("exp", .int(now - 29))], [("exp", .int(now + 330))], [("iat", .int(now + 30))], [("nbf", .int(now))],
            [("aud", [.string(endpoint)])], [("aud", .string(issuer))],
        ] as [[(String, JSONValue?)]])
    func `clocks may differ by half a minute, and issuer or endpoint may be named`(_ changes: [(String, JSONValue?)])
        throws
    {
        #expect(try Self.check(changes) == nil)
    }

    @Test func `an assertion without a type is accepted`() throws {
        let token = try Forge.token(
            header: #"{"alg":"ES384","kid":"es384"}"#, claims: Self.claims([]).text, key: TestKeys.es384)

        #expect(throws: Never.self) {
            try ClientAssertion(
                UnverifiedJWT(parsing: token), from: ClientID("app"), keys: Self.keys, rules: Self.rules, now: Self.now)
        }
    }
}
