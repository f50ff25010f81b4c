public import AccessPolicy

/// What a client is registered with (RFC 7591 §2), checked: a value of this type breaks none of the rules below.
public struct ClientMetadata: Hashable, Sendable {
    /// The name that people see.
    public let name: String
    /// Where answers may go; empty without the authorization code grant.
    public let redirectURIs: [RedirectURI]
    /// The grant types that the client may use.
    public let grantTypes: Set<GrantType>
    /// How the client authenticates.
    public let authenticationMethod: ClientAuthenticationMethod
    /// The keys of its assertions, when they were given by value or are the last ones fetched.
    public let keys: Keys?
    /// The one algorithm of its assertions, when it chose one.
    public let assertionAlgorithm: SignatureAlgorithm?
    /// Whether it is installed on the user's device (`application_type`).
    public let isNative: Bool
    /// The scopes that it registered for; what it may have is decided at approval.
    public let scope: ScopeSet?
    /// Pages and pictures for people.
    public let links: Links
    /// Whom to ask.
    public let contacts: [String]
    /// The identity of the software across registrations.
    public let softwareID: String?
    /// Its version.
    public let softwareVersion: String?

    /// The name in its certificate, with `tls_client_auth`.
    public let certificateSubject: CertificateSubject?
    /// Whether its access tokens are bound to its certificate (`tls_client_certificate_bound_access_tokens`).
    public let bindsTokensToCertificate: Bool

    /// Where a client's public keys are.
    public enum Keys: Hashable, Sendable {
        /// Given by value (`jwks`).
        case value(JWKSet)
        /// Published by the client (`jwks_uri`).
        case location(String)
    }

    /// The addresses that a client may register; all `https`.
    public struct Links: Hashable, Sendable {
        /// Its home page.
        public var client: String?
        /// Its picture; fetched once and guarded, never linked to.
        public var logo: String?
        /// Its privacy policy.
        public var policy: String?
        /// Its terms of service.
        public var terms: String?
        /// Where an EHR starts it (SMART app launch).
        public var launch: String?

        /// No address at all.
        public init() {}

        var all: [(name: String, value: String?)] {
            [
                ("client_uri", client), ("logo_uri", logo), ("policy_uri", policy), ("tos_uri", terms),
                ("initiate_login_uri", launch),
            ]
        }
    }

    /// Checks and makes a registration; throws `invalid_redirect_uri` or `invalid_client_metadata` with the reason.
    /// `isDemonstration` lets loopback addresses stand where only `https` may.
    public init(
        name: String, redirectURIs: [String] = [], grantTypes: Set<GrantType>,
        authenticationMethod: ClientAuthenticationMethod, keys: Keys? = nil,
        assertionAlgorithm: SignatureAlgorithm? = nil, isNative: Bool = false, scope: ScopeSet? = nil,
        links: Links = Links(), contacts: [String] = [], softwareID: String? = nil, softwareVersion: String? = nil,
        certificateSubject: CertificateSubject? = nil, bindsTokensToCertificate: Bool = false,
        isDemonstration: Bool = false
    ) throws(OAuthError) {
        try ClientMetadataChecks.name(name)
        try ClientMetadataChecks.grants(grantTypes, method: authenticationMethod)
        try ClientMetadataChecks.keys(keys, method: authenticationMethod, algorithm: assertionAlgorithm)
        try ClientMetadataChecks.certificate(
            certificateSubject, method: authenticationMethod, bindsTokens: bindsTokensToCertificate)
        try ClientMetadataChecks.texts(contacts: contacts, softwareID: softwareID, softwareVersion: softwareVersion)
        for (name, address) in links.all {
            try ClientMetadataChecks.address(address, named: name, isDemonstration: isDemonstration)
        }
        self.redirectURIs = try ClientMetadataChecks.redirects(
            redirectURIs, grantTypes: grantTypes,
            rules: RedirectURI.Rules(isNative: isNative, isDemonstration: isDemonstration))
        self.name = name
        self.grantTypes = grantTypes
        self.authenticationMethod = authenticationMethod
        self.keys = keys
        self.assertionAlgorithm = assertionAlgorithm
        self.isNative = isNative
        self.scope = scope
        self.links = links
        self.contacts = contacts
        self.softwareID = softwareID
        self.softwareVersion = softwareVersion
        self.certificateSubject = certificateSubject
        self.bindsTokensToCertificate = bindsTokensToCertificate
    }

    /// The web origins of the redirects, from which a browser app may call the token endpoint (SMART 2.2 app-launch,
    /// CORS). Private-use schemes have none.
    public var origins: Set<String> {
        Set(
            redirectURIs.compactMap { redirect in
                guard case .privateUse = redirect.target else {
                    return redirect.text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
                        .prefix(3).last.flatMap { authority in
                            let host = authority.prefix { $0 != "/" && $0 != "?" }
                            return redirect.text.hasPrefix("https:") ? "https://\(host)" : "http://\(host)"
                        }
                }
                return nil
            })
    }
}
