import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Client metadata` {
    static let good: [(String, JSONValue)] = [
        ("client_name", "App"), ("redirect_uris", ["https://app.example.com/cb"]),
        ("token_endpoint_auth_method", "none"),
    ]

    static func json(_ changes: [(String, JSONValue?)]) -> JSONValue {
        let kept = good.filter { pair in !changes.contains { $0.0 == pair.0 } }
        return .object(
            (kept + changes.compactMap { name, value in value.map { (name, $0) } }).map { JSONMemberValue($0.0, $0.1) })
    }

    static func code(_ changes: [(String, JSONValue?)]) -> OAuthError.Code? {
        refusal(OAuthError.self) { try ClientMetadata(parsing: json(changes)) }?.code
    }

    @Test(
        .verifies("oauth-attack@R-16", "oauth-attack@R-17", "oauth-attack@R-06"),
        arguments: [
            ["javascript:alert(1)"], ["https://*.example.com/cb"], ["https://a.example/cb#f"], ["http://a.example/cb"],
            ["http://127.0.0.1/cb"],
            ["http://localhost/cb"], [], ["https://a.example/cb", "https://a.example/cb"],
            .array((0..<21).map { .string("https://a.example/\($0)") }), ["https://a.example/cb", "data:x"],
        ] as [JSONValue])
    func `one bad redirect refuses the registration`(_ redirects: JSONValue) {
        #expect(Self.code([("redirect_uris", redirects)]) == .invalidRedirectURI)
    }

    @Test(
        arguments: [
            [("client_name", nil)], [("client_name", "")], [("client_name", " App")], [("client_name", "A\u{202E}ppA")],
            [("client_name", "A\nB")],
            [("client_name", "A\u{200B}B")], [("client_name", .string(String(repeating: "a", count: 101)))],
            [("client_name", 1)],
            [("redirect_uris", "https://a.example/cb")], [("redirect_uris", [1])],
            [("grant_types", ["implicit"])], [("grant_types", ["password"])], [("grant_types", [])],
            [("grant_types", ["refresh_token"])],
            [("grant_types", ["client_credentials", "authorization_code"])],
            [("grant_types", ["authorization_code", "authorization_code"])],
            [("response_types", ["token"])], [("response_types", [])],
            [("token_endpoint_auth_method", "client_secret_jwt")], [("token_endpoint_auth_method", "tls_client_auth")],
            [("token_endpoint_auth_method", "private_key_jwt")], [("application_type", "desktop")],
            [("scope", "patient/Observation.sr")],
            [("jwks_uri", "https://a.example/jwks")], [("logo_uri", "javascript:x")],
            [("logo_uri", "http://a.example/l.png")],
            [("client_uri", "https://u@a.example")], [("policy_uri", "com.example.app:/x")], [("contacts", ["a\nb"])],
            [("contacts", [""])],
            [("software_id", "")], [("token_endpoint_auth_signing_alg", "HS256")],
            [("token_endpoint_auth_method", "private_key_jwt"), ("jwks_uri", "http://a.example/jwks")],
            [("token_endpoint_auth_method", "private_key_jwt"), ("jwks_uri", "https://u@a.example/jwks")],
            [("token_endpoint_auth_method", "private_key_jwt"), ("jwks_uri", "https://169.254.169.254/jwks")],
            [("token_endpoint_auth_method", "private_key_jwt"), ("jwks", ["keys": []])],
            [("token_endpoint_auth_method", "private_key_jwt"), ("jwks", ["keys": [["kty": "oct", "k": "AA"]]])],
        ] as [[(String, JSONValue?)]])
    func `members that break a rule refuse the registration`(_ changes: [(String, JSONValue?)]) {
        #expect(Self.code(changes) == .invalidClientMetadata)
    }

    @Test func `keys by value and by address exclude each other`() {
        #expect(
            Self.code([
                ("token_endpoint_auth_method", "private_key_jwt"), ("jwks_uri", "https://a.example/jwks"),
                ("jwks", JWKSet([TestKeys.es384.publicKey]).json),
            ]) == .invalidClientMetadata)
    }

    @Test func `a stated algorithm needs a key that fits`() {
        let keys = JWKSet([TestKeys.es384.publicKey]).json
        let method: (String, JSONValue?) = ("token_endpoint_auth_method", "private_key_jwt")

        #expect(
            Self.code([method, ("jwks", keys), ("token_endpoint_auth_signing_alg", "RS384")]) == .invalidClientMetadata)
        #expect(Self.code([method, ("jwks", keys), ("token_endpoint_auth_signing_alg", "ES384")]) == nil)
    }

    @Test func `backend clients have no redirects and no shared secret`() {
        #expect(throws: OAuthError.self) {
            try ClientMetadata(name: "B", grantTypes: [.clientCredentials], authenticationMethod: .clientSecretBasic)
        }
        #expect(throws: OAuthError.self) {
            try ClientMetadata(
                name: "B", redirectURIs: ["https://a.example/cb"], grantTypes: [.clientCredentials],
                authenticationMethod: .privateKeyJWT,
                keys: .value(TestKeys.set))
        }
        #expect(throws: Never.self) {
            try ClientMetadata(
                name: "B", grantTypes: [.clientCredentials], authenticationMethod: .privateKeyJWT,
                keys: .value(TestKeys.set))
        }
    }

    @Test func `the defaults are those of RFC 7591`() throws {
        let client = try ClientMetadata(parsing: [
            "client_name": "App", "redirect_uris": ["https://a.example/cb"], "unknown": [1],
        ])

        #expect(client.authenticationMethod == .clientSecretBasic)
        #expect(client.grantTypes == [.authorizationCode])
        #expect(!client.isNative)
    }

    @Test func `metadata survive storage`() throws {
        var links = ClientMetadata.Links()
        links.client = "https://a.example"
        links.logo = "https://a.example/l.png"
        links.policy = "https://a.example/p"
        links.terms = "https://a.example/t"
        links.launch = "https://a.example/launch"
        let clients = [
            try ClientMetadata(
                name: "Ärzte-App", redirectURIs: ["http://127.0.0.1/cb", "com.example.app:/cb"],
                grantTypes: [.authorizationCode, .refreshToken],
                authenticationMethod: .none, isNative: true, scope: ScopeSet(parsing: "openid patient/Observation.rs"),
                links: links,
                contacts: ["mailto:a@a.example"], softwareID: "s", softwareVersion: "1"),
            try ClientMetadata(
                name: "B", grantTypes: [.clientCredentials], authenticationMethod: .privateKeyJWT,
                keys: .value(JWKSet([TestKeys.es384.publicKey])),
                assertionAlgorithm: .es384),
            try ClientMetadata(
                name: "C", redirectURIs: ["https://a.example/cb"], grantTypes: [.authorizationCode],
                authenticationMethod: .privateKeyJWT,
                keys: .location("https://a.example/jwks")),
        ]

        for client in clients {
            #expect(try ClientMetadata(parsing: JSONValue(parsing: client.json.serialized)) == client)
        }
    }

    @Test func `a demonstration's loopback addresses do not pass elsewhere`() throws {
        let client = try ClientMetadata(
            name: "Demo", redirectURIs: ["http://127.0.0.1:8083/app/callback", "http://localhost:8083/cb"],
            grantTypes: [.authorizationCode],
            authenticationMethod: .none, isDemonstration: true)

        #expect(throws: OAuthError.self) { try ClientMetadata(parsing: client.json) }
        #expect(try ClientMetadata(parsing: client.json, isDemonstration: true) == client)
        #expect(client.origins == ["http://127.0.0.1:8083", "http://localhost:8083"])
    }

    @Test func `origins are those of web and loopback redirects`() throws {
        let client = try ClientMetadata(
            name: "A", redirectURIs: ["https://a.example:8443/cb", "https://b.example?x=1", "com.example.app:/cb"],
            grantTypes: [.authorizationCode],
            authenticationMethod: .none, isNative: true)

        #expect(client.origins == ["https://a.example:8443", "https://b.example"])
    }
}
