internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// Finds out whether a request at the token or revocation endpoint is from the client that it names.
struct ClientAuthenticator: Sendable {
    let configuration: AuthorizationConfiguration
    let clients: any ClientStore
    let replayCache: any ReplayCache
    /// The keys that clients publish; nil where none are fetched, and such clients cannot authenticate.
    let publishedKeys: PublishedClientKeys?
    /// Who vouches for certificates; nil where nobody does.
    let certificates: CertificateValidator?
    let attempts: AttemptCounter
    let verifications: VerificationBudget
    let clock: Clock
    let random: RandomSource

    /// The active client behind the request, proved by the one method that it is registered for. Every failure is
    /// `invalid_client` with the same public text, but for a secret that comes from where too many were wrong: that one
    /// is not looked at, and `TooManyGuesses` is thrown.
    func authenticate(
        _ form: FormParameters, authorization header: String?, from source: RequestSource
    ) async throws -> ClientRegistration {
        let presented = try PresentedClient(authorizationHeader: header, form: form)
        let found = try await clients.client(presented.clientID)
        // A secret costs the same for every name, known or not, and before anything else is said about it.
        var knowsSecret = false
        if case .secret(_, let secret, _) = presented {
            knowsSecret = try await check(secret, of: found, from: source)
        }
        guard let client = found else { throw refused("client is not known") }
        guard client.status == .active else { throw refused("client is \(client.status.rawValue)") }
        let method = client.metadata.authenticationMethod
        // RFC 8705 §2: with a certificate the request itself carries only the name.
        guard presented.method == (method.isByCertificate ? .none : method) else {
            throw refused("method `\(presented.method.rawValue)` is not the registered one")
        }
        switch presented {
        case .unauthenticated:
            guard method.isByCertificate else { break }
            try await verifying(for: source) { try await check(source.certificate, of: client, from: source) }
        case .secret:
            guard knowsSecret else { throw refused("wrong secret, or one that counts no longer") }
        case .assertion(_, let jwt): try await verifying(for: source) { try await check(jwt, of: client, from: source) }
        }
        return client
    }

    /// Verifies a proof, where its source has not sent too many that were none.
    private func verifying(for source: RequestSource, _ verify: () async throws -> Void) async throws {
        guard verifications.take(from: source.address, at: clock.now()) else { throw TooManyGuesses(retryAfter: 1) }
        try await verify()
        verifications.giveBack(to: source.address)
    }

    private func refused(_ detail: String) -> OAuthError { OAuthError(.invalidClient, detail: detail) }

    /// Compares a secret after counting the attempt, so that parallel guesses cannot all pass on one old count.
    private func check(
        _ secret: Secret, of client: ClientRegistration?, from source: RequestSource
    ) async throws -> Bool {
        let key = ThrottleKey.secretSource(source.address)
        let now = clock.now()
        let maker = RecordMaker(clock: clock, random: random, source: source)
        let attempt: CountedAttempt
        switch try await attempts.count([key: configuration.guessThrottle], client: client?.id, at: now, maker) {
        case .counted(let counted): attempt = counted
        case .closed(let until): throw TooManyGuesses(retryAfter: max(until - now, 1))
        }
        guard ClientSecret.accepts(client?.secrets ?? [], at: now, compare: { $0.matches(secret) }) else {
            try await attempts.failed(attempt, maker)
            return false
        }
        try await attempts.succeeded(attempt, clearing: [])
        return true
    }

    /// Whether the certificate of the connection is the client's (RFC 8705 §2). TLS has shown that its key is there.
    private func check(
        _ certificate: ClientCertificate?, of client: ClientRegistration, from source: RequestSource
    ) async throws {
        guard let certificate else { throw refused("no certificate was shown") }
        let now = clock.now()
        guard certificate.isValid(at: now) else { throw refused("the certificate has expired, or does not hold yet") }
        guard client.metadata.authenticationMethod == .selfSignedTLSClientAuth else {
            guard let subject = client.metadata.certificateSubject, subject.isMet(by: certificate) else {
                throw refused("the certificate bears another name")
            }
            switch await certificates?.judge(certificate, now) ?? .untrusted {
            case .trusted: return
            case .untrusted: throw refused("no authority that counts vouches for the certificate")
            case .withdrawn: throw refused("certificate withdrawn: its authority says so, or it is on hold")
            case .statusUnknown(let why): throw refused("certificate status unknown: \(why)")
            }
        }
        let isRegistered: @Sendable (JWKSet) -> Bool = { set in
            set.keys.contains { $0.certificate == certificate.der }
        }
        guard isRegistered(try await keys(of: client, from: source, holding: isRegistered)) else {
            throw refused("the certificate is not among the client's keys")
        }
    }

    private func check(_ jwt: UnverifiedJWT, of client: ClientRegistration, from source: RequestSource) async throws {
        var location: String?
        if case .location(let url) = client.metadata.keys { location = url }
        let keyID = jwt.keyID
        let keys = try await keys(of: client, from: source) { set in set.keys.contains { $0.keyID == keyID } }
        let chosen = client.metadata.assertionAlgorithm.map { Set([$0]) }
        let rules = ClientAssertion.Rules(
            audiences: audiences(for: client), algorithms: chosen ?? [.rs384, .es384], registeredKeySetURL: location)
        let assertion = try ClientAssertion(jwt, from: client.id, keys: keys, rules: rules, now: clock.now())
        // SMART 2.2 client-confidential-asymmetric: a `jti` is good for one use.
        let isFirst = try await replayCache.remember(
            assertion.tokenID, of: client.id, until: assertion.rememberUntil)
        guard isFirst else { throw refused("the assertion was used before") }
    }

    /// The client's keys, registered or published; published ones are fetched again when none of them is the wanted one.
    /// Keys whose private halves it has published once, or somebody at its address, are not among them: also not
    /// when they are registered again in another way.
    private func keys(
        of client: ClientRegistration, from source: RequestSource, holding isWanted: @Sendable (JWKSet) -> Bool
    ) async throws -> JWKSet {
        let set: JWKSet
        var location: String?
        switch client.metadata.keys {
        case .value(let registered): set = registered
        case .location(let url):
            location = url
            guard let publishedKeys else { throw refused("fetching of client keys is not configured") }
            do throws(PublishedClientKeys.Failure) {
                set = try await publishedKeys.keys(of: client.id, at: url, holding: isWanted)
            } catch .exposed(let lost) {
                try await suspend(lost, of: client, publishedAt: url, from: source)
                throw refused("the client publishes private keys")
            } catch {
                throw refused("the client's keys could not be had: \(error)")
            }
        case nil: throw refused("the client has no keys")
        }
        let lost = try await clients.suspendedKeys(of: client.id, publishedAt: location)
        return lost.isEmpty ? set : JWKSet(set.keys.filter { !lost.contains($0.thumbprint) })
    }

    /// Notes and records which keys a client has lost. A document whose keys were noted before, or have no public halves,
    /// is in the record of the refusal alone.
    private func suspend(
        _ lost: Set<String>, of client: ClientRegistration, publishedAt location: String, from source: RequestSource
    ) async throws {
        guard !lost.isEmpty else { return }
        let record = RecordMaker(clock: clock, random: random, source: source).record(
            .clientChanged, client: client.id, outcome: .refused(reason: "private-key-published"),
            detail: "suspended for good: \(lost.sorted().joined(separator: ", "))")
        let isNew = try await clients.suspendKeys(
            lost, of: client.id, publishedAt: location, at: clock.now(), record: record)
        if isNew { try await attempts.audit.flush() }
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
