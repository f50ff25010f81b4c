public import AccessPolicy

/// Who a request at the token endpoint says it is from and what it offers as proof; nothing of it is checked yet.
public enum PresentedClient: Sendable {
    /// Only a name, as public clients have.
    case unauthenticated(ClientID)
    /// A name and a secret, and the way in which it came.
    case secret(ClientID, Secret, ClientAuthenticationMethod)
    /// A signed assertion; the name is what its `iss` claims.
    case assertion(ClientID, UnverifiedJWT)

    /// The name that is claimed.
    public var clientID: ClientID {
        switch self {
        case .unauthenticated(let id), .secret(let id, _, _), .assertion(let id, _): id
        }
    }

    /// The method that was used; it must be the registered one.
    public var method: ClientAuthenticationMethod {
        switch self {
        case .unauthenticated: .none
        case .secret(_, _, let method): method
        case .assertion: .privateKeyJWT
        }
    }

    /// The one assertion type that we know (RFC 7523 §2.2).
    public static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    /// Finds the one method that a request uses; throws `invalid_request` when it uses two and `invalid_client` when
    /// what it presents is malformed.
    public init(authorizationHeader: String?, form: FormParameters) throws(OAuthError) {
        let named = try Self.namedClient(form)
        let methods = [
            authorizationHeader != nil, form["client_secret"] != nil,
            form["client_assertion"] != nil || form["client_assertion_type"] != nil,
        ]
        // RFC 6749 §2.3: not more than one method in a request.
        guard methods.count(where: { $0 }) <= 1 else {
            throw OAuthError(.invalidRequest, "more than one client authentication method was used")
        }
        if let authorizationHeader {
            self = try Self.basic(authorizationHeader, named: named)
        } else if let secret = form["client_secret"] {
            guard let named else { throw OAuthError(.invalidRequest, "client_id is missing") }
            self = .secret(named, Secret(secret), .clientSecretPost)
        } else if methods[2] {
            self = try Self.assertion(form, named: named)
        } else {
            guard let named else {
                throw OAuthError(.invalidClient, detail: "the request names no client and carries no authentication")
            }
            self = .unauthenticated(named)
        }
    }

    private static func basic(_ header: String, named: ClientID?) throws(OAuthError) -> PresentedClient {
        guard let credentials = BasicCredentials(headerValue: header), isUsable(credentials.clientID) else {
            throw OAuthError(.invalidClient, detail: "the Authorization header is not well-formed Basic credentials")
        }
        let client = ClientID(credentials.clientID)
        try agree(client, named)
        return .secret(client, credentials.secret, .clientSecretBasic)
    }

    private static func assertion(_ form: FormParameters, named: ClientID?) throws(OAuthError) -> PresentedClient {
        // Inferno (g)(10) wants exactly 400 here, and RFC 6749 §5.2 allows it.
        guard form["client_assertion_type"] == assertionType, let compact = form["client_assertion"] else {
            throw OAuthError(.invalidRequest, "client_assertion or client_assertion_type is missing or not supported")
        }
        let jwt: UnverifiedJWT
        do { jwt = try UnverifiedJWT(parsing: compact) } catch {
            throw OAuthError(.invalidClient, detail: "client assertion: \(error.detail)")
        }
        // RFC 7523 §3: issuer and subject are the client.
        guard let issuer = jwt.claimedIssuer, issuer == jwt.claimedSubject, isUsable(issuer) else {
            throw OAuthError(.invalidClient, detail: "client assertion: `iss` and `sub` are not one client id")
        }
        try agree(ClientID(issuer), named)
        return .assertion(ClientID(issuer), jwt)
    }

    /// A `client_id` in the form may repeat the authenticated name, not contradict it.
    private static func agree(_ client: ClientID, _ named: ClientID?) throws(OAuthError) {
        guard named == nil || named == client else {
            throw OAuthError(.invalidClient, detail: "client_id differs from the authenticated client")
        }
    }

    private static func namedClient(_ form: FormParameters) throws(OAuthError) -> ClientID? {
        guard let text = form["client_id"] else { return nil }
        guard isUsable(text) else { throw OAuthError(.invalidClient, detail: "client_id is malformed") }
        return ClientID(text)
    }

    /// RFC 6749 Appendix A.1: visible ASCII, here up to 255 bytes.
    static func isUsable(_ clientID: String) -> Bool {
        (1...255).contains(clientID.utf8.count) && clientID.isVisibleASCII
    }
}
