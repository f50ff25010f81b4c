public import FHIRCore
internal import OAuthCore

/// The public documents that tell clients where everything is and what it can do. It composes them from what is built;
/// what is not built is not named.
public struct DiscoveryEndpoint: Sendable {
    let endpoints: ServerEndpoints
    let capabilities: ServerCapabilities
    let keys: ServerKeys

    init(configuration: AuthorizationConfiguration, keys: ServerKeys) {
        var endpoints = ServerEndpoints(
            issuer: configuration.issuer, authorization: configuration.authorizationEndpoint,
            token: configuration.tokenEndpoint, jwks: configuration.jwksURL)
        endpoints.revocation = configuration.revocationEndpoint
        endpoints.introspection = configuration.introspectionEndpoint
        endpoints.management = configuration.managementEndpoint
        endpoints.pushedRequests = configuration.pushedRequestEndpoint
        endpoints.brandBundle = configuration.brandBundle
        endpoints.brandIdentifier = configuration.brandIdentifier
        endpoints.endSession = configuration.endSessionEndpoint
        endpoints.userInfo = configuration.userInfoEndpoint
        self.endpoints = endpoints
        var capabilities = ServerCapabilities(
            grantTypes: [.authorizationCode, .refreshToken, .clientCredentials],
            authenticationMethods: [.none, .clientSecretBasic, .privateKeyJWT],
            assertionAlgorithms: [.rs384, .es384], scopes: configuration.scopesSupported,
            authenticationClasses: AuthenticationContext.classes)
        if let certificates = configuration.clientCertificates {
            capabilities.certificateOrigin = certificates.origin
            if certificates.hasAuthorities { capabilities.authenticationMethods.append(.tlsClientAuth) }
            capabilities.authenticationMethods.append(.selfSignedTLSClientAuth)
        }
        self.capabilities = capabilities
        self.keys = keys
    }

    /// `.well-known/smart-configuration` below a FHIR base (SMART 2.2 conformance).
    public var smartConfiguration: JSONValue {
        SMARTConfiguration(
            endpoints: endpoints, server: capabilities,
            capabilities: [
                .launchEHR, .launchStandalone, .authorizePost, .clientPublic, .clientConfidentialSymmetric,
                .clientConfidentialAsymmetric, .ssoOpenIDConnect, .contextBanner, .contextStyle,
                .contextEHRPatient, .contextEHREncounter, .contextStandalonePatient, .contextStandaloneEncounter,
                .permissionOffline, .permissionOnline, .permissionPatient, .permissionUser, .permissionV1,
                .permissionV2,
            ]
        ).json
    }

    /// `/.well-known/openid-configuration`.
    public var openIDConfiguration: JSONValue {
        OpenIDConfiguration(AuthorizationServerMetadata(endpoints: endpoints, server: capabilities)).json
    }

    /// `/.well-known/oauth-authorization-server` (RFC 8414).
    public var authorizationServerMetadata: JSONValue {
        AuthorizationServerMetadata(endpoints: endpoints, server: capabilities).json
    }

    /// `/.well-known/jwks.json`: public halves only, of this moment.
    public var jwks: JSONValue { keys.signer.jwks }
}
