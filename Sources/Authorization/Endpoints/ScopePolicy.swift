internal import AccessPolicy
internal import FHIRCore
internal import OAuthCore

/// Which of the requested scopes may be offered, asked for or issued: the one place for the rules about whole sets.
enum ScopePolicy {
    /// What a person can be asked to allow: what the client asked for, as far as it is approved. `system/` scopes are
    /// nobody's to give in a launch and are dropped (L-20).
    static func forPerson(asked: ScopeSet, client: ClientRegistration) throws(OAuthError) -> ScopeSet {
        var scopes = asked.intersection(client.approvedScopes).scopes.filter { $0.resourceScope?.level != .system }
        scopes = scopes.filter(isEnforceable)
        scopes = scopes.flatMap(explicit)
        // A refresh token is only for clients registered for one.
        if !client.metadata.grantTypes.contains(.refreshToken) {
            scopes.removeAll { $0 == .offlineAccess || $0 == .onlineAccess }
        }
        // Both at once are one: the lasting one, which the person may refuse (smart.md §23.7).
        if scopes.contains(.offlineAccess) { scopes.removeAll { $0 == .onlineAccess } }
        let result = ScopeSet(scopes)
        guard !result.resourceScopes.isEmpty || result.contains(.openid) else {
            throw OAuthError(.invalidScope, "none of the requested scopes can be granted to this application")
        }
        return try readable(result)
    }

    /// A wildcard of the ceiling as the list of types that a patient's record has (decision 22): a person is never asked
    /// for kinds of record that nobody could name.
    private static func explicit(_ scope: Scope) -> [Scope] {
        guard let resource = scope.resourceScope, resource.target == .all else { return [scope] }
        return recordTypes.map { type in
            .resource(
                ResourceScope(
                    level: resource.level, target: .type(type), permissions: resource.permissions,
                    constraint: resource.constraint, dialect: resource.dialect))
        }
    }

    /// The types of US Core and CARIN, in the order of the alphabet.
    static let recordTypes: [ResourceType] = AuthorizationConfiguration.usualTypes.compactMap {
        ResourceType(rawValue: $0)
    }

    /// What a backend service gets: everything it asked for must be approved, and only `system/` (SMART 2.2
    /// backend-services: an unauthorized request fails).
    static func forService(asked: ScopeSet?, client: ClientRegistration) throws(OAuthError) -> ScopeSet {
        guard let asked else { throw OAuthError(.invalidScope, "scope is missing") }
        let known = ScopeSet(
            asked.scopes.filter { scope in
                switch scope {
                case .resource, .extension: true
                case .launch, .launchContext, .openid, .fhirUser, .profile, .offlineAccess, .onlineAccess,
                    .unrecognised,
                    .malformed:
                    false
                }
            })
        guard !known.isEmpty else { throw OAuthError(.invalidScope, "no scope that a service can hold was asked for") }
        for scope in known.resourceScopes where scope.level != .system {
            throw OAuthError(
                .invalidScope, "a service can hold system scopes only", detail: "asked for `\(scope.text)`")
        }
        guard known.scopes.allSatisfy(isEnforceable) else {
            throw OAuthError(.invalidScope, "a scope is limited in a way that is not supported")
        }
        let granted = known.intersection(client.approvedScopes)
        guard granted.covers(known) || isWildcardSplit(known, granted) else {
            throw OAuthError(.invalidScope, "the scope exceeds what the client is approved for")
        }
        return try readable(granted)
    }

    /// What a refresh gives: nothing outside the grant, nothing that the client has lost since, in the grant's dialect.
    static func forRefresh(
        asked: ScopeSet?, granted: ScopeSet, client: ClientRegistration
    ) throws(OAuthError) -> ScopeSet {
        let still = granted.intersection(client.approvedScopes)
        guard let asked else { return try worthwhile(still) }
        // RFC 6749 §6: must not include any scope that was not originally granted.
        let meant = ScopeSet(asked.scopes.filter { if case .unrecognised = $0 { false } else { true } })
        guard granted.covers(meant) else { throw OAuthError(.invalidScope, "the scope exceeds what was granted") }
        return try worthwhile(asked.intersection(still))
    }

    private static func worthwhile(_ scopes: ScopeSet) throws(OAuthError) -> ScopeSet {
        guard !scopes.isEmpty else { throw OAuthError(.invalidScope, "none of the scopes is approved any longer") }
        return try readable(scopes)
    }

    /// INVARIANT: no set leaves here that could not be read back. A wildcard that is answered with a list repeats its
    /// limit in each scope of the list, so that a short request can become a set longer than any request.
    static func readable(_ scopes: ScopeSet) throws(OAuthError) -> ScopeSet {
        guard scopes.isWithinLimits else {
            throw OAuthError(.invalidScope, "the scope is too large when written out by type")
        }
        return scopes
    }

    /// A limit that cannot be enforced makes the scope unusable; it is never dropped from it (S-04).
    private static func isEnforceable(_ scope: Scope) -> Bool {
        guard let resource = scope.resourceScope, let constraint = resource.constraint else { return true }
        switch resource.target {
        case .type(let type): return constraint.isEnforceable(on: type)
        case .all: return constraint.terms.allSatisfy { $0.isPlain && $0.tokens != nil }
        }
    }

    /// A wildcard is answered with the explicit types of the ceiling (decision 22); that is not an excess.
    private static func isWildcardSplit(_ asked: ScopeSet, _ granted: ScopeSet) -> Bool {
        let explicit = ScopeSet(asked.scopes.filter { $0.resourceScope?.target != .all })
        let wildcards = asked.resourceScopes.filter { $0.target == .all }
        return granted.covers(explicit)
            && wildcards.allSatisfy { wildcard in granted.resourceScopes.contains { wildcard.covers($0) } }
    }
}
