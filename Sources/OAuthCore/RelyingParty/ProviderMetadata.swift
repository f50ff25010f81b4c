internal import FHIRCore

/// What an OpenID Provider says of itself, as far as we use it (OpenID Connect Discovery §3).
public struct ProviderMetadata: Hashable, Sendable {
    public let issuer: String
    public let authorizationEndpoint: String
    public let tokenEndpoint: String
    public let keySetURL: String
    /// Where a browser is sent to sign out there; nil where the provider has no such place.
    public let endSessionEndpoint: String?
    /// Whether each of its answers names the issuer (RFC 9207 §3).
    public let namesIssuer: Bool

    /// The longest document that is read, in bytes.
    public static let maxBytes = 128 << 10

    /// The address of the document of an issuer (OpenID Connect Discovery §4.1).
    public static func address(of issuer: String) -> String {
        (issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer) + "/.well-known/openid-configuration"
    }

    /// Reads a document and refuses one that speaks for another issuer, lacks an endpoint, or cannot do what we demand:
    /// the code flow, S256 and one of the algorithms.
    ///
    /// - Parameters:
    ///   - issuer: the issuer that is configured; compared byte for byte.
    ///   - algorithms: those in which its ID tokens are accepted.
    ///   - allowsPlain: whether an address may be plain `http` on loopback.
    public init(
        parsing bytes: [UInt8], issuer: String, algorithms: Set<SignatureAlgorithm>, allowsPlain: Bool
    ) throws(ProviderFailure) {
        guard let json = try? JSONValue(parsing: bytes, limits: .controlPlane(maxBytes: Self.maxBytes)), json.isObject
        else { throw .metadataRefused("the document") }
        guard json["issuer"]?.string?.utf8.elementsEqual(issuer.utf8) == true else { throw .wrongIssuer }
        self.issuer = issuer
        func address(_ name: String) throws(ProviderFailure) -> String? {
            guard let value = json[name] else { return nil }
            guard let text = value.string, Self.isEndpoint(text, allowsPlain: allowsPlain) else {
                throw .metadataRefused(name)
            }
            return text
        }
        func required(_ name: String) throws(ProviderFailure) -> String {
            guard let text = try address(name) else { throw .metadataRefused(name) }
            return text
        }
        /// What a list offers; nil where the document has no such list.
        func offered(_ name: String) throws(ProviderFailure) -> [String]? {
            guard let value = json[name] else { return nil }
            guard let list = value.stringArray else { throw .metadataRefused(name) }
            return list
        }
        authorizationEndpoint = try required("authorization_endpoint")
        tokenEndpoint = try required("token_endpoint")
        keySetURL = try required("jwks_uri")
        endSessionEndpoint = try address("end_session_endpoint")
        if let types = try offered("response_types_supported"), !types.contains("code") {
            throw .metadataRefused("response_types_supported")
        }
        if let methods = try offered("code_challenge_methods_supported"), !methods.contains("S256") {
            throw .metadataRefused("code_challenge_methods_supported")
        }
        if let signing = try offered("id_token_signing_alg_values_supported"),
            algorithms.isDisjoint(with: signing.compactMap { SignatureAlgorithm(rawValue: $0) })
        {
            throw .metadataRefused("id_token_signing_alg_values_supported")
        }
        switch json["authorization_response_iss_parameter_supported"] {
        case nil: namesIssuer = false
        case let value?:
            guard let flag = value.bool else {
                throw .metadataRefused("authorization_response_iss_parameter_supported")
            }
            namesIssuer = flag
        }
    }

    /// An absolute https address without user information and fragment; plain http only on loopback, and only where it
    /// is allowed.
    public static func isEndpoint(_ text: String, allowsPlain: Bool) -> Bool {
        guard !text.contains("#"), !text.contains("@"),
            let parsed = try? RedirectURI(text, rules: .init(isNative: false, isDemonstration: allowsPlain))
        else { return false }
        if case .privateUse = parsed.target { return false }
        return true
    }
}
