internal import AccessPolicy
internal import Audit
public import OAuthCore

/// What the browser gets on its way to a provider and back.
public enum FederationAnswer: Sendable {
    /// To the provider.
    case redirect(String, SessionInstruction)
    /// The next step of a launch, or a page that says what went wrong.
    case interaction(InteractionAnswer)
    /// Signed in, outside a launch.
    case signedIn(SessionInstruction)
}

/// Signing in at an OpenID Provider: code flow with PKCE, `state`, `nonce` and `iss` (decision 23, U-23).
///
/// A login is known by issuer and subject and by nothing else. What the provider claims of records (`fhirUser`) or of
/// the person (`email`, `name`) is not looked at; who it is here, the member directory says (L-22).
public struct FederationEndpoint: Sendable {
    let parts: ServerParts
    let interaction: InteractionEndpoint
    let documents: ProviderDocuments

    /// How long a browser may be away, in seconds.
    static let pendingLifetime: Int64 = 900

    init(parts: ServerParts, interaction: InteractionEndpoint) {
        self.parts = parts
        self.interaction = interaction
        documents = ProviderDocuments(fetch: parts.federation.fetch, clock: parts.clock)
    }

    /// The callback of a provider; one of its own for each, so that an answer of one is never taken for another's
    /// (RFC 9700 §4.4.2.2).
    func callback(of provider: IdentityProvider) -> String {
        parts.configuration.issuer + "/login/callback/" + provider.id
    }

    // MARK: - going

    /// Sends the browser to a provider; `launch` is the handle of the launch that waits for the login, nil for the
    /// account pages.
    public func begin(
        provider id: String, launch handle: Secret?, session cookie: Secret?, from source: RequestSource
    ) async -> FederationAnswer {
        await answered(source) { maker in
            guard let provider = parts.federation.provider(id) else { throw InteractionEndpoint.notYours }
            // Each way out is a row, for a browser that has proved nothing.
            guard parts.budget.mayBegin(from: maker.source.address, at: parts.clock.now()) else {
                throw InteractionEndpoint.tooMany
            }
            let browser = try await browser(for: handle, cookie)
            let asked = try await asked(of: provider, for: handle, browser.session, maker)
            let metadata = try await demand(provider, maker) { try await documents.metadata(of: provider) }
            let state = parts.random.secret()
            guard let secrets = ProviderSecrets(cookie: browser.cookie, state: state) else {
                throw InteractionEndpoint.notYours
            }
            try await parts.stores.pendingLogins.insert(
                PendingLogin(
                    hash: state.hash, session: browser.session.id, provider: provider.id,
                    sealedLaunch: try handle.map { try secrets.seal($0, random: parts.random) }, maxAge: asked.maxAge,
                    expiresAt: parts.clock.now() + Self.pendingLifetime))
            return .redirect(
                asked.location(at: metadata.authorizationEndpoint, state: state, secrets: secrets),
                browser.instruction)
        }
    }

    /// A browser with its session, and what it must be told of it.
    private struct Browser {
        let session: BrowserSession
        let cookie: Secret
        let instruction: SessionInstruction
    }

    /// The browser of a launch has its session already; for the account pages a new one is made.
    private func browser(for handle: Secret?, _ cookie: Secret?) async throws -> Browser {
        if let cookie, let session = try await interaction.liveSession(cookie) {
            return Browser(session: session, cookie: cookie, instruction: .keep)
        }
        guard handle == nil else { throw InteractionEndpoint.notYours }
        let visit = try await interaction.visit(nil)
        guard case .set(let value, _) = visit.instruction else { throw InteractionEndpoint.notYours }
        return Browser(session: visit.session, cookie: value, instruction: visit.instruction)
    }

    /// What the provider is asked for: what the operator says and, where the app of the launch demands more, that.
    private func asked(
        of provider: IdentityProvider, for handle: Secret?, _ session: BrowserSession, _ maker: RecordMaker
    ) async throws -> ProviderRequest {
        var request = ProviderRequest(
            clientID: provider.clientID, redirectURI: callback(of: provider), scope: provider.scope,
            contexts: provider.contexts, maxAge: provider.maxAge)
        guard let handle else { return request }
        let step = try await launch(handle, of: session, maker)
        if let limit = step.transaction.request.loginNotBefore {
            // `prompt=login` counts from the request on: only a new sign-in is one.
            let age = limit >= step.transaction.createdAt ? 0 : max(parts.clock.now() - limit, 0)
            request.maxAge = min(request.maxAge ?? .max, age)
        }
        // Whose roles may demand more is not known before somebody has signed in.
        request.contexts = provider.contexts(meeting: parts.demands(of: step, by: []))
        return request
    }

    private func launch(_ handle: Secret, of session: BrowserSession, _ maker: RecordMaker) async throws -> Step {
        guard
            let transaction = try await parts.stores.transactions.transaction(TransactionID(presented: handle)),
            transaction.session == session.id
        else { throw InteractionEndpoint.notYours }
        return try await interaction.loaded(handle, transaction, maker)
    }

    // MARK: - coming back

    /// Takes the browser back from a provider. `form` is the query of the callback, with repeated parameters noted.
    public func complete(
        provider id: String, _ form: FormParameters, session cookie: Secret?, from source: RequestSource
    ) async -> FederationAnswer {
        await answered(source) { maker in
            guard let provider = parts.federation.provider(id), let cookie,
                let session = try await interaction.liveSession(cookie), let state = form["state"].map({ Secret($0) }),
                let secrets = ProviderSecrets(cookie: cookie, state: state),
                // Used up before anything else is looked at: an answer is taken once, whatever it says.
                let pending = try await parts.stores.pendingLogins.take(
                    state.hash, session: session.id, provider: provider.id, at: parts.clock.now())
            else { throw InteractionEndpoint.notYours }
            let handle = try pending.sealedLaunch.map { sealed in
                guard let handle = secrets.open(sealed) else { throw InteractionEndpoint.notYours }
                return handle
            }
            let proven = try await demand(provider, maker) {
                try await proof(of: form, provider, secrets, maxAge: pending.maxAge)
            }
            let account = try await account(of: proven.token, at: provider, maker)
            let entry = try await enter(account, proven, provider, replacing: session, maker)
            guard let handle else { return .signedIn(entry.instruction) }
            // The browser learns its new session whatever becomes of the launch: the old one is gone.
            let answer = await interaction.guarded(source) { maker in
                let step = try await launch(handle, of: entry.session, maker)
                guard try await interaction.visitor(of: entry.session, to: step).finding == .enough else {
                    throw Self.tooWeak
                }
                return InteractionAnswer(try await interaction.enter(step, entry.session))
            }
            return .interaction(InteractionAnswer(answer.outcome, session: entry.instruction))
        }
    }

    static let tooWeak = OAuthError(
        .accessDenied, "this app needs a stronger sign-in than the one that was made",
        detail: "acr and amr of the sign-in do not meet what is demanded")

    private struct Proven {
        let token: ProviderIDToken
        /// The ID token as it came.
        let compact: Secret
    }

    /// From the answer in the address to an ID token that holds.
    private func proof(
        of form: FormParameters, _ provider: IdentityProvider, _ secrets: ProviderSecrets, maxAge: Int64?
    ) async throws -> Proven {
        let metadata = try await documents.metadata(of: provider)
        let code = try ProviderResponse.code(form, from: metadata)
        let compact = try await documents.redeem(
            code, at: provider, metadata, redirectURI: callback(of: provider), verifier: secrets.verifier,
            tokenID: parts.random.identifier())
        let token = try await documents.verified(
            compact, of: provider, metadata,
            expecting: .init(
                issuer: provider.issuer, clientID: provider.clientID, nonce: secrets.nonce,
                algorithms: provider.algorithms, maxAge: maxAge))
        return Proven(token: token, compact: compact)
    }

    private struct Entry {
        let session: BrowserSession
        let instruction: SessionInstruction
    }

    /// A new session for the account; what was planted in the browser before is worth nothing now.
    private func enter(
        _ account: UserAccount, _ proven: Proven, _ provider: IdentityProvider, replacing old: BrowserSession,
        _ maker: RecordMaker
    ) async throws -> Entry {
        let now = parts.clock.now()
        let value = parts.random.secret()
        let authentication = AuthenticationContext(
            classReference: proven.token.context, methods: proven.token.methods,
            witness: .provider(issuer: provider.issuer))
        let demands = parts.assurance.demands(roles: try await parts.roles(of: account))
        guard parts.assurance.finding(authentication, against: demands) == .enough else {
            throw try await refusal("second-factor", account.subject, maker)
        }
        let session = BrowserSession(
            id: SessionID(presented: value),
            signIn: .init(
                // Where the provider does not say when, nobody knows: it is as long ago as can be.
                subject: account.subject,
                authenticatedAt: min(proven.token.authenticatedAt ?? BrowserSession.SignIn.unknownMoment, now),
                authentication: authentication),
            createdAt: now, expiresAt: now + parts.configuration.sessionLifetime, lastSeenAt: now)
        let context = proven.token.context.map { ", acr `\($0)`" } ?? ""
        let record = maker.record(.login, subject: account.subject, detail: "at `\(provider.id)`\(context)")
        switch try await parts.stores.sessions.replace(
            old.id, by: session, verified: account.passwordHash, record: record)
        {
        case .replaced: break
        case .sessionGone: throw InteractionEndpoint.notYours
        // An operator may have acted since the account was looked at.
        case .accountChanged: throw try await refusal("changed-meanwhile", account.subject, maker)
        }
        try await parts.stores.pendingLogins.keep(
            SessionAssurance(
                session: session.id, provider: provider.id, context: proven.token.context,
                methods: proven.token.methods,
                sealedHint: try ProviderSecrets(cookie: value, state: Self.hint)?.seal(
                    proven.compact, random: parts.random)))
        try await parts.audit.flush()
        return Entry(session: session, instruction: .set(value, expiresAt: session.expiresAt))
    }

    static let hint = Secret("end-session hint")

    // MARK: - signing out there

    /// Where a browser signs out at the provider of its session too (OpenID Connect RP-Initiated Logout §2); nil where
    /// there is no such place, or it cannot be found out. To be asked before the session ends.
    public func endSessionLocation(session cookie: Secret?) async -> (location: String, name: String)? {
        do {
            guard let cookie, let session = try await interaction.liveSession(cookie),
                let assurance = try await parts.stores.pendingLogins.assurance(of: session.id),
                let provider = parts.federation.provider(assurance.provider),
                let endpoint = try await documents.metadata(of: provider).endSessionEndpoint
            else { return nil }
            var parameters = [
                ("client_id", provider.clientID),
                ("post_logout_redirect_uri", parts.configuration.endSessionEndpoint),
            ]
            let secrets = ProviderSecrets(cookie: cookie, state: Self.hint)
            if let hint = assurance.sealedHint.flatMap({ secrets?.open($0) }) {
                parameters.append(("id_token_hint", hint.reveal()))
            }
            return (ProviderAddress.adding(parameters, to: endpoint), provider.name)
        } catch {
            // Signing out here must not wait for a provider that is down.
            return nil
        }
    }
}

extension ProviderSecrets {
    private static let context = "provider sign-in"

    /// Seals a text so that only the same browser opens it.
    func seal(_ secret: Secret, random: RandomSource) throws -> String {
        guard let sealer = Sealer(keys: [sealKey]) else { throw JOSEError.signingFailed }
        return try sealer.seal(Array(secret.reveal().utf8), context: Self.context, random: random)
    }

    /// The text that was sealed; nil for anything else.
    func open(_ sealed: String) -> Secret? {
        Sealer(keys: [sealKey])?.open(sealed, context: Self.context)
            .flatMap { String(validating: $0, as: UTF8.self) }.map { Secret($0) }
    }
}
