internal import AccessPolicy
public import OAuthCore

/// Fetches the published keys of clients that register a location instead of keys. A capability, because fetching must
/// be guarded (decision 25) and happens elsewhere; where it is absent such clients cannot authenticate.
public struct ClientKeyFetch: Sendable {
    /// The key set at a registered address; throws when there is none to be had.
    public let keys: @Sendable (_ location: String) async throws -> JWKSet

    public init(keys: @escaping @Sendable (String) async throws -> JWKSet) { self.keys = keys }

    /// No fetching at all.
    public static let refusing = ClientKeyFetch(keys: { _ in
        throw OAuthError(.invalidClient, detail: "fetching of client keys is not configured")
    })
}

/// Finds out whether a request at the token or revocation endpoint is from the client that it names.
struct ClientAuthenticator: Sendable {
    let configuration: AuthorizationConfiguration
    let clients: any ClientStore
    let replayCache: any ReplayCache
    let keyFetch: ClientKeyFetch
    let throttle: any LoginThrottleStore
    let clock: Clock

    /// The active client behind the request, proved by the one method that it is registered for. Every failure is
    /// `invalid_client` with the same public text, but for a secret that comes from where too many were wrong: that one
    /// is not looked at, and `TooManyGuesses` is thrown.
    func authenticate(
        _ form: FormParameters, authorization header: String?, from source: RequestSource
    ) async throws -> ClientRegistration {
        let presented = try PresentedClient(authorizationHeader: header, form: form)
        guard let client = try await clients.client(presented.clientID) else {
            throw refused("client is not known")
        }
        guard client.status == .active else { throw refused("client is \(client.status.rawValue)") }
        guard presented.method == client.metadata.authenticationMethod else {
            throw refused("method `\(presented.method.rawValue)` is not the registered one")
        }
        switch presented {
        case .unauthenticated: break
        case .secret(_, let secret, _):
            try await check(secret, of: client, from: source)
        case .assertion(_, let jwt): try await check(jwt, of: client)
        }
        return client
    }

    private func refused(_ detail: String) -> OAuthError { OAuthError(.invalidClient, detail: detail) }

    /// Compares a secret after counting the attempt, so that parallel guesses cannot all pass on one old count.
    private func check(_ secret: Secret, of client: ClientRegistration, from source: RequestSource) async throws {
        let key = ThrottleKey.secretSource(source.address)
        let now = clock.now()
        if case .closed(let until) = try await throttle.admit([key: configuration.guessThrottle], at: now) {
            throw TooManyGuesses(retryAfter: max(until - now, 1))
        }
        guard let hash = client.secretHash, hash.matches(secret) else { throw refused("wrong secret") }
        try await throttle.giveBack(all: [], one: [key])
    }

    private func check(_ jwt: UnverifiedJWT, of client: ClientRegistration) async throws {
        let keys: JWKSet
        let location: String?
        switch client.metadata.keys {
        case .value(let set): (keys, location) = (set, nil)
        case .location(let url):
            do { keys = try await keyFetch.keys(url) } catch {
                throw refused("the client's keys could not be fetched: \(error)")
            }
            location = url
        case nil: throw refused("the client has no keys")
        }
        let chosen = client.metadata.assertionAlgorithm.map { Set([$0]) }
        let rules = ClientAssertion.Rules(
            audiences: audiences(for: client), algorithms: chosen ?? [.rs384, .es384], registeredKeySetURL: location)
        let assertion = try ClientAssertion(jwt, from: client.id, keys: keys, rules: rules, now: clock.now())
        // SMART 2.2 client-confidential-asymmetric: a `jti` is good for one use.
        let isFirst = try await replayCache.remember(
            assertion.tokenID, of: client.id, until: assertion.rememberUntil)
        guard isFirst else { throw refused("the assertion was used before") }
    }

    private func audiences(for client: ClientRegistration) -> Set<String> {
        switch client.assertionAudience {
        case .tokenEndpointOrIssuer: [configuration.tokenEndpoint, configuration.issuer]
        case .tokenEndpoint: [configuration.tokenEndpoint]
        case .issuer: [configuration.issuer]
        }
    }
}

/// That nothing of the kind is looked at from there for a while.
struct TooManyGuesses: Error, Hashable {
    let retryAfter: Int64
}
