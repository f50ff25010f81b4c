internal import AccessPolicy
internal import Audit
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
            let form = try await pushed(form)
            // 1. Who, and where to.
            let (client, redirect) = try await place(of: form)
            // 2. What: from here on the client is told.
            do throws(AuthorizationFailure) {
                let request = try AuthorizationRequest(
                    parsing: form, client: client.id, redirect: redirect, rules: rules(for: client))
                // Before anything that costs more than reading: what a request asks for is multiplied by the ceiling.
                guard parts.budget.mayBegin(from: maker.source.address, at: parts.clock.now()) else {
                    throw request.failure(InteractionEndpoint.tooMany)
                }
                let launch = try await ehrLaunch(of: request, from: client)
                let accepted = try accept(request, from: client, launch: launch)
                return try await start(accepted, request, for: client, launch: launch, cookie, maker)
            } catch {
                return try await interaction.answer(
                    error, for: client, in: AuthorizationRequest.uiLocales(of: form), maker)
            }
        }
    }

    /// The client and where its answer goes: what is wrong here is shown to the person and sent nowhere.
    func place(of form: FormParameters) async throws -> (ClientRegistration, ValidatedRedirect) {
        let address = try Self.shown { () throws(AuthorizationFailure) in try AuthorizationAddress(parsing: form) }
        let client = try await parts.stores.clients.client(address.clientID)
        guard let client, client.status == .active else {
            throw Self.unknownPlace("client `\(address.clientID)` is unknown or not active")
        }
        let redirect = try Self.shown { () throws(AuthorizationFailure) in
            try address.validated(against: client.metadata)
        }
        return (client, redirect)
    }

    /// The request that was pushed under the `request_uri`, instead of whatever else came with it (RFC 9126 §4); the form
    /// itself when none was pushed. One that is unknown, used, expired or another client's is told to the person only.
    private func pushed(_ form: FormParameters) async throws -> FormParameters {
        guard let uri = form["request_uri"], uri.hasPrefix(PushedRequestEndpoint.prefix) else { return form }
        let handle = Secret(String(uri.dropFirst(PushedRequestEndpoint.prefix.count)))
        guard let client = form["client_id"],
            let request = try await parts.stores.pushedRequests.take(
                handle.hash, by: ClientID(client), at: parts.clock.now())
        else { throw OAuthError(.invalidRequestURI, "the request_uri is unknown, expired or used") }
        return try FormParameters(parsing: request.form.utf8, repetition: .noted)
    }

    // MARK: - checks

    /// One text for an unknown client and for an unknown redirect: neither shows which clients there are.
    static func unknownPlace(_ detail: String) -> OAuthError { AuthorizationAddress.unknown(detail).error }

    private static func shown<Value>(
        _ check: () throws(AuthorizationFailure) -> Value
    ) throws(OAuthError) -> Value {
        do { return try check() } catch { throw error.error }
    }

    func rules(for client: ClientRegistration) -> AuthorizationRequest.Rules {
        let bases = parts.configuration.fhirBases
        let spellings = parts.configuration.toleratesTrailingSlash ? bases.map { $0 + "/" } : []
        return AuthorizationRequest.Rules(
            audiences: Set(bases + spellings),
            requiresProofKey: client.profile.demandsProofKey(
                at: parts.clock.now(), isConfidential: client.isConfidential))
    }

    /// The launch that the request came from; nil for a standalone one. A `launch` value without the scope `launch` is
    /// not looked at (L-13).
    private func ehrLaunch(
        of request: AuthorizationRequest, from client: ClientRegistration
    ) async throws(AuthorizationFailure) -> EHRLaunch? {
        guard request.scope.contains(.launch), client.approvedScopes.contains(.launch) else { return nil }
        let summary = "the launch is unknown, expired or used"
        do {
            guard let handle = request.launch else {
                throw OAuthError(.invalidRequest, summary, detail: "scope launch without a launch")
            }
            guard let base = parts.configuration.fhirBase(named: request.audience) else {
                throw OAuthError(.invalidTarget)
            }
            guard let launch = try await parts.stores.launches.launch(Secret(handle).hash) else {
                throw OAuthError(.invalidRequest, summary, detail: "no such launch was made")
            }
            if let obstacle = launch.obstacle(client: client.id, fhirBase: base, at: parts.clock.now()) {
                throw OAuthError(.invalidRequest, summary, detail: obstacle)
            }
            return launch
        } catch let error as OAuthError {
            throw request.failure(error)
        } catch {
            throw request.failure(OAuthError(.serverError, detail: "\(error)"))
        }
    }

    /// What the request may have, by the client's registration.
    func accept(
        _ request: AuthorizationRequest, from client: ClientRegistration, launch: EHRLaunch?
    ) throws(AuthorizationFailure) -> AcceptedRequest {
        do throws(OAuthError) {
            guard client.metadata.grantTypes.contains(.authorizationCode) else { throw OAuthError(.unauthorizedClient) }
            let scopes = try ScopePolicy.forPerson(asked: request.scope, client: client)
            guard let base = parts.configuration.fhirBase(named: request.audience) else {
                throw OAuthError(.invalidTarget)
            }
            return AcceptedRequest(
                clientID: client.id, redirectURI: request.redirect.uri, state: request.state, scopes: scopes,
                challenge: request.codeChallenge, nonce: request.nonce, fhirBase: base,
                launch: launch?.context ?? LaunchContext(), expectedSubject: launch?.subject,
                hintedSubject: try hintedSubject(of: request), loginNotBefore: loginNotBefore(request),
                asksConsent: request.prompts.contains(.consent),
                needsSecondFactor: SecondFactorPolicy.isAsked(by: request.acrValues), uiLocales: request.uiLocales,
                proofKey: request.proofKey)
        } catch { throw request.failure(error) }
    }

    /// Whom the `id_token_hint` names; nil without one. It must be an ID token of ours for this client. That its time is
    /// over does not matter (OpenID Connect Core §3.1.2.1), and neither does who is signed in now.
    private func hintedSubject(of request: AuthorizationRequest) throws(OAuthError) -> SubjectID? {
        guard let hint = request.idTokenHint else { return nil }
        do throws(JOSEError) {
            let token = try JWS.verify(hint, keys: parts.keys.signer.verificationKeys, rules: .idToken)
            return try IDTokenClaims(
                hint: token, issuer: parts.configuration.issuer, client: request.clientID
            ).subject
        } catch {
            throw OAuthError(
                .invalidRequest, "the id_token_hint is not an ID token for this client", detail: error.detail)
        }
    }

    /// A login before this does not count; nil when any live login does.
    private func loginNotBefore(_ request: AuthorizationRequest) -> Int64? {
        let now = parts.clock.now()
        if request.prompts.contains(.login) || request.prompts.contains(.selectAccount) { return now }
        // However old it may be: that nobody knows when it was is not an answer to `max_age` (OpenID Connect Core §2).
        return request.maxAge.map { max(now - $0, BrowserSession.SignIn.unknownMoment + 1) }
    }

    // MARK: - the first page

    private func start(
        _ accepted: AcceptedRequest, _ request: AuthorizationRequest, for client: ClientRegistration,
        launch: EHRLaunch?, _ cookie: Secret?, _ maker: RecordMaker
    ) async throws(AuthorizationFailure) -> InteractionAnswer {
        do {
            let visit = try await interaction.visit(cookie)
            let isSilent = request.prompts.contains(.none)
            var accepted = accepted
            let present = [visit.session.signIn, visit.session.pending].compactMap { $0?.subject }
            // Is somebody else here, only a login from now on can be the one that the app means.
            if !present.allSatisfy(accepted.means) { accepted.loginNotBefore = parts.clock.now() }
            if isSilent {
                let since = accepted.loginNotBefore ?? 0
                let isSignedIn =
                    visit.session.signIn.map { $0.authenticatedAt >= since && accepted.means($0.subject) } ?? false
                guard isSignedIn else { throw OAuthError(.loginRequired) }
            }
            let handle = parts.random.secret()
            let now = parts.clock.now()
            let transaction = AuthorizationTransaction(
                id: TransactionID(presented: handle), session: visit.session.id, request: accepted, createdAt: now,
                expiresAt: now + parts.configuration.launchLifetime)
            var step = Step(
                handle: handle, transaction: transaction, client: client, redirect: request.redirect, maker: maker)
            if isSilent, let launch {
                // A request that may not ask has often to be made again with pages: the launch is used up with the code.
                step.launchUse = LaunchUse(hash: launch.hash, record: Self.record(of: launch, maker))
                try await parts.stores.transactions.insert(transaction)
            } else {
                try await keep(transaction, launch: launch, maker)
            }
            let outcome = try await interaction.enter(step, visit.session)
            if isSilent, case .page(let page) = outcome, let error = Self.interaction(neededFor: page) { throw error }
            return InteractionAnswer(outcome, session: visit.instruction)
        } catch let error as OAuthError {
            throw request.failure(error)
        } catch {
            // RFC 6749 §4.1.2.1: the client is told that we failed; why is for our log.
            throw request.failure(OAuthError(.serverError, detail: "\(error)"))
        }
    }

    /// Stores the transaction. One that came from an EHR uses its launch up in the same step: of two requests with one
    /// launch one begins (L-09).
    private func keep(
        _ transaction: AuthorizationTransaction, launch: EHRLaunch?, _ maker: RecordMaker
    ) async throws {
        guard let launch else { return try await parts.stores.transactions.insert(transaction) }
        guard
            try await parts.stores.launches.begin(
                transaction, using: launch.hash, at: parts.clock.now(), record: Self.record(of: launch, maker))
        else {
            throw OAuthError(
                .invalidRequest, "the launch is unknown, expired or used", detail: "the launch was used at this moment")
        }
        try await parts.audit.flush()
    }

    /// That an EHR's launch was used.
    private static func record(of launch: EHRLaunch, _ maker: RecordMaker) -> AuthorizationRecord {
        var record = maker.record(
            .launch, client: launch.clientID, subject: launch.subject, detail: "made by `\(launch.madeBy)`")
        record.patient = launch.context.patient?.text
        return record
    }

    /// What a request without pages is told when one is needed (OpenID Connect Core §3.1.2.6); nil where the page is the
    /// way in which an app that nobody vouches for gets an answer that is there already.
    private static func interaction(neededFor page: InteractionPage) -> OAuthError? {
        switch page {
        case .login, .secondFactor, .recoveryCodes: OAuthError(.loginRequired)
        case .consent: OAuthError(.consentRequired)
        case .choosePatient, .chooseEncounter: OAuthError(.interactionRequired)
        case .leaving: nil
        }
    }
}
