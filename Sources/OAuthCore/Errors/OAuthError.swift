/// A refusal in the words of OAuth: a registered code, a summary for the client and a detail for the log.
public struct OAuthError: Error, Hashable, Sendable {
    /// What is wrong, in the registered vocabulary.
    public let code: Code
    /// The public text, `error_description`; the same for causes that an attacker should not tell apart.
    public let summary: String
    /// The text for the log; never holds a secret. What cannot be seen in it is written out, so that nobody can begin a
    /// line of their own.
    public let detail: String

    /// Makes an error. Characters that `error_description` may not carry are replaced in the summary
    /// (RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E).
    public init(_ code: Code, _ summary: String? = nil, detail: String? = nil) {
        let summary = summary ?? code.usualSummary
        self.code = code
        self.summary = String(
            String.UnicodeScalarView(summary.unicodeScalars.prefix(300).map { Self.isAllowed($0) ? $0 : "?" }))
        self.detail = Self.visible(detail ?? summary)
    }

    private static func visible(_ text: String) -> String {
        guard !text.unicodeScalars.allSatisfy(\.isVisible) else { return text }
        return text.unicodeScalars.reduce(into: "") { result, scalar in
            if scalar.isVisible {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        (0x20...0x7E).contains(scalar.value) && scalar != "\"" && scalar != "\\"
    }

    /// The HTTP status of a direct answer.
    public var status: Int { code.face.status }

    /// The `WWW-Authenticate` header value that a direct answer must carry, if any.
    public func challenge(realm: String) -> String? {
        switch code.face.challenge {
        case .none: nil
        case .basic: "Basic realm=\"\(HeaderText.quoted(realm))\", charset=\"UTF-8\""
        case .bearer: BearerChallenge(realm: realm, error: self).headerValue
        }
    }

    /// The JSON body of a direct answer (RFC 6749 §5.2). Neither text can need an escape.
    public var json: [UInt8] {
        Array("{\"error\":\"\(code.rawValue)\",\"error_description\":\"\(summary)\"}".utf8)
    }
}

extension OAuthError {
    /// The registered error codes that this server uses, each with its source.
    public enum Code: String, CaseIterable, Hashable, Sendable {
        // RFC 6749 §4.1.2.1, §5.2
        case invalidRequest = "invalid_request"
        case invalidClient = "invalid_client"
        case invalidGrant = "invalid_grant"
        case unauthorizedClient = "unauthorized_client"
        case unsupportedGrantType = "unsupported_grant_type"
        case invalidScope = "invalid_scope"
        case accessDenied = "access_denied"
        case unsupportedResponseType = "unsupported_response_type"
        case serverError = "server_error"
        case temporarilyUnavailable = "temporarily_unavailable"
        // RFC 6750 §3.1
        case invalidToken = "invalid_token"
        case insufficientScope = "insufficient_scope"
        // OpenID Connect Core §3.1.2.6
        case loginRequired = "login_required"
        case consentRequired = "consent_required"
        case interactionRequired = "interaction_required"
        case accountSelectionRequired = "account_selection_required"
        case invalidRequestURI = "invalid_request_uri"
        case invalidRequestObject = "invalid_request_object"
        case requestNotSupported = "request_not_supported"
        case requestURINotSupported = "request_uri_not_supported"
        case registrationNotSupported = "registration_not_supported"
        // RFC 7009 §2.2.1
        case unsupportedTokenType = "unsupported_token_type"
        // RFC 9449 §5
        case invalidDPoPProof = "invalid_dpop_proof"
        // RFC 9449 §8
        case useDPoPNonce = "use_dpop_nonce"
        // RFC 8707 §2
        case invalidTarget = "invalid_target"
        // RFC 7591 §3.2.2
        case invalidRedirectURI = "invalid_redirect_uri"
        case invalidClientMetadata = "invalid_client_metadata"
        case invalidSoftwareStatement = "invalid_software_statement"
        case unapprovedSoftwareStatement = "unapproved_software_statement"
    }

    /// The kinds of answer that can carry a code.
    public struct Venue: OptionSet, Hashable, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        /// The redirect back to the client from the authorization endpoint.
        public static let redirect = Venue(rawValue: 1)
        /// The JSON answer of the token, revocation or introspection endpoint.
        public static let token = Venue(rawValue: 2)
        /// The JSON answer of the registration endpoint.
        public static let registration = Venue(rawValue: 4)
        /// The challenge of a protected resource.
        public static let resource = Venue(rawValue: 8)
    }

    /// The authentication scheme that a code's direct answer names.
    enum Challenge { case none, basic, bearer }
}

extension OAuthError.Code {
    /// The public face of a code: the one table from which status, challenge and venue are derived.
    var face: (status: Int, challenge: OAuthError.Challenge, venues: OAuthError.Venue) {
        switch self {
        case .invalidRequest: (400, .none, [.redirect, .token, .registration, .resource])
        case .invalidClient: (401, .basic, [.token])
        case .invalidGrant: (400, .none, [.token])
        case .unauthorizedClient: (400, .none, [.redirect, .token])
        case .unsupportedGrantType: (400, .none, [.token])
        case .invalidScope: (400, .none, [.redirect, .token])
        case .accessDenied: (400, .none, [.redirect])
        case .unsupportedResponseType: (400, .none, [.redirect])
        case .serverError: (500, .none, [.redirect, .token, .registration])
        case .temporarilyUnavailable: (503, .none, [.redirect, .token, .registration])
        case .invalidToken: (401, .bearer, [.resource, .registration])
        case .insufficientScope: (403, .bearer, [.resource])
        case .loginRequired, .consentRequired, .interactionRequired, .accountSelectionRequired,
            .invalidRequestURI, .invalidRequestObject, .requestNotSupported, .requestURINotSupported,
            .registrationNotSupported:
            (400, .none, [.redirect])
        case .unsupportedTokenType: (400, .none, [.token])
        case .invalidDPoPProof, .useDPoPNonce: (400, .none, [.token, .resource])
        case .invalidTarget: (400, .none, [.redirect, .token])
        case .invalidRedirectURI, .invalidClientMetadata, .invalidSoftwareStatement, .unapprovedSoftwareStatement:
            (400, .none, [.registration])
        }
    }

    /// Where the code may appear.
    public var venues: OAuthError.Venue { face.venues }

    /// The public text where the place that refuses has nothing better to say.
    var usualSummary: String {
        switch self {
        case .invalidRequest: "the request is malformed"
        case .invalidClient: "client authentication failed"
        case .invalidGrant: "the grant is invalid, expired, revoked or was issued to another client"
        case .unauthorizedClient: "the client may not use this grant type"
        case .unsupportedGrantType: "the grant type is not supported"
        case .invalidScope: "the scope is invalid, unknown or exceeds what was granted"
        case .accessDenied: "the request was denied"
        case .unsupportedResponseType: "the response type is not supported"
        case .serverError: "the server could not answer"
        case .temporarilyUnavailable: "the server cannot answer at present"
        case .invalidToken: "the access token is missing, malformed, expired or revoked"
        case .insufficientScope: "the access token does not reach this far"
        case .loginRequired: "the user must log in"
        case .consentRequired: "the user must consent"
        case .interactionRequired: "the user must be asked"
        case .accountSelectionRequired: "the user must choose an account"
        case .invalidRequestURI: "the request_uri is invalid"
        case .invalidRequestObject: "the request object is invalid"
        case .requestNotSupported: "request objects are not supported"
        case .requestURINotSupported: "request_uri is not supported"
        case .registrationNotSupported: "the registration parameter is not supported"
        case .unsupportedTokenType: "the token type is not supported"
        case .invalidDPoPProof: "the DPoP proof is missing, malformed, old or does not fit"
        case .useDPoPNonce: "the DPoP proof needs the nonce that comes with this answer"
        case .invalidTarget: "the requested audience is not served here"
        case .invalidRedirectURI: "a redirect URI is not acceptable"
        case .invalidClientMetadata: "the client metadata are not acceptable"
        case .invalidSoftwareStatement: "the software statement is invalid"
        case .unapprovedSoftwareStatement: "the software statement is not approved"
        }
    }
}
