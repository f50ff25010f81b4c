internal import FHIRCore

/// The secrets of one sign-in at a provider, made from the browser's cookie and the `state`, so that nothing of them
/// needs to be kept: who has our database, or the address in which `state` stands, has neither.
public struct ProviderSecrets: Sendable {
    /// The PKCE verifier.
    public let verifier: CodeVerifier
    /// What the ID token must repeat.
    public let nonce: String
    /// The key under which what belongs to the sign-in is sealed.
    public let sealKey: [UInt8]

    /// - Parameters:
    ///   - cookie: the session cookie's value.
    ///   - state: the value of `state`, random and used once.
    public init?(cookie: Secret, state: Secret) {
        let root = SHA256Hash.of(Array("chaperone provider sign-in\n\(cookie.reveal())".utf8))
        guard let key = DerivationKey(root),
            let verifier = CodeVerifier(key.secret(purpose: "verifier", state.reveal()).reveal()),
            let seal = Base64URL.decode(key.secret(purpose: "seal", state.reveal()).reveal())
        else { return nil }
        self.verifier = verifier
        nonce = key.secret(purpose: "nonce", state.reveal()).reveal()
        sealKey = seal
    }
}

/// The request with which a browser is sent to a provider (OpenID Connect Core §3.1.2.1).
public struct ProviderRequest: Hashable, Sendable {
    public var clientID: String
    public var redirectURI: String
    public var scope: String
    /// Authentication contexts to ask for, the preferred one first.
    public var contexts: [String]
    /// How old a sign-in there may be, in seconds; 0 asks for a new one.
    public var maxAge: Int64?

    public init(
        clientID: String, redirectURI: String, scope: String, contexts: [String] = [], maxAge: Int64? = nil
    ) {
        self.clientID = clientID
        self.redirectURI = redirectURI
        self.scope = scope
        self.contexts = contexts
        self.maxAge = maxAge
    }

    /// The full address.
    public func location(at endpoint: String, state: Secret, secrets: ProviderSecrets) -> String {
        var parameters = [
            ("response_type", "code"), ("client_id", clientID), ("redirect_uri", redirectURI), ("scope", scope),
            ("state", state.reveal()), ("nonce", secrets.nonce),
            ("code_challenge", CodeChallenge(of: secrets.verifier).text), ("code_challenge_method", "S256"),
        ]
        if !contexts.isEmpty { parameters.append(("acr_values", contexts.joined(separator: " "))) }
        if let maxAge {
            parameters.append(("max_age", String(maxAge)))
            if maxAge == 0 { parameters.append(("prompt", "login")) }
        }
        return ProviderAddress.adding(parameters, to: endpoint)
    }
}

/// Addresses at a provider with parameters of ours.
public enum ProviderAddress {
    /// The endpoint with parameters added; a query that it has already is kept (RFC 6749 §3.1).
    public static func adding(_ parameters: [(String, String)], to endpoint: String) -> String {
        let pairs = parameters.map { "\(FormParameters.encode($0.0))=\(FormParameters.encode($0.1))" }
        return endpoint + (endpoint.contains("?") ? "&" : "?") + pairs.joined(separator: "&")
    }
}

/// What a browser brings back from a provider, after the checks that need no key.
public enum ProviderResponse: Sendable {
    /// The code, for the provider's token endpoint.
    public static func code(_ form: FormParameters, from provider: ProviderMetadata) throws(ProviderFailure) -> Secret {
        // RFC 9207 §2.4: before anything else, also before an error is believed.
        let named = form["iss"]
        guard named != nil || !provider.namesIssuer, !form.repeated.contains("iss"),
            named.map({ $0.utf8.elementsEqual(provider.issuer.utf8) }) ?? true
        else { throw .responseOfAnotherIssuer }
        if let error = form["error"] { throw .reported(errorName(error)) }
        guard let code = form["code"], !code.isEmpty, code.utf8.count <= 4096, code.isVisibleASCII else {
            throw .responseRefused("code")
        }
        return Secret(code)
    }

    /// An error code as it may stand in a log: anything else than a word of the usual form is not repeated.
    static func errorName(_ text: String) -> String {
        let isWord = text.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F }
        return isWord && (1...64).contains(text.utf8.count) ? text : "an unreadable error"
    }

    /// The ID token of a token response.
    public static func idToken(_ body: [UInt8]) throws(ProviderFailure) -> Secret {
        guard let json = try? JSONValue(parsing: body, limits: .controlPlane(maxBytes: 64 << 10)),
            let token = json["id_token"]?.string, !token.isEmpty
        else { throw .noIDToken }
        return Secret(token)
    }

    /// The error of a token endpoint, as far as it may be logged.
    public static func tokenError(_ body: [UInt8], status: Int) -> String {
        let json = try? JSONValue(parsing: body, limits: .controlPlane(maxBytes: 64 << 10))
        return json?["error"]?.string.map(errorName) ?? "status \(status)"
    }
}
