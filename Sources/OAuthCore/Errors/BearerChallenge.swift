/// The `WWW-Authenticate: Bearer` challenge of a protected resource (RFC 6750 §3).
public struct BearerChallenge: Hashable, Sendable {
    /// The protection space, usually the FHIR base.
    public let realm: String
    /// What was wrong with the token; nil when none was sent, and then no code is given (RFC 6750 §3.1).
    public let error: OAuthError?
    /// Scopes that would have sufficed.
    public let scopes: [String]

    /// Makes a challenge.
    public init(realm: String, error: OAuthError? = nil, scopes: [String] = []) {
        self.realm = realm
        self.error = error
        self.scopes = scopes
    }

    /// The header value; no parameter can break out of its quotes.
    public var headerValue: String {
        var parameters = ["realm=\"\(HeaderText.quoted(realm))\""]
        if let error {
            parameters.append("error=\"\(error.code.rawValue)\"")
            parameters.append("error_description=\"\(error.summary)\"")
        }
        if !scopes.isEmpty { parameters.append("scope=\"\(HeaderText.quoted(scopes.joined(separator: " ")))\"") }
        return "Bearer " + parameters.joined(separator: ", ")
    }
}

/// Text made safe for a quoted string in a header.
enum HeaderText {
    /// Keeps printable ASCII other than quote and backslash, and replaces everything else.
    static func quoted(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { (0x20...0x7E).contains($0.value) && $0 != "\"" && $0 != "\\" ? $0 : "?" }))
    }
}
