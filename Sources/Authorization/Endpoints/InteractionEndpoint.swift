internal import AccessPolicy
internal import Audit
internal import FHIRCore
public import OAuthCore

/// The returns of the browser during a launch: login, choice of a patient, consent. Each loads the launch, gives the
/// machine one event and does what the machine answers.
public struct InteractionEndpoint: Sendable {
    let parts: ServerParts

    /// Shows the page that is due, for a reload or a search on it. Nothing is decided by looking: a choice that was
    /// remembered meanwhile, in another window, is shown on the page and not taken.
    public func show(
        transaction handle: Secret, search: PatientSearch = PatientSearch(), session cookie: Secret?,
        from source: RequestSource
    ) async -> InteractionAnswer {
        await guarded(source) { maker in
            try await self.step(handle, cookie, maker) { step, visitor in
                var step = step
                step.isReload = true
                let due = step.transaction.current(for: visitor, at: self.parts.clock.now())
                return try await self.show(due, step, search: search, from: visitor)
            }
        }
    }

    /// Takes the choice of a patient.
    public func choosePatient(
        transaction handle: Secret, patient: String, session cookie: Secret?, from source: RequestSource
    ) async -> InteractionAnswer {
        await guarded(source) { maker in
            try await self.step(handle, cookie, maker) { step, visitor in
                guard let patient = ResourceID(patient), try await self.isThere(patient, step) else {
                    let due = step.transaction.current(for: visitor, at: self.parts.clock.now())
                    return try await self.show(due, step, hasProblem: true, from: visitor)
                }
                return try await self.advance(step, by: .patientChosen(patient), from: visitor)
            }
        }
    }

    /// Takes the choice of an encounter; an empty one stands for none.
    public func chooseEncounter(
        transaction handle: Secret, encounter: String, session cookie: Secret?, from source: RequestSource
    ) async -> InteractionAnswer {
        await guarded(source) { maker in
            try await self.step(handle, cookie, maker) { step, visitor in
                guard !encounter.isEmpty else {
                    return try await self.advance(step, by: .encounterChosen(nil), from: visitor)
                }
                guard let id = ResourceID(encounter), try await self.isThere(encounter: id, step) else {
                    let due = step.transaction.current(for: visitor, at: self.parts.clock.now())
                    return try await self.show(due, step, hasProblem: true, from: visitor)
                }
                return try await self.advance(step, by: .encounterChosen(id), from: visitor)
            }
        }
    }

    /// Takes the person's decision. The form holds `decision` (`allow`, or anything else for no) and the ticked fields
    /// of the offer.
    public func consent(
        transaction handle: Secret, form: FormParameters, session cookie: Secret?, from source: RequestSource
    ) async -> InteractionAnswer {
        await guarded(source) { maker in
            try await self.step(handle, cookie, maker) { step, visitor in
                let offer = ConsentOffer(of: step.transaction.request.scopes)
                guard form["decision"] == "allow" else {
                    return try await self.advance(step, by: .declined, from: visitor)
                }
                let additions = offer.additions(in: form)
                guard additions == 0 else {
                    // U-08. Nothing is decided: the person's own page is as good as before.
                    return try await self.outcome(
                        .shownToUser(
                            OAuthError(
                                .invalidRequest, "the form says what the page did not offer",
                                detail: "\(additions) fields of the consent form were not offered")),
                        for: step.client, in: step.transaction.request.uiLocales, step.maker)
                }
                let chosen = offer.chosen(in: form)
                var answered = step
                if form["remember"] != nil {
                    answered.consent = .asked(remembering: self.memory(chosen, of: offer, step))
                }
                return try await self.advance(answered, by: .allowed(chosen), from: visitor)
            }
        }
    }

    /// Gives up a launch before consent, at the person's wish.
    public func cancel(
        transaction handle: Secret, session cookie: Secret?, from source: RequestSource
    ) async -> InteractionAnswer {
        await guarded(source) { maker in
            try await self.step(handle, cookie, maker) { step, visitor in
                try await self.advance(step, by: .declined, from: visitor)
            }
        }
    }

    // MARK: - frame

    /// Turns what goes wrong into an answer, once.
    func guarded(
        _ source: RequestSource, _ work: (RecordMaker) async throws -> InteractionAnswer
    ) async -> InteractionAnswer {
        let maker = parts.records(for: source)
        do { return try await work(maker) } catch let error as OAuthError {
            return await refuse(error, client: nil, maker)
        } catch {
            return InteractionAnswer(.unavailable(cause: "\(error)"))
        }
    }

    /// Loads the launch, its client and the visitor's session, and matches the redirect anew. The launch must be the
    /// visitor's own.
    func step(
        _ handle: Secret, _ cookie: Secret?, _ maker: RecordMaker,
        _ work: (Step, LaunchVisitor) async throws -> InteractionOutcome
    ) async throws -> InteractionAnswer {
        guard let visitor = try await liveSession(cookie),
            let transaction = try await parts.stores.transactions.transaction(TransactionID(presented: handle)),
            transaction.session == visitor.id
        else { throw Self.notYours }
        let step = try await loaded(handle, transaction, maker)
        return InteractionAnswer(try await work(step, try await self.visitor(of: visitor, to: step)))
    }

    func loaded(
        _ handle: Secret, _ transaction: AuthorizationTransaction, _ maker: RecordMaker
    ) async throws -> Step {
        let request = transaction.request
        guard let client = try await parts.stores.clients.client(request.clientID), client.status == .active,
            let redirect = ValidatedRedirect(
                requested: request.redirectURI, registered: client.metadata.redirectURIs,
                clientIsNative: client.metadata.isNative)
        else { throw AuthorizationEndpoint.unknownPlace("the client changed during the launch") }
        return Step(
            handle: handle, transaction: try await listed(transaction), client: client, redirect: redirect, maker: maker
        )
    }

    /// The launch with the panel of the person, where it is too long to be kept with it.
    private func listed(_ transaction: AuthorizationTransaction) async throws -> AuthorizationTransaction {
        guard let subject = transaction.unlistedMember else { return transaction }
        var listed = transaction
        listed.know(try await parts.directory.member(for: subject)?.selection ?? .among([]))
        return listed
    }

    static let notYours = OAuthError(
        .invalidRequest, "this page is no longer valid; please start again from the application",
        detail: "unknown or expired launch, or another browser session")

    // MARK: - driving the machine

    /// Gives the machine an event, stores what became of it, and performs its answer. Who loses a race between two
    /// submissions of one form gets the page that is due then.
    func advance(
        _ step: Step, by event: AuthorizationTransaction.Event, from visitor: LaunchVisitor
    ) async throws -> InteractionOutcome {
        let now = parts.clock.now()
        var moved = step
        let action = moved.transaction.handle(event, from: visitor, at: now)
        switch action {
        case .show(let due):
            guard moved.transaction.revision != step.transaction.revision else {
                if case .patientChosen = event { return try await show(due, step, hasProblem: true, from: visitor) }
                return try await show(due, step, from: visitor)
            }
            let record = record(of: event, moved, maker: step.maker)
            guard try await parts.stores.transactions.update(moved.transaction, record: record) else {
                return try await overtaken(step, visitor)
            }
            if record != nil { try await parts.audit.flush() }
            return try await show(due, moved, from: visitor)
        case .refuse(let error):
            // Whoever ends a launch has proved who they are, or has begun it: the row goes with the move.
            let record = step.maker.record(
                error.code == .accessDenied ? .consentDenied : .authorizationRefused, client: step.client.id,
                subject: visitor.subject, outcome: .refused(reason: error.code.rawValue), detail: error.detail
            ).about(step.transaction)
            guard try await parts.stores.transactions.update(moved.transaction, record: record) else {
                return try await overtaken(step, visitor)
            }
            try await parts.audit.flush()
            let request = step.transaction.request
            return told(
                .sentToClient(error, step.redirect, state: request.state), to: step.client, in: request.uiLocales)
        case .issueCode(let approval):
            // Between login and consent the account or its link may have ended.
            guard try await parts.persons.finding(for: approval.member.subject, in: approval.launch) == .good else {
                return try await advance(step, by: .memberLost, from: visitor)
            }
            // And more may be demanded, in a process that was started meanwhile.
            let member = approval.member
            guard try await parts.finding(member.authentication, of: member.subject, for: step) == .enough else {
                return try await advance(step, by: .loginTooWeak, from: visitor)
            }
            // The code's own transaction closes the launch.
            if let code = try await issueCode(approval, moved) { return code }
            guard case .recalled = step.consent else { throw Self.notYours }
            // What was remembered was forgotten at this moment: now the person is asked.
            var asked = step
            asked.isReload = true
            return try await overtaken(asked, visitor)
        }
    }

    /// What is told of a move of the launch: that a person entered it, and which patient they chose. A launch that
    /// nobody has entered yet is nobody's and is not recorded.
    private func record(
        of event: AuthorizationTransaction.Event, _ moved: Step, maker: RecordMaker
    ) -> AuthorizationRecord? {
        let kind: AuthorizationRecord.Kind
        switch event {
        case .signedIn: kind = .launch
        case .patientChosen: kind = .patientChosen
        case .encounterChosen, .allowed, .declined, .memberLost, .loginTooWeak: return nil
        }
        let request = moved.transaction.request
        switch moved.transaction.state {
        case .awaitingContext(let member):
            return maker.record(kind, client: request.clientID, member: member, launch: request.launch, request.scopes)
        case .awaitingEncounter(let member, let launch), .awaitingConsent(let member, let launch):
            return maker.record(kind, client: request.clientID, member: member, launch: launch, request.scopes)
        case .awaitingLogin, .closed: return nil
        }
    }

    /// The page that is due after somebody else moved the launch first.
    private func overtaken(_ step: Step, _ visitor: LaunchVisitor) async throws -> InteractionOutcome {
        guard let latest = try await parts.stores.transactions.transaction(step.transaction.id) else {
            throw Self.notYours
        }
        let listed = try await listed(latest)
        return try await show(listed.current(for: visitor, at: parts.clock.now()), step.with(listed), from: visitor)
    }

    func show(
        _ due: AuthorizationTransaction.Due, _ step: Step, hasProblem: Bool = false,
        search: PatientSearch = PatientSearch(), from visitor: LaunchVisitor
    ) async throws -> InteractionOutcome {
        switch due {
        case .login:
            return .page(.login(step.loginPage(problem: nil)))
        case .secondFactor(let signIn):
            return .page(.secondFactor(try await page(for: signIn, step, problem: nil)))
        case .patientChoice(let member):
            return .page(.choosePatient(try await page(for: member, step, search: search, hasProblem: hasProblem)))
        case .encounterChoice(let member, let launch):
            guard let page = try await encounterPage(for: member, launch, step, hasProblem: hasProblem) else {
                // There is nothing to choose from.
                return try await advance(step, by: .encounterChosen(nil), from: visitor)
            }
            return .page(.chooseEncounter(page))
        case .consent(let offer, let member, let launch):
            if !step.isReload, let (memory, chosen) = try await remembered(for: offer, member, launch, step) {
                var answered = step
                answered.consent = .recalled(memory)
                return try await advance(answered, by: .allowed(chosen), from: visitor)
            }
            return .page(.consent(try await page(for: offer, member, launch, step)))
        case .notYours, .over: throw Self.notYours
        }
    }

    private func page(
        for offer: ConsentOffer, _ member: SignedInMember, _ launch: LaunchContext, _ step: Step
    ) async throws -> ConsentPage {
        let account = try await parts.stores.users.user(member.subject)
        let patient = try await patient(of: launch, member, step)
        return ConsentPage(
            transaction: step.handle, clientName: step.client.name, clientIsTrusted: step.client.isTrusted,
            personName: account?.displayName ?? "", patient: patient, offer: offer,
            redirectHost: step.redirect.host, redirectURI: step.redirect.uri,
            uiLocales: step.transaction.request.uiLocales)
    }

    // MARK: - the code

    /// Makes the grant and its code in one transaction with the end of the launch; nil when what they rest on is gone.
    private func issueCode(_ approval: Approval, _ step: Step) async throws -> InteractionOutcome? {
        let now = parts.clock.now()
        let request = step.transaction.request
        // The ceiling may have come down since the request.
        let scopes = try ScopePolicy.readable(approval.scopes.intersection(step.client.approvedScopes))
        guard !scopes.isEmpty else { throw AuthorizationEndpoint.unknownPlace("nothing is approved any longer") }
        let grant = Grant(
            id: GrantID(parts.random.identifier()), clientID: step.client.id, subject: approval.member.subject,
            scopes: scopes, launch: approval.launch, program: step.client.program, fhirBase: request.fhirBase,
            nonce: request.nonce,
            authenticatedAt: approval.member.authenticatedAt == BrowserSession.SignIn.unknownMoment
                ? nil : approval.member.authenticatedAt,
            authentication: approval.member.authentication, needsSecondFactor: request.needsSecondFactor,
            createdAt: now,
            expiresAt: end(of: scopes, for: step.client, at: now))
        let code = parts.random.secret()
        let record = CodeRecord(
            hash: code.hash, grantID: grant.id, clientID: step.client.id, redirectURI: request.redirectURI,
            challenge: request.challenge, expiresAt: now + parts.configuration.codeLifetime,
            session: step.transaction.session, proofKey: request.proofKey)
        var detail: String?
        if case .recalled = step.consent { detail = "remembered" }
        guard
            try await parts.stores.codes.issue(
                record, for: grant, closing: step.transaction, by: step.consent, using: step.launchUse,
                record: step.maker.record(.consent, grant: grant, detail: detail))
        else { return nil }
        try await parts.audit.flush()
        return .redirect(
            ClientRedirect(
                code: code, state: request.state, issuer: parts.configuration.issuer, to: step.redirect))
    }
}

extension InteractionEndpoint {
    /// When the last token of a grant that is made now must be over. Only a confidential client's refresh token may be
    /// renewed without end, and what is never renewed is ended by its idle limit.
    private func end(of scopes: ScopeSet, for client: ClientRegistration, at now: Int64) -> Int64? {
        let lifetimes = client.lifetimes
        let isRenewed =
            (scopes.contains(.offlineAccess) || scopes.contains(.onlineAccess))
            && client.metadata.grantTypes.contains(.refreshToken)
        guard isRenewed else { return now + parts.configuration.codeLifetime + lifetimes.accessToken }
        guard !client.isConfidential else { return nil }
        return now + parts.configuration.codeLifetime + lifetimes.refreshAbsolute + lifetimes.accessToken
    }
}

/// One step of a launch with everything that was loaded for it.
struct Step: Sendable {
    let handle: Secret
    var transaction: AuthorizationTransaction
    let client: ClientRegistration
    let redirect: ValidatedRedirect
    let maker: RecordMaker
    /// How the consent of this step is given.
    var consent = GivenConsent.asked(remembering: nil)
    /// Whether a page is only looked at.
    var isReload = false
    /// The EHR's launch that is to be used up with the code; nil where it is already, or there is none.
    var launchUse: LaunchUse?

    func loginPage(problem: LoginProblem?) -> LoginPage {
        LoginPage(
            transaction: handle, clientName: client.name, redirectURI: redirect.uri, problem: problem,
            uiLocales: transaction.request.uiLocales)
    }

    func with(_ transaction: AuthorizationTransaction) -> Step {
        var step = Step(handle: handle, transaction: transaction, client: client, redirect: redirect, maker: maker)
        step.isReload = isReload
        return step
    }
}

extension ValidatedRedirect {
    /// The host to which the browser goes, for people to read; for an installed app its private scheme with a colon.
    ///
    /// Behind a private scheme there is no host, whatever is written there (RFC 8252 §7.1): the app would choose it.
    var host: String {
        let scheme = uri.prefix { $0 != ":" }
        let parts = uri.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard scheme == "http" || scheme == "https", parts.count >= 3 else { return scheme + ":" }
        return String(parts[2].prefix { $0 != "?" })
    }
}
