public import AccessPolicy

/// A request at the authorization endpoint that is well formed and goes back to a trusted redirect. Whether the client
/// may have what it asks for, and whether the launch handle is good, is not decided here.
public struct AuthorizationRequest: Hashable, Sendable {
    /// The client.
    public let clientID: ClientID
    /// Where the answer goes.
    public let redirect: ValidatedRedirect
    /// The client's own text, returned byte for byte.
    public let state: String
    /// The scopes asked for; none malformed.
    public let scope: ScopeSet
    /// The FHIR base that tokens are wanted for, one of ours.
    public let audience: String
    /// The proof key; nil only where the client's profile does without.
    public let codeChallenge: CodeChallenge?
    /// The thumbprint of the key to which the code is to be bound (`dpop_jkt`, RFC 9449 §10).
    public let proofKey: String?
    /// The handle of an EHR launch.
    public let launch: String?
    /// The value that the ID token must repeat.
    public let nonce: String?
    /// How the user is to be asked.
    public let prompts: Set<Prompt>
    /// How old the login may be, in seconds.
    public let maxAge: Int64?
    /// A hint at the account; shown nowhere unescaped and believed nowhere.
    public let loginHint: String?
    /// An ID token that the app was given before, of the person whom it expects; not verified here.
    public let idTokenHint: String?
    /// The classes of authentication that are asked for, the best first.
    public let acrValues: [String]
    /// The languages that the pages are asked for in, the best first.
    public let uiLocales: [String]

    /// The values of `prompt` (OpenID Connect Core §3.1.2.1).
    public enum Prompt: String, CaseIterable, Hashable, Sendable {
        case none, login, consent
        case selectAccount = "select_account"
    }

    /// What the server and the client's profile demand.
    public struct Rules: Hashable, Sendable {
        /// The FHIR bases that we protect, as clients may write them.
        public let audiences: Set<String>
        /// Whether a code challenge must be there; only the profile `smart-1.0` does without.
        public let requiresProofKey: Bool

        /// Makes rules.
        public init(audiences: Set<String>, requiresProofKey: Bool = true) {
            self.audiences = audiences
            self.requiresProofKey = requiresProofKey
        }
    }

    /// Reads the rest of a request whose client and redirect are known. Everything wrong with it is told to the client.
    public init(
        parsing form: FormParameters, client: ClientID, redirect: ValidatedRedirect, rules: Rules
    ) throws(AuthorizationFailure) {
        let state = Self.usableState(of: form)
        do throws(OAuthError) {
            try self.init(form, client: client, redirect: redirect, state: state, rules: rules)
        } catch { throw .sentToClient(error, redirect, state: state) }
    }

    // The order of the checks is part of the design (house.md §5): what the client gets wrong is named in this order.
    private init(
        _ form: FormParameters, client: ClientID, redirect: ValidatedRedirect, state: String?, rules: Rules
    ) throws(OAuthError) {
        // RFC 6749 §3.1
        guard form.repeated.isEmpty else { throw OAuthError(.invalidRequest, "a parameter was sent more than once") }
        try AuthorizationChecks.response(form)
        // SMART 2.2 app-launch: state is required.
        guard let state else { throw OAuthError(.invalidRequest, "state is missing or too long") }
        codeChallenge = try AuthorizationChecks.codeChallenge(form, isRequired: rules.requiresProofKey)
        audience = try AuthorizationChecks.audience(form, among: rules.audiences)
        guard let scope = form["scope"] else { throw OAuthError(.invalidScope, "scope is missing") }
        self.scope = try ScopeSet(requested: scope)
        launch = try AuthorizationChecks.limited("launch", of: form, to: 512)
        nonce = try AuthorizationChecks.limited("nonce", of: form, to: 512)
        proofKey = try AuthorizationChecks.thumbprint("dpop_jkt", of: form)
        prompts = try AuthorizationChecks.prompts(form)
        maxAge = try AuthorizationChecks.maxAge(form)
        loginHint = try AuthorizationChecks.limited("login_hint", of: form, to: 255)
        idTokenHint = try AuthorizationChecks.limited("id_token_hint", of: form, to: UnverifiedJWT.maxBytes)
        acrValues = AuthorizationChecks.words("acr_values", of: form)
        uiLocales = Self.uiLocales(of: form)
        self.clientID = client
        self.redirect = redirect
        self.state = state
    }

    /// The languages that a request asks for, whatever else is wrong with it; the best first.
    public static func uiLocales(of form: FormParameters) -> [String] {
        AuthorizationChecks.words("ui_locales", of: form)
    }

    /// The state that an answer can carry: at most 2000 bytes.
    private static func usableState(of form: FormParameters) -> String? {
        guard let state = form["state"], state.utf8.count <= 2000 else { return nil }
        return state
    }

    /// The address that brings a code to the client (RFC 6749 §4.1.2, RFC 9207).
    public func location(code: Secret, issuer: String) -> String {
        redirect.location(adding: [("code", code.reveal()), ("state", state), ("iss", issuer)])
    }

    /// The failure that tells the client of this request that it does not get what it wants.
    public func failure(_ error: OAuthError) -> AuthorizationFailure { .sentToClient(error, redirect, state: state) }
}

/// Whom an authorization request names, before either name is trusted.
public struct AuthorizationAddress: Hashable, Sendable {
    /// The client that is named.
    public let clientID: ClientID
    /// The redirect that is asked for.
    public let redirectURI: String

    /// Reads both; whatever is wrong here is shown to the user and never sent anywhere.
    public init(parsing form: FormParameters) throws(AuthorizationFailure) {
        // RFC 6749 §3.1.2.3: with openid or several registered URIs it must be there; here it always must.
        guard let clientID = form["client_id"], let redirectURI = form["redirect_uri"],
            PresentedClient.isUsable(clientID), redirectURI.utf8.count <= RedirectURI.maxBytes
        else {
            throw .shownToUser(
                OAuthError(.invalidRequest, "client_id or redirect_uri is missing, repeated or malformed"))
        }
        self.clientID = ClientID(clientID)
        self.redirectURI = redirectURI
    }

    /// Matches the redirect with the client's registration; nil stands for a client that is not known. Both failures
    /// read the same, so that nobody learns which clients exist.
    public func validated(against client: ClientMetadata?) throws(AuthorizationFailure) -> ValidatedRedirect {
        guard let client else { throw Self.unknown("client `\(clientID)` is not known") }
        guard
            let redirect = ValidatedRedirect(
                requested: redirectURI, registered: client.redirectURIs, clientIsNative: client.isNative)
        else { throw Self.unknown("redirect_uri is not registered for `\(clientID)`") }
        return redirect
    }

    /// The failure for a client that is not known or not active, and for a redirect that is not its own.
    public static func unknown(_ detail: String) -> AuthorizationFailure {
        .shownToUser(
            OAuthError(
                .invalidRequest, "the client is not known, or the redirect_uri is not registered for it",
                detail: detail))
    }
}
