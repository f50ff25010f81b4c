public import FHIRCore

/// The document at `/.well-known/oauth-authorization-server` (RFC 8414).
public struct AuthorizationServerMetadata: Hashable, Sendable {
    /// The addresses.
    public let endpoints: ServerEndpoints
    /// What the server can do.
    public let server: ServerCapabilities

    /// Makes a document.
    public init(endpoints: ServerEndpoints, server: ServerCapabilities) {
        self.endpoints = endpoints
        self.server = server
    }

    var members: [(name: String, value: JSONValue?)] {
        let methods = JSONValue.strings(server.authenticationMethods.map(\.rawValue))
        let algorithms =
            server.authenticationMethods.contains(.privateKeyJWT)
            ? JSONValue.strings(server.assertionAlgorithms.map(\.rawValue)) : nil
        let confidential = JSONValue.strings(server.authenticationMethods.filter(\.isConfidential).map(\.rawValue))
        return [
            ("issuer", .string(endpoints.issuer)),
            ("authorization_endpoint", .string(endpoints.authorization)),
            ("token_endpoint", .string(endpoints.token)),
            ("jwks_uri", .string(endpoints.jwks)),
            ("introspection_endpoint", endpoints.introspection.map { .string($0) }),
            ("introspection_endpoint_auth_methods_supported", endpoints.introspection.map { _ in confidential }),
            ("revocation_endpoint", endpoints.revocation.map { .string($0) }),
            ("revocation_endpoint_auth_methods_supported", endpoints.revocation.map { _ in methods }),
            ("pushed_authorization_request_endpoint", endpoints.pushedRequests.map { .string($0) }),
            ("dpop_signing_alg_values_supported", .strings(DPoPProof.algorithms.map(\.rawValue))),
            ("registration_endpoint", endpoints.registration.map { .string($0) }),
            ("scopes_supported", server.scopes.isEmpty ? nil : .strings(server.scopes)),
            ("response_types_supported", ["code"]),
            ("response_modes_supported", ["query"]),
            ("grant_types_supported", .strings(server.grantTypes.map(\.rawValue))),
            ("token_endpoint_auth_methods_supported", methods),
            ("token_endpoint_auth_signing_alg_values_supported", algorithms),
            ("code_challenge_methods_supported", ["S256"]),
            // RFC 9207 §3
            ("authorization_response_iss_parameter_supported", true),
            // RFC 8705 §3.3, §5
            ("tls_client_certificate_bound_access_tokens", server.certificateOrigin.map { _ in true }),
            ("mtls_endpoint_aliases", server.certificateOrigin.map(aliases)),
        ]
    }

    /// The endpoints that clients call themselves, at the origin where certificates are asked for.
    private func aliases(at origin: String) -> JSONValue {
        func alias(_ address: String?) -> JSONValue? {
            address.map { .string(origin + $0.dropFirst(endpoints.issuer.count)) }
        }
        return .members([
            ("token_endpoint", alias(endpoints.token)), ("revocation_endpoint", alias(endpoints.revocation)),
            ("introspection_endpoint", alias(endpoints.introspection)),
            ("pushed_authorization_request_endpoint", alias(endpoints.pushedRequests)),
        ])
    }

    /// The document.
    public var json: JSONValue { .members(members) }
}

/// The document at `/.well-known/openid-configuration` (OpenID Connect Discovery §3).
public struct OpenIDConfiguration: Hashable, Sendable {
    /// What it shares with the OAuth metadata.
    public let metadata: AuthorizationServerMetadata

    /// Makes a document.
    public init(_ metadata: AuthorizationServerMetadata) { self.metadata = metadata }

    /// The document.
    public var json: JSONValue {
        .members(
            metadata.members + [
                ("subject_types_supported", ["public"]),
                // SMART 2.2: RS256 must be there.
                ("id_token_signing_alg_values_supported", ["RS256"]),
                ("claim_types_supported", ["normal"]),
                (
                    "claims_supported",
                    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "fhirUser"]
                ),
                (
                    "acr_values_supported",
                    metadata.server.authenticationClasses.isEmpty
                        ? nil : .strings(metadata.server.authenticationClasses)
                ),
                ("ui_locales_supported", ["en", "es"]),
                ("claims_parameter_supported", false),
                ("request_parameter_supported", false),
                // The default of this one is true.
                ("request_uri_parameter_supported", false),
                ("userinfo_endpoint", metadata.endpoints.userInfo.map { .string($0) }),
                ("end_session_endpoint", metadata.endpoints.endSession.map { .string($0) }),
            ])
    }
}
