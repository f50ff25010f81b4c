import FHIRCore
import RequirementTraits
import Testing

@testable import OAuthCore

@Suite struct `Discovery documents` {
    static var endpoints: ServerEndpoints {
        ServerEndpoints(
            issuer: "http://localhost:8080", authorization: "http://localhost:8080/oauth/authorize",
            token: "http://localhost:8080/oauth/token",
            jwks: "http://localhost:8080/.well-known/jwks.json")
    }
    static let server = ServerCapabilities(
        grantTypes: [.authorizationCode, .refreshToken, .clientCredentials],
        authenticationMethods: [.none, .clientSecretBasic, .privateKeyJWT], assertionAlgorithms: [.rs384, .es384],
        scopes: ["openid"])

    static func smart(_ capabilities: [SMARTConfiguration.Capability]) -> JSONValue {
        SMARTConfiguration(endpoints: endpoints, server: server, capabilities: capabilities).json
    }

    @Test func `nothing that is not built is named`() {
        let json = Self.smart([.launchStandalone, .clientPublic])

        for name in [
            "issuer", "jwks_uri", "introspection_endpoint", "revocation_endpoint", "registration_endpoint",
            "management_endpoint",
        ] {
            #expect(json[name] == nil, "`\(name)`")
        }
        #expect(json["capabilities"] == ["launch-standalone", "client-public"])
    }

    @Test func `plain challenges, public clients and refresh are not among SMART's values`() {
        let json = Self.smart([.launchStandalone])

        #expect(json["code_challenge_methods_supported"] == ["S256"])
        #expect(json["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "private_key_jwt"])
        #expect(json["grant_types_supported"] == ["authorization_code", "client_credentials"])
        #expect(json["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"])
    }

    @Test func `single sign-on brings issuer and keys`() {
        let json = Self.smart([.launchStandalone, .ssoOpenIDConnect])

        #expect(json["issuer"] == "http://localhost:8080")
        #expect(json["jwks_uri"] == "http://localhost:8080/.well-known/jwks.json")
        #expect(json["authorization_endpoint"] == "http://localhost:8080/oauth/authorize")
    }

    @Test func `the capabilities are SMART's twenty, by their names`() {
        #expect(SMARTConfiguration.Capability.allCases.count == 20)
        #expect(SMARTConfiguration.Capability(rawValue: "permission-v2") == .permissionV2)
    }

    @Test func `OAuth metadata name what RFC 8414 and RFC 9207 ask`() {
        var endpoints = Self.endpoints
        endpoints.revocation = "http://localhost:8080/oauth/revoke"
        let json = AuthorizationServerMetadata(endpoints: endpoints, server: Self.server).json

        #expect(json["issuer"] == "http://localhost:8080")
        #expect(json["token_endpoint_auth_methods_supported"] == ["none", "client_secret_basic", "private_key_jwt"])
        #expect(json["authorization_response_iss_parameter_supported"] == true)
        #expect(json["revocation_endpoint"] == "http://localhost:8080/oauth/revoke")
        #expect(json["introspection_endpoint"] == nil)
        #expect(json["response_types_supported"] == ["code"])
    }

    @Test func `the OpenID configuration adds what its discovery requires`() {
        let json = OpenIDConfiguration(AuthorizationServerMetadata(endpoints: Self.endpoints, server: Self.server)).json

        #expect(json["id_token_signing_alg_values_supported"] == ["RS256"])
        #expect(json["subject_types_supported"] == ["public"])
        #expect(json["request_uri_parameter_supported"] == false)
        #expect(json["userinfo_endpoint"] == nil)
    }
}
