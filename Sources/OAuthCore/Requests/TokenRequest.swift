public import AccessPolicy

/// What is asked of the token endpoint, by grant type; the client and the artefacts are still to be checked.
public enum TokenRequest: Equatable, Sendable {
    /// A code for tokens (RFC 6749 §4.1.3). Without a verifier only a code that was issued without challenge passes.
    case authorizationCode(code: Secret, redirectURI: String, verifier: CodeVerifier?)
    /// A refresh token for an access token (RFC 6749 §6); no scope means the same as before.
    case refreshToken(Secret, scope: ScopeSet?)
    /// A client's own access (RFC 6749 §4.4, SMART 2.2 backend-services).
    case clientCredentials(scope: ScopeSet?)

    /// The grant type.
    public var grantType: GrantType {
        switch self {
        case .authorizationCode: .authorizationCode
        case .refreshToken: .refreshToken
        case .clientCredentials: .clientCredentials
        }
    }

    /// The longest code or refresh token that is looked up.
    public static let maxArtefactBytes = 512

    /// Reads the form of a token request.
    public init(parsing form: FormParameters) throws(OAuthError) {
        guard let name = form["grant_type"] else { throw OAuthError(.invalidRequest, "grant_type is missing") }
        guard let type = GrantType(rawValue: name) else {
            throw OAuthError(.unsupportedGrantType, detail: "grant_type `\(name.prefix(100))` is not supported")
        }
        switch type {
        case .authorizationCode:
            let code = try Self.artefact("code", of: form)
            guard let redirectURI = form["redirect_uri"] else {
                throw OAuthError(.invalidRequest, "redirect_uri is missing")
            }
            self = .authorizationCode(code: code, redirectURI: redirectURI, verifier: try Self.verifier(of: form))
        case .refreshToken:
            self = .refreshToken(try Self.artefact("refresh_token", of: form), scope: try Self.scope(of: form))
        case .clientCredentials:
            self = .clientCredentials(scope: try Self.scope(of: form))
        }
    }

    private static func artefact(_ name: String, of form: FormParameters) throws(OAuthError) -> Secret {
        guard let text = form[name] else { throw OAuthError(.invalidRequest, "\(name) is missing") }
        // RFC 6749 Appendix A.11, A.17: visible ASCII. What cannot be one of ours is as unknown as any other.
        guard text.utf8.count <= maxArtefactBytes, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw OAuthError(.invalidGrant, detail: "\(name) is malformed")
        }
        return Secret(text)
    }

    private static func verifier(of form: FormParameters) throws(OAuthError) -> CodeVerifier? {
        guard let text = form["code_verifier"] else { return nil }
        guard let verifier = CodeVerifier(text) else {
            throw OAuthError(.invalidGrant, detail: "code_verifier is malformed")
        }
        return verifier
    }

    private static func scope(of form: FormParameters) throws(OAuthError) -> ScopeSet? {
        guard let text = form["scope"] else { return nil }
        return try ScopeSet(requested: text)
    }
}

extension ScopeSet {
    /// Reads a `scope` parameter of a request; throws `invalid_scope` for what is no scope list, and for anything that
    /// looks like a resource scope and is none.
    public init(requested text: String) throws(OAuthError) {
        do { try self.init(parsing: text) } catch {
            throw OAuthError(.invalidScope, detail: "scope: \(error.summary)")
        }
        guard malformed.isEmpty else {
            throw OAuthError(
                .invalidScope, "a resource scope is malformed", detail: "malformed scopes: \(malformed.prefix(5))")
        }
        guard !isEmpty else { throw OAuthError(.invalidScope, "the scope is empty") }
    }
}
