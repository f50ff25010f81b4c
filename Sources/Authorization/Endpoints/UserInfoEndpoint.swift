internal import AccessPolicy
internal import Audit
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

    /// Answers when the record of what is told, or refused, is durable. Tokens that are none of ours are recorded as far as
    /// the ledger of refusals lets them be.
    public func answer(_ token: PresentedAccessToken, from source: RequestSource) async -> UserInfoAnswer {
        let maker = parts.records(for: source)
        let secret: Secret
        switch token {
        case .none: return .unauthorized(nil)
        case .malformed, .dpop: return .unauthorized(OAuthError(.invalidToken))
        case .bearer(let token): secret = token
        }
        do {
            guard let issued = try await IssuedTokens(parts: parts).bearer(secret, at: parts.clock.now()),
                let subject = issued.grant.subject
            else {
                let error = OAuthError(.invalidToken)
                if let record = parts.refusal(.userInfo, error.code.rawValue, maker) {
                    try await parts.audit.note(record)
                }
                return .unauthorized(error)
            }
            guard issued.scopes.contains(.openid) else {
                let error = OAuthError(.insufficientScope, "the scope openid is needed")
                try await parts.audit.note(
                    maker.record(
                        .userInfo, grant: issued.grant, token: issued.access.tokenID, scopes: issued.scopes,
                        outcome: .refused(reason: error.code.rawValue)))
                return .forbidden(error)
            }
            let tellsUser = issued.scopes.contains(.fhirUser) || issued.scopes.contains(.profile)
            let fhirUser = tellsUser ? issued.grant.launch.fhirUser : nil
            try await parts.audit.note(
                maker.record(.userInfo, grant: issued.grant, token: issued.access.tokenID, scopes: issued.scopes))
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
