internal import AccessPolicy
public import FHIRCore

extension ClientMetadata {
    /// Reads the JSON of a registration request or of the store (RFC 7591 §2). Members that we do not know are passed
    /// over, as the RFC says; known ones of another type are refused.
    public init(parsing json: JSONValue, isDemonstration: Bool = false) throws(OAuthError) {
        let reader = try MemberReader(json)
        let grants = try Self.grantTypes(reader)
        var links = Links()
        links.client = try reader.text("client_uri")
        links.logo = try reader.text("logo_uri")
        links.policy = try reader.text("policy_uri")
        links.terms = try reader.text("tos_uri")
        links.launch = try reader.text("initiate_login_uri")
        guard let name = try reader.text("client_name") else {
            throw ClientMetadataChecks.refused("client_name is missing")
        }
        // RFC 7591 §2: the default is client_secret_basic.
        guard
            let method = ClientAuthenticationMethod(
                rawValue: try reader.text("token_endpoint_auth_method") ?? "client_secret_basic")
        else { throw ClientMetadataChecks.refused("token_endpoint_auth_method is not supported") }
        let applicationType = try reader.text("application_type") ?? "web"
        guard ["web", "native"].contains(applicationType) else {
            throw ClientMetadataChecks.refused("application_type must be web or native")
        }
        try self.init(
            name: name, redirectURIs: try reader.texts("redirect_uris") ?? [], grantTypes: grants,
            authenticationMethod: method, keys: try Self.keys(reader), assertionAlgorithm: try Self.algorithm(reader),
            isNative: applicationType == "native", scope: try Self.scope(reader), links: links,
            contacts: try reader.texts("contacts") ?? [], softwareID: try reader.text("software_id"),
            softwareVersion: try reader.text("software_version"),
            certificateSubject: try CertificateSubject(reader),
            bindsTokensToCertificate: try reader.flag("tls_client_certificate_bound_access_tokens") ?? false,
            isDemonstration: isDemonstration)
    }

    private static func grantTypes(_ reader: MemberReader) throws(OAuthError) -> Set<GrantType> {
        // RFC 7591 §2: the default is the authorization code grant.
        let names = try reader.texts("grant_types") ?? ["authorization_code"]
        let grants = Set(names.compactMap(GrantType.init(rawValue:)))
        guard grants.count == names.count else { throw ClientMetadataChecks.refused("a grant type is not supported") }
        let hasCode = grants.contains(.authorizationCode)
        if let types = try reader.texts("response_types"), types != (hasCode ? ["code"] : []) {
            throw ClientMetadataChecks.refused("response_types and grant_types do not agree")
        }
        return grants
    }

    private static func keys(_ reader: MemberReader) throws(OAuthError) -> Keys? {
        let location = try reader.text("jwks_uri")
        guard let document = reader.json["jwks"] else { return location.map { .location($0) } }
        // RFC 7591 §2: not both.
        guard location == nil else { throw ClientMetadataChecks.refused("jwks and jwks_uri exclude each other") }
        do { return .value(try JWKSet(parsing: document, from: .registered)) } catch {
            throw OAuthError(
                .invalidClientMetadata, "jwks is not an acceptable public key set", detail: "jwks: \(error.detail)")
        }
    }

    private static func algorithm(_ reader: MemberReader) throws(OAuthError) -> SignatureAlgorithm? {
        guard let name = try reader.text("token_endpoint_auth_signing_alg") else { return nil }
        guard let algorithm = SignatureAlgorithm(rawValue: name) else {
            throw ClientMetadataChecks.refused("token_endpoint_auth_signing_alg is not supported")
        }
        return algorithm
    }

    private static func scope(_ reader: MemberReader) throws(OAuthError) -> ScopeSet? {
        guard let text = try reader.text("scope") else { return nil }
        do { return try ScopeSet(requested: text) } catch {
            throw OAuthError(.invalidClientMetadata, "scope is malformed", detail: error.detail)
        }
    }

    /// The registration as JSON, as it is answered and stored.
    public var json: JSONValue {
        var keySet: JSONValue?
        var keyLocation: JSONValue?
        switch keys {
        case .value(let set): keySet = set.json
        case .location(let text): keyLocation = .string(text)
        case nil: break
        }
        let hasCode = grantTypes.contains(.authorizationCode)
        let members: [(name: String, value: JSONValue?)] = [
            ("client_name", .string(name)),
            ("redirect_uris", redirectURIs.isEmpty ? nil : .strings(redirectURIs.map(\.text))),
            ("grant_types", .strings(GrantType.allCases.filter(grantTypes.contains).map(\.rawValue))),
            ("response_types", .strings(hasCode ? ["code"] : [])),
            ("token_endpoint_auth_method", .string(authenticationMethod.rawValue)),
            ("token_endpoint_auth_signing_alg", assertionAlgorithm.map { .string($0.rawValue) }),
            ("application_type", isNative ? "native" : "web"),
            ("scope", scope.map { .string($0.text) }),
            ("jwks", keySet), ("jwks_uri", keyLocation),
            ("contacts", contacts.isEmpty ? nil : .strings(contacts)),
            ("software_id", softwareID.map { .string($0) }),
            ("software_version", softwareVersion.map { .string($0) }),
        ]
        var certificate: [(name: String, value: JSONValue?)] = []
        if let certificateSubject { certificate.append(certificateSubject.json) }
        if bindsTokensToCertificate { certificate.append(("tls_client_certificate_bound_access_tokens", true)) }
        return .members(members + certificate + links.all.map { ($0.name, $0.value.map { .string($0) }) })
    }
}

/// Strictly typed access to the members of a metadata document.
struct MemberReader {
    let json: JSONValue

    init(_ json: JSONValue) throws(OAuthError) {
        guard json.isObject else { throw ClientMetadataChecks.refused("the metadata are not a JSON object") }
        self.json = json
    }

    func text(_ name: String) throws(OAuthError) -> String? {
        guard let value = json[name] else { return nil }
        guard let text = value.string, !text.isEmpty else {
            throw ClientMetadataChecks.refused("\(name) must be a text")
        }
        return text
    }

    func flag(_ name: String) throws(OAuthError) -> Bool? {
        guard let value = json[name] else { return nil }
        guard let flag = value.bool else { throw ClientMetadataChecks.refused("\(name) must be true or false") }
        return flag
    }

    func texts(_ name: String) throws(OAuthError) -> [String]? {
        guard let value = json[name] else { return nil }
        guard let texts = value.stringArray else {
            throw ClientMetadataChecks.refused("\(name) must be an array of texts")
        }
        return texts
    }
}
