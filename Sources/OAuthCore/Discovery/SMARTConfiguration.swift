public import FHIRCore

/// The document at `.well-known/smart-configuration` below a FHIR base (SMART 2.2 conformance).
public struct SMARTConfiguration: Hashable, Sendable {
    /// The capabilities that SMART 2.2 names.
    public enum Capability: String, CaseIterable, Hashable, Sendable {
        case launchEHR = "launch-ehr"
        case launchStandalone = "launch-standalone"
        case authorizePost = "authorize-post"
        case clientPublic = "client-public"
        case clientConfidentialSymmetric = "client-confidential-symmetric"
        case clientConfidentialAsymmetric = "client-confidential-asymmetric"
        case ssoOpenIDConnect = "sso-openid-connect"
        case contextBanner = "context-banner"
        case contextStyle = "context-style"
        case contextEHRPatient = "context-ehr-patient"
        case contextEHREncounter = "context-ehr-encounter"
        case contextStandalonePatient = "context-standalone-patient"
        case contextStandaloneEncounter = "context-standalone-encounter"
        case permissionOffline = "permission-offline"
        case permissionOnline = "permission-online"
        case permissionPatient = "permission-patient"
        case permissionUser = "permission-user"
        case permissionV1 = "permission-v1"
        case permissionV2 = "permission-v2"
        case smartAppState = "smart-app-state"
    }

    /// The addresses.
    public let endpoints: ServerEndpoints
    /// What the server can do.
    public let server: ServerCapabilities
    /// What SMART calls it.
    public let capabilities: [Capability]

    /// Makes a document; the capabilities are the composition's word about what is built.
    public init(endpoints: ServerEndpoints, server: ServerCapabilities, capabilities: [Capability]) {
        self.endpoints = endpoints
        self.server = server
        self.capabilities = capabilities
    }

    /// The document.
    public var json: JSONValue {
        let hasOpenID = capabilities.contains(.ssoOpenIDConnect)
        let hasLaunch = capabilities.contains(.launchStandalone) || capabilities.contains(.launchEHR)
        let isAsymmetric = server.authenticationMethods.contains(.privateKeyJWT)
        // `none` and `refresh_token` are not among the values that SMART lists here.
        let methods = server.authenticationMethods.filter(\.isConfidential).map(\.rawValue)
        let grants = server.grantTypes.filter { $0 != .refreshToken }.map(\.rawValue)
        return .members([
            ("issuer", hasOpenID ? .string(endpoints.issuer) : nil),
            ("jwks_uri", hasOpenID ? .string(endpoints.jwks) : nil),
            ("authorization_endpoint", hasLaunch ? .string(endpoints.authorization) : nil),
            ("token_endpoint", .string(endpoints.token)),
            ("introspection_endpoint", endpoints.introspection.map { .string($0) }),
            ("revocation_endpoint", endpoints.revocation.map { .string($0) }),
            ("registration_endpoint", endpoints.registration.map { .string($0) }),
            ("management_endpoint", endpoints.management.map { .string($0) }),
            ("user_access_brand_bundle", endpoints.brandBundle.map { .string($0) }),
            ("user_access_brand_identifier", endpoints.brandIdentifier),
            ("grant_types_supported", .strings(grants)),
            ("response_types_supported", ["code"]),
            ("code_challenge_methods_supported", ["S256"]),
            ("token_endpoint_auth_methods_supported", .strings(methods)),
            (
                "token_endpoint_auth_signing_alg_values_supported",
                isAsymmetric ? .strings(server.assertionAlgorithms.map(\.rawValue)) : nil
            ),
            ("scopes_supported", server.scopes.isEmpty ? nil : .strings(server.scopes)),
            ("capabilities", .strings(capabilities.map(\.rawValue))),
        ])
    }
}
