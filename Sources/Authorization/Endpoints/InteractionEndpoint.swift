internal import AccessPolicy
internal import Audit
internal import FHIRCore
public import OAuthCore

/// The returns of the browser during a launch: login, choice of a patient, consent. Each loads the launch, gives the
/// machine one event and does what the machine answers.
public struct InteractionEndpoint: Sendable {
    let parts: ServerParts

    /// Shows the page that is due, for a reload.
    public func show(transaction handle: Secret, session cookie: Secret?) async -> InteractionAnswer {
        await guarded(RequestSource(address: "")) { maker in
            try await self.step(handle, cookie, maker) { step, visitor in
                try await self.show(step.transaction.current(for: visitor, at: self.parts.clock.now()), step)
            }
        }
    }

    /// Takes the choice of a patient.
    public func choosePatient(
        transaction handle: Secret, patient: String, session cookie: Secret?, from source: RequestSource
    ) async -> InteractionAnswer {
        await guarded(source) { maker in
            try await self.step(handle, cookie, maker) { step, visitor in
                guard let patient = ResourceID(patient) else {
                    let due = step.transaction.current(for: visitor, at: self.parts.clock.now())
                    return try await self.show(due, step, hasProblem: true)
                }
                return try await self.advance(step, by: .patientChosen(patient), from: visitor)
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
                let event: AuthorizationTransaction.Event =
                    form["decision"] == "allow" ? .allowed(offer.chosen(in: form)) : .declined
                return try await self.advance(step, by: event, from: visitor)
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
        return InteractionAnswer(try await work(step, LaunchVisitor(visitor)))
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
        return Step(handle: handle, transaction: transaction, client: client, redirect: redirect, maker: maker)
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
                if case .patientChosen = event { return try await show(due, step, hasProblem: true) }
                return try await show(due, step)
            }
            guard try await parts.stores.transactions.update(moved.transaction) else {
                return try await overtaken(step, visitor)
            }
            return try await show(due, moved)
        case .refuse(let error):
            guard try await parts.stores.transactions.update(moved.transaction) else {
                return try await overtaken(step, visitor)
            }
            return try await outcome(
                .sentToClient(error, step.redirect, state: step.transaction.request.state), for: step.client,
                step.maker)
        case .issueCode(let approval):
            // Between login and consent the account or its link may have ended.
            guard try await parts.persons.finding(for: approval.member.subject, in: approval.launch) == .good else {
                return try await advance(step, by: .memberLost, from: visitor)
            }
            // The code's own transaction closes the launch.
            return try await issueCode(approval, moved)
        }
    }

    /// The page that is due after somebody else moved the launch first.
    private func overtaken(_ step: Step, _ visitor: LaunchVisitor) async throws -> InteractionOutcome {
        guard let latest = try await parts.stores.transactions.transaction(step.transaction.id) else {
            throw Self.notYours
        }
        return try await show(latest.current(for: visitor, at: parts.clock.now()), step.with(latest))
    }

    func show(
        _ due: AuthorizationTransaction.Due, _ step: Step, hasProblem: Bool = false
    ) async throws -> InteractionOutcome {
        switch due {
        case .login:
            return .page(.login(step.loginPage(problem: nil)))
        case .patientChoice(let selection):
            return .page(.choosePatient(page(for: selection, step, hasProblem: hasProblem)))
        case .consent(let offer, let member, let launch):
            return .page(.consent(try await page(for: offer, member, launch, step)))
        case .notYours, .over: throw Self.notYours
        }
    }

    private func page(for selection: PatientSelection, _ step: Step, hasProblem: Bool) -> PatientPage {
        switch selection {
        case .among(let patients):
            PatientPage(
                transaction: step.handle, clientName: step.client.name, redirectURI: step.redirect.uri,
                patients: patients, acceptsAnyPatient: false,
                hasProblem: hasProblem)
        case .anyPatient:
            PatientPage(
                transaction: step.handle, clientName: step.client.name, redirectURI: step.redirect.uri, patients: [],
                acceptsAnyPatient: true,
                hasProblem: hasProblem)
        }
    }

    private func page(
        for offer: ConsentOffer, _ member: SignedInMember, _ launch: LaunchContext, _ step: Step
    ) async throws -> ConsentPage {
        let account = try await parts.stores.users.user(member.subject)
        let patient = launch.patient.map { id in
            if case .among(let patients) = member.selection, let known = patients.first(where: { $0.id == id }) {
                known
            } else {
                LinkedPatient(id: id, label: "Patient \(id.text)")
            }
        }
        return ConsentPage(
            transaction: step.handle, clientName: step.client.name, clientIsTrusted: step.client.isTrusted,
            personName: account?.displayName ?? "", patient: patient, offer: offer,
            redirectHost: step.redirect.host, redirectURI: step.redirect.uri)
    }

    // MARK: - the code

    /// Makes the grant and its code in one transaction with the end of the launch.
    private func issueCode(_ approval: Approval, _ step: Step) async throws -> InteractionOutcome {
        let now = parts.clock.now()
        let request = step.transaction.request
        // The ceiling may have come down since the request.
        let scopes = approval.scopes.intersection(step.client.approvedScopes)
        guard !scopes.isEmpty else { throw AuthorizationEndpoint.unknownPlace("nothing is approved any longer") }
        let grant = Grant(
            id: GrantID(parts.random.identifier()), clientID: step.client.id, subject: approval.member.subject,
            scopes: scopes, launch: approval.launch, program: step.client.program, fhirBase: request.fhirBase,
            nonce: request.nonce, authenticatedAt: approval.member.authenticatedAt, createdAt: now)
        let code = parts.random.secret()
        let record = CodeRecord(
            hash: code.hash, grantID: grant.id, clientID: step.client.id, redirectURI: request.redirectURI,
            challenge: request.challenge, expiresAt: now + parts.configuration.codeLifetime)
        guard
            try await parts.stores.codes.issue(
                record, for: grant, closing: step.transaction, record: step.maker.record(.consent, grant: grant))
        else { throw Self.notYours }
        try await parts.audit.flush()
        return .redirect(
            ClientRedirect(
                code: code, state: request.state, issuer: parts.configuration.issuer, to: step.redirect))
    }
}

/// One step of a launch with everything that was loaded for it.
struct Step: Sendable {
    let handle: Secret
    var transaction: AuthorizationTransaction
    let client: ClientRegistration
    let redirect: ValidatedRedirect
    let maker: RecordMaker

    func loginPage(problem: LoginProblem?) -> LoginPage {
        LoginPage(transaction: handle, clientName: client.name, redirectURI: redirect.uri, problem: problem)
    }

    func with(_ transaction: AuthorizationTransaction) -> Step {
        Step(handle: handle, transaction: transaction, client: client, redirect: redirect, maker: maker)
    }
}

extension ValidatedRedirect {
    /// The host to which the browser goes, for people to read; for an installed app its private scheme.
    var host: String {
        let parts = uri.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[1].isEmpty, !parts[2].isEmpty else { return String(uri.prefix { $0 != ":" }) }
        return String(parts[2].prefix { $0 != "?" })
    }
}
