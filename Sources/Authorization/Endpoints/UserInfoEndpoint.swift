internal import AccessPolicy
public import FHIRCore
public import OAuthCore

/// What a client gets from the UserInfo endpoint.
public enum UserInfoAnswer: Sendable {
    case claims(JSONValue)
    /// 401; nil when no token was sent.
    case unauthorized(OAuthError?)
    case forbidden(OAuthError)
    case refused(OAuthError)
}

/// Who signed in, for the holder of an access token with `openid` (OpenID Connect Core §5.3).
public struct UserInfoEndpoint: Sendable {
    let parts: ServerParts

    public func answer(_ token: PresentedAccessToken) async -> UserInfoAnswer {
        let secret: Secret
        switch token {
        case .none: return .unauthorized(nil)
        case .malformed, .dpop: return .unauthorized(OAuthError(.invalidToken))
        case .bearer(let token): secret = token
        }
        do {
            guard let issued = try await IssuedTokens(parts: parts).bearer(secret, at: parts.clock.now()),
                let subject = issued.grant.subject
            else { return .unauthorized(OAuthError(.invalidToken)) }
            guard issued.scopes.contains(.openid) else {
                return .forbidden(OAuthError(.insufficientScope, "the scope openid is needed"))
            }
            let tellsUser = issued.scopes.contains(.fhirUser) || issued.scopes.contains(.profile)
            let fhirUser = tellsUser ? issued.grant.launch.fhirUser : nil
            return .claims(
                .members([
                    ("sub", .string(subject.text)),
                    ("fhirUser", fhirUser.map { .string("\(issued.grant.fhirBase)/\($0)") }),
                ]))
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
    }
}
