internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// Why a refresh token that is known and current gives nothing, by all that is known apart from what the request shows.
///
/// The token endpoint refuses for it, and introspection calls the token inactive: one judgement for both.
enum RefreshObstacle: Hashable, Sendable {
    /// The client may not refresh any longer.
    case typeNotAllowed
    case expired
    /// The client proves itself no longer, and the family has nothing else that protects it.
    case unprotected
    case grantEnded
    /// The scope on which the family rests is not approved any longer.
    case notApproved(Scope)
    /// The session in which it was allowed is over (`online_access`).
    case personAbsent
    case person(PersonStanding.Finding)
    /// The sign-in proved less than is demanded by now.
    case signInTooWeak
}

extension ServerParts {
    /// The first obstacle to a use of the family's current token; nil where there is none. Changes nothing.
    func obstacle(
        to family: RefreshFamily, of grant: Grant?, for client: ClientRegistration, at now: Int64
    ) async throws -> RefreshObstacle? {
        guard client.metadata.grantTypes.contains(.refreshToken) else { return .typeNotAllowed }
        guard family.isLive(at: now) else { return .expired }
        guard family.isProtected(by: client) else { return .unprotected }
        guard let grant, grant.isAlive(at: now) else { return .grantEnded }
        // What lasts needs lasting consent and lasting approval (decision 17).
        let needed: Scope = family.session == nil ? .offlineAccess : .onlineAccess
        guard grant.scopes.intersection(client.approvedScopes).contains(needed) else { return .notApproved(needed) }
        if let id = family.session {
            // What was allowed while the person is there ends with the session in which it was (SMART 2.2,
            // `online_access`).
            guard let session = try await stores.sessions.session(id),
                session.isLive(at: now, idleLimit: configuration.sessionIdleLimit),
                session.signIn?.subject == grant.subject
            else { return .personAbsent }
        }
        if let subject = grant.subject {
            let finding = try await persons.finding(for: subject, in: grant.launch)
            guard finding == .good else { return .person(finding) }
        }
        return try await isEnough(grant, for: client) ? nil : .signInTooWeak
    }

    /// Refuses for an obstacle; one that shows that the person may no longer act ends the grant.
    func refuse(_ obstacle: RefreshObstacle, to family: RefreshFamily, of grant: Grant, _ call: AuthenticatedCall)
        async throws
    {
        switch obstacle {
        case .typeNotAllowed: throw OAuthError(.unauthorizedClient)
        case .expired: throw OAuthError(.invalidGrant, detail: "the refresh token has expired")
        case .unprotected:
            throw OAuthError(
                .invalidGrant,
                detail: "the client proves itself no longer, and nothing else protects the refresh token")
        case .grantEnded: throw OAuthError(.invalidGrant, detail: "the grant has ended")
        case .notApproved(let scope):
            throw OAuthError(.invalidGrant, detail: "\(scope.text) is no longer approved")
        case .personAbsent: throw OAuthError(.invalidGrant, detail: "the person is no longer signed in")
        case .person: try await demandPerson(of: grant, call)
        case .signInTooWeak: try await demandAssurance(of: grant, call)
        }
        // The fact was another one a moment ago; whoever is refused by neither reading is not let in by both.
        throw OAuthError(.invalidGrant, detail: "what the refresh token rests on changes at this moment")
    }
}

extension RefreshFamily {
    /// Whether the family's token is safe with a client that proves itself as this one does by now: it is asked for a
    /// secret or key of its own, each use replaces the token, or each use needs a proof of the key (RFC 9700 §4.14.2).
    ///
    /// What was given to a confidential client neither rotates nor ends; when the client becomes a public one, whoever
    /// found the token could use it.
    func isProtected(by client: ClientRegistration) -> Bool { client.isConfidential || rotates || proofKey != nil }
}
