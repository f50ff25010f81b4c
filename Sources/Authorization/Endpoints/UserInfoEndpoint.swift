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
    case tooManyRequests(retryAfter: Int64)
}

/// Who signed in, for the holder of an access token with `openid` (OpenID Connect Core §5.3).
public struct UserInfoEndpoint: Sendable {
    let parts: ServerParts
    let callers: BearerCallers

    /// Tells who signed in. Whether somebody is told or refused, it is recorded before the answer, but for a request
    /// without a token: that is how a client asks for the challenge.
    public func answer(
        _ token: PresentedAccessToken, proofs: ProofHeaders = ProofHeaders(), from source: RequestSource
    ) async -> UserInfoAnswer {
        let maker = parts.records(for: source)
        let now = parts.clock.now()
        do {
            if case .none = token { return .unauthorized(nil) }
            let issued: IssuedAccess
            switch try await callers.access(
                token, proofs, at: parts.configuration.userInfoEndpoint, from: source, at: now)
            {
            case .refused(let error): return try await refuse(error, maker)
            case .good(let access): issued = access
            }
            guard issued.grant.subject != nil else { return try await refuse(BearerCallers.notGood, maker) }
            guard issued.scopes.contains(.openid) else {
                return try await refuse(OAuthError(.insufficientScope, "the scope openid is needed"), by: issued, maker)
            }
            return try await tell(issued, maker)
        } catch let guesses as TooManyGuesses {
            callers.count(maker)
            return .tooManyRequests(retryAfter: guesses.retryAfter)
        } catch {
            return .refused(OAuthError(.temporarilyUnavailable, detail: "\(error)"))
        }
    }

    private func tell(_ issued: IssuedAccess, _ maker: RecordMaker) async throws -> UserInfoAnswer {
        let grant = issued.grant
        let fhirUser = issued.scopes.tellsUser ? grant.launch.fhirUser : nil
        try await parts.audit.note(
            maker.record(.userInfo, grant: grant, token: issued.access.tokenID, scopes: issued.scopes))
        return .claims(
            .members([
                ("sub", grant.subject.map { .string($0.text) }),
                ("fhirUser", fhirUser.map { .string("\(grant.fhirBase)/\($0)") }),
            ]))
    }

    private func refuse(
        _ error: OAuthError, by caller: IssuedAccess? = nil, _ maker: RecordMaker
    ) async throws -> UserInfoAnswer {
        switch try await callers.refuse(.userInfo, error, by: caller, maker) {
        case .tooMany: .tooManyRequests(retryAfter: 1)
        case .told: error.code == .insufficientScope ? .forbidden(error) : .unauthorized(error)
        }
    }
}

extension ScopeSet {
    /// Whether these scopes tell the app which person uses it: `fhirUser`, or `profile`, as SMART 1.0 spells it.
    var tellsUser: Bool { contains(.fhirUser) || contains(.profile) }
}
