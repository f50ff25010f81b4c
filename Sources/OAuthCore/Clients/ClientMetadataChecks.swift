/// The single rules for client metadata, each a pure function that throws the error of RFC 7591 §3.2.2.
enum ClientMetadataChecks {
    static func refused(_ summary: String) -> OAuthError { OAuthError(.invalidClientMetadata, summary) }

    /// A name is shown to people who decide by it: no tricks with direction, width or lines.
    static func name(_ name: String) throws(OAuthError) {
        let isPlain = name.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
        guard (1...100).contains(name.unicodeScalars.count), isPlain, !name.allSatisfy(\.isWhitespace),
            name.first?.isWhitespace == false, name.last?.isWhitespace == false
        else { throw refused("client_name must be 1 to 100 visible characters") }
    }

    static func grants(_ grants: Set<GrantType>, method: ClientAuthenticationMethod) throws(OAuthError) {
        guard !grants.isEmpty else { throw refused("grant_types is empty") }
        if grants.contains(.refreshToken), !grants.contains(.authorizationCode) {
            throw refused("refresh_token needs authorization_code")
        }
        // SMART 2.2 backend-services: asymmetric authentication only.
        if grants.contains(.clientCredentials), method != .privateKeyJWT {
            throw refused("client_credentials needs private_key_jwt")
        }
    }

    static func keys(
        _ keys: ClientMetadata.Keys?, method: ClientAuthenticationMethod, algorithm: SignatureAlgorithm?
    ) throws(OAuthError) {
        guard method == .privateKeyJWT || method == .selfSignedTLSClientAuth else {
            guard keys == nil, algorithm == nil else {
                throw refused("keys are only for private_key_jwt and self_signed_tls_client_auth")
            }
            return
        }
        switch keys {
        case nil: throw refused("\(method.rawValue) needs jwks or jwks_uri")
        case .value(let set):
            if method == .selfSignedTLSClientAuth, !set.keys.contains(where: { $0.certificate != nil }) {
                throw refused("no key of jwks has a certificate (x5c)")
            }
            guard !set.keys.isEmpty, set.keys.allSatisfy({ $0.keyID != nil }),
                Set(set.keys.map(\.keyID)).count == set.keys.count
            else { throw refused("each key of jwks needs a kid of its own") }
            if let algorithm, !set.keys.contains(where: { $0.fits(algorithm) }) {
                throw refused("no key fits token_endpoint_auth_signing_alg")
            }
        case .location(let text): try address(text, named: "jwks_uri", isDemonstration: false)
        }
    }

    /// RFC 8705 §2.1.2: exactly one name with `tls_client_auth`, none otherwise. Public clients' tokens are not bound to
    /// certificates here: their refresh tokens would have to be, too (decision record 0054).
    static func certificate(
        _ subject: CertificateSubject?, method: ClientAuthenticationMethod, bindsTokens: Bool
    ) throws(OAuthError) {
        guard (subject != nil) == (method == .tlsClientAuth) else {
            throw refused("tls_client_auth needs one tls_client_auth_* name, and nothing else has one")
        }
        guard subject?.isUsable ?? true else { throw refused("the tls_client_auth_* name is not one") }
        guard !bindsTokens || method.isConfidential else {
            throw refused("tls_client_certificate_bound_access_tokens needs a confidential client")
        }
    }

    static func texts(contacts: [String], softwareID: String?, softwareVersion: String?) throws(OAuthError) {
        let texts = contacts + [softwareID, softwareVersion].compactMap { $0 }
        let arePlain = texts.allSatisfy { text in
            (1...255).contains(text.utf8.count)
                && text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        }
        guard contacts.count <= 10, arePlain else { throw refused("contacts or software members are malformed") }
    }

    /// An absolute `https` address with a host name, without user information or fragment.
    static func address(_ text: String?, named name: String, isDemonstration: Bool) throws(OAuthError) {
        guard let text else { return }
        guard !text.contains("#"),
            let parsed = try? RedirectURI(text, rules: .init(isNative: false, isDemonstration: isDemonstration))
        else { throw refused("\(name) is not an acceptable https address") }
        if case .privateUse = parsed.target { throw refused("\(name) is not an acceptable https address") }
    }

    static func redirects(
        _ texts: [String], grantTypes: Set<GrantType>, rules: RedirectURI.Rules
    ) throws(OAuthError) -> [RedirectURI] {
        guard grantTypes.contains(.authorizationCode) else {
            guard texts.isEmpty else {
                throw OAuthError(.invalidRedirectURI, "redirect_uris are only for authorization_code")
            }
            return []
        }
        guard (1...20).contains(texts.count), Set(texts).count == texts.count else {
            throw OAuthError(.invalidRedirectURI, "redirect_uris must be 1 to 20 different addresses")
        }
        var redirects: [RedirectURI] = []
        for text in texts { redirects.append(try RedirectURI(text, rules: rules)) }
        return redirects
    }
}
