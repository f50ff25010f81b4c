internal import AccessPolicy
internal import FHIRCore
internal import OAuthCore

/// Where an app wants the browser to go after it was signed out (OpenID Connect RP-Initiated Logout §2).
struct LogoutTarget: Hashable, Sendable {
    let location: String
    /// The registered address, for the page's policy.
    let registered: String
    /// The parameters of the request, to be carried through the page that asks.
    let parameters: [Parameter]

    struct Parameter: Hashable, Sendable {
        let name: String
        let value: String
    }
}

/// The addresses to which apps may have the browser sent after a sign-out.
struct LogoutTargets: Sendable {
    let issuer: String
    /// By client; compared byte for byte.
    let registered: [ClientID: [String]]
    /// The keys of our ID tokens.
    let keys: @Sendable () -> JWKSet

    /// The target of a request; nil where it names none that is registered for a client that it names. The sign-out
    /// itself does not depend on it.
    func target(of form: FormParameters) -> LogoutTarget? {
        guard let wanted = form["post_logout_redirect_uri"], form.repeated.isEmpty,
            let client = client(of: form),
            let known = registered[client]?.first(where: { $0.utf8.elementsEqual(wanted.utf8) })
        else { return nil }
        let names = ["client_id", "id_token_hint", "post_logout_redirect_uri", "state"]
        let parameters = names.compactMap { name in form[name].map { LogoutTarget.Parameter(name: name, value: $0) } }
        let location = form["state"].map { ProviderAddress.adding([("state", $0)], to: known) } ?? known
        return LogoutTarget(location: location, registered: known, parameters: parameters)
    }

    /// The client that the request names, by an ID token of ours or by its id; by both only when they agree.
    private func client(of form: FormParameters) -> ClientID? {
        let named = form["client_id"].map { ClientID($0) }
        guard let hint = form["id_token_hint"] else { return named }
        guard let token = try? JWS.verify(hint, keys: keys(), rules: .idToken),
            let audience = token.claims["aud"]?.string.map({ ClientID($0) }), named == nil || named == audience,
            (try? IDTokenClaims(hint: token, issuer: issuer, client: audience)) != nil
        else { return nil }
        return audience
    }
}
