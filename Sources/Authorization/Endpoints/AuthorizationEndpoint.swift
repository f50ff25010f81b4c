internal import AccessPolicy
internal import FHIRCore
public import OAuthCore

/// Where a launch begins: the checks that need no person, in order, and then the first page.
public struct AuthorizationEndpoint: Sendable {
    let parts: ServerParts
    let interaction: InteractionEndpoint

    /// Takes an authorization request. The form holds the query of a GET or the body of a POST, never both, and is
    /// parsed with `repetition: .noted`.
    public func begin(
        _ form: FormParameters, session cookie: Secret?, from source: RequestSource
    ) async -> InteractionAnswer {
        await interaction.guarded(source) { maker in
            // 1. Who, and where to: what is wrong here is shown to the person and sent nowhere.
            let address = try Self.shown { () throws(AuthorizationFailure) in try AuthorizationAddress(parsing: form) }
            let client = try await parts.stores.clients.client(address.clientID)
            guard let client, client.status == .active else {
                throw Self.unknownPlace("client `\(address.clientID)` is unknown or not active")
            }
            let redirect = try Self.shown { () throws(AuthorizationFailure) in
                try address.validated(against: client.metadata)
            }
            // 2. What: from here on the client is told.
            do throws(AuthorizationFailure) {
                let request = try AuthorizationRequest(
                    parsing: form, client: client.id, redirect: redirect, rules: rules(for: client))
                let accepted = try accept(request, from: client)
                return try await start(accepted, request, for: client, cookie, maker)
            } catch {
                return try await interaction.answer(error, for: client, maker)
            }
        }
    }

    // MARK: - checks

    /// One text for an unknown client and for an unknown redirect: neither shows which clients there are.
    static func unknownPlace(_ detail: String) -> OAuthError { AuthorizationAddress.unknown(detail).error }

    private static func shown<Value>(
        _ check: () throws(AuthorizationFailure) -> Value
    ) throws(OAuthError) -> Value {
        do { return try check() } catch { throw error.error }
    }

    private func rules(for client: ClientRegistration) -> AuthorizationRequest.Rules {
        let bases = parts.configuration.fhirBases
        let spellings = parts.configuration.toleratesTrailingSlash ? bases.map { $0 + "/" } : []
        return AuthorizationRequest.Rules(
            audiences: Set(bases + spellings),
            requiresProofKey: client.profile.demandsProofKey(
                at: parts.clock.now(), isConfidential: client.isConfidential))
    }

    /// What the request may have, by the client's registration.
    private func accept(
        _ request: AuthorizationRequest, from client: ClientRegistration
    ) throws(AuthorizationFailure) -> AcceptedRequest {
        do throws(OAuthError) {
            guard client.metadata.grantTypes.contains(.authorizationCode) else { throw OAuthError(.unauthorizedClient) }
            let scopes = try ScopePolicy.forPerson(asked: request.scope, client: client)
            guard let base = parts.configuration.fhirBase(named: request.audience) else {
                throw OAuthError(.invalidTarget)
            }
            // An EHR launch needs a launch that we made, and there is none (L-12, L-13).
            guard !request.scope.contains(.launch) else {
                throw OAuthError(.invalidRequest, "the launch is unknown, expired or used")
            }
            return AcceptedRequest(
                clientID: client.id, redirectURI: request.redirect.uri, state: request.state, scopes: scopes,
                challenge: request.codeChallenge, nonce: request.nonce, fhirBase: base,
                loginNotBefore: loginNotBefore(request))
        } catch { throw request.failure(error) }
    }

    /// A login before this does not count; nil when any live login does.
    private func loginNotBefore(_ request: AuthorizationRequest) -> Int64? {
        let now = parts.clock.now()
        if request.prompts.contains(.login) || request.prompts.contains(.selectAccount) { return now }
        return request.maxAge.map { now - $0 }
    }

    // MARK: - the first page

    private func start(
        _ accepted: AcceptedRequest, _ request: AuthorizationRequest, for client: ClientRegistration,
        _ cookie: Secret?, _ maker: RecordMaker
    ) async throws(AuthorizationFailure) -> InteractionAnswer {
        do {
            guard parts.budget.mayBegin(from: maker.source.address, at: parts.clock.now()) else {
                throw InteractionEndpoint.tooMany
            }
            let visit = try await interaction.visit(cookie)
            if request.prompts.contains(.none) {
                // Consent is asked every time, so nothing can be granted without a page.
                let since = accepted.loginNotBefore ?? 0
                let isSignedIn = visit.session.signIn.map { $0.authenticatedAt >= since } ?? false
                throw OAuthError(isSignedIn ? .consentRequired : .loginRequired)
            }
            let handle = parts.random.secret()
            let now = parts.clock.now()
            let transaction = AuthorizationTransaction(
                id: TransactionID(presented: handle), session: visit.session.id, request: accepted, createdAt: now,
                expiresAt: now + parts.configuration.launchLifetime)
            try await parts.stores.transactions.insert(transaction)
            let step = Step(
                handle: handle, transaction: transaction, client: client, redirect: request.redirect, maker: maker)
            let outcome = try await interaction.enter(step, visit.session)
            return InteractionAnswer(outcome, session: visit.instruction)
        } catch let error as OAuthError {
            throw request.failure(error)
        } catch {
            // RFC 6749 §4.1.2.1: the client is told that we failed; why is for our log.
            throw request.failure(OAuthError(.serverError, detail: "\(error)"))
        }
    }
}
