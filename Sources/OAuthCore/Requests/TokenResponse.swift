public import AccessPolicy
public import FHIRCore

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

    /// Makes an answer.
    public init(
        accessToken: Secret, expiresIn: Int64, scope: String, refreshToken: Secret? = nil, idToken: Secret? = nil,
        launch: LaunchContext = LaunchContext()
    ) {
        self.accessToken = accessToken
        self.expiresIn = expiresIn
        self.scope = scope
        self.refreshToken = refreshToken
        self.idToken = idToken
        self.launch = launch
    }

    /// The JSON body. It holds the tokens in clear: it goes to the client, with `Cache-Control: no-store`.
    public var json: [UInt8] {
        let members: [(name: String, value: JSONValue?)] = [
            ("access_token", .string(accessToken.reveal())),
            ("token_type", "Bearer"),
            ("expires_in", .int(expiresIn)),
            ("scope", .string(scope)),
            ("refresh_token", refreshToken.map { .string($0.reveal()) }),
            ("id_token", idToken.map { .string($0.reveal()) }),
        ]
        return JSONValue.members(members + launch.responseMembers).serialized
    }
}

extension LaunchContext {
    /// The launch context parameters (SMART 2.2 scopes), which the token response and introspection share.
    public var responseMembers: [(name: String, value: JSONValue?)] {
        [
            ("patient", patient.map { .string($0.text) }),
            ("encounter", encounter.map { .string($0.text) }),
            ("need_patient_banner", needPatientBanner.map { .bool($0) }),
            ("intent", intent.map { .string($0) }),
            ("fhirContext", fhirContext.isEmpty ? nil : .array(fhirContext)),
        ]
    }
}
