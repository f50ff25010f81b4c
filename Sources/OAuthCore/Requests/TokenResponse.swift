public import AccessPolicy
internal import FHIRCore

/// The successful answer of the token endpoint (RFC 6749 §5.1) with SMART's launch context beside the token.
public struct TokenResponse: Equatable, Sendable {
    /// The access token.
    public let accessToken: Secret
    /// Its life in seconds.
    public let expiresIn: Int64
    /// The scopes that were granted, in the client's dialect; never empty.
    public let scope: String
    /// A token to renew with, when one was granted.
    public let refreshToken: Secret?
    /// The ID token, when `openid` was granted.
    public let idToken: Secret?
    /// The launch context.
    public let launch: LaunchContext
    /// In which of SMART's forms the further context is told.
    public let contextForm: LaunchContextForm
    /// `Bearer`, or `DPoP` for a token that is bound to a proof key.
    public let tokenType: AccessTokenType

    /// Makes an answer.
    public init(
        accessToken: Secret, expiresIn: Int64, scope: String, refreshToken: Secret? = nil, idToken: Secret? = nil,
        launch: LaunchContext = LaunchContext(), contextForm: LaunchContextForm = .objects,
        tokenType: AccessTokenType = .bearer
    ) {
        self.accessToken = accessToken
        self.expiresIn = expiresIn
        self.scope = scope
        self.refreshToken = refreshToken
        self.idToken = idToken
        self.launch = launch
        self.contextForm = contextForm
        self.tokenType = tokenType
    }

    /// The JSON body. It holds the tokens in clear: it goes to the client, with `Cache-Control: no-store`.
    public var json: [UInt8] {
        let members: [(name: String, value: JSONValue?)] = [
            ("access_token", .string(accessToken.reveal())),
            ("token_type", .string(tokenType.rawValue)),
            ("expires_in", .int(expiresIn)),
            ("scope", .string(scope)),
            ("refresh_token", refreshToken.map { .string($0.reveal()) }),
            ("id_token", idToken.map { .string($0.reveal()) }),
        ]
        return JSONValue.members(members + launch.responseMembers(contextForm)).serialized
    }
}

/// How an access token is presented (RFC 6749 §7.1).
public enum AccessTokenType: String, CaseIterable, Hashable, Sendable {
    case bearer = "Bearer"
    /// RFC 9449 §5.
    case dpop = "DPoP"
}
