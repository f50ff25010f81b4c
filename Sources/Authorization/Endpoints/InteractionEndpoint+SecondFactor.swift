internal import AccessPolicy
internal import Audit
public import OAuthCore

/// The page that asks for a second factor, or has one set up first.
public struct SecondFactorPage: Sendable {
    /// The handle of the launch; nil on the person's own pages.
    public let transaction: Secret?
    public let clientName: String
    /// Where the launch ends; the page's policy must let its form be redirected there.
    public let redirectURI: String?
    /// The key to be put into an app, for somebody who must have a second factor and has none.
    public let enrolment: SecondFactorEnrolment?
    public let problem: SecondFactorProblem?
    public let uiLocales: [String]

    /// Whether the key that was shown counts no more, so that no code of it can be right.
    public var isVoid: Bool { problem == .changedMeanwhile && enrolment == nil }
}

/// The page that shows new recovery codes, once.
public struct RecoveryCodesPage: Sendable {
    /// The handle of the launch that goes on afterwards; nil on the person's own pages.
    public let transaction: Secret?
    public let codes: [RecoveryCode]
    public let redirectURI: String?
    public let uiLocales: [String]
}

/// How the second step of a login outside a launch ended.
public enum SecondStepAnswer: Sendable {
    case signedIn(UserAccount, SessionInstruction)
    /// Signed in; these codes are shown first.
    case recoveryCodes(RecoveryCodesPage, SessionInstruction)
    case asked(SecondFactorPage)
    /// No password came before it in this browser.
    case nothingPending
    case unavailable(cause: String)
}

extension InteractionEndpoint {
    /// Takes the second factor of a launch. The step belongs to the browser session that knew the password and to its
    /// launch: in any other it leads nowhere (U-21).
    public func secondFactor(
        transaction handle: Secret, code: Secret, session cookie: Secret?, from source: RequestSource
    ) async -> InteractionAnswer {
        await guarded(source) { maker in
            guard let session = try await self.liveSession(cookie) else { throw Self.notYours }
            let id = TransactionID(presented: handle)
            guard let begun = try await self.parts.stores.transactions.transaction(id), begun.session == session.id
            else { throw Self.notYours }
            let step = try await self.loaded(handle, begun, maker)
            let comer = try await self.visitor(of: session, to: step)
            let due = begun.current(for: comer, at: self.parts.clock.now())
            guard case .secondFactor(let base) = due else {
                return InteractionAnswer(try await self.show(due, step, from: comer))
            }
            switch try await self.prove(code, base, in: session, maker) {
            case .refused(let problem):
                return InteractionAnswer(.page(.secondFactor(try await self.page(for: base, step, problem: problem))))
            case .proved(let proof):
                let answer = await self.guarded(source) { _ in
                    guard let moved = try await self.parts.stores.transactions.transaction(id) else {
                        throw Self.notYours
                    }
                    let next = step.with(moved)
                    guard proof.codes.isEmpty else {
                        return InteractionAnswer(.page(.recoveryCodes(Self.codesPage(proof.codes, next))))
                    }
                    return InteractionAnswer(try await self.enter(next, proof.entry.session))
                }
                return InteractionAnswer(answer.outcome, session: proof.entry.instruction)
            }
        }
    }

    /// Goes on with a launch of somebody who has just signed in, after a page between.
    public func resume(
        transaction handle: Secret, session cookie: Secret?, from source: RequestSource
    ) async -> InteractionAnswer {
        await guarded(source) { maker in
            guard let session = try await self.liveSession(cookie),
                let begun = try await self.parts.stores.transactions.transaction(TransactionID(presented: handle)),
                begun.session == session.id
            else { throw Self.notYours }
            let step = try await self.loaded(handle, begun, maker)
            guard case .awaitingLogin = begun.state else {
                let comer = try await self.visitor(of: session, to: step)
                let due = begun.current(for: comer, at: self.parts.clock.now())
                return InteractionAnswer(try await self.show(due, step, from: comer))
            }
            return InteractionAnswer(try await self.enter(step, session))
        }
    }

    /// The page of the second step of a login outside a launch; nil when no password came before it.
    public func secondStep(session cookie: Secret?) async throws -> SecondFactorPage? {
        guard let session = try await liveSession(cookie), let pending = session.pending else { return nil }
        return try await accountPage(for: pending, in: session.id, problem: nil)
    }

    /// Takes the second factor of a login outside a launch.
    public func secondStep(
        code: Secret, session cookie: Secret?, from source: RequestSource
    ) async -> SecondStepAnswer {
        do {
            guard let session = try await liveSession(cookie), let pending = session.pending else {
                return .nothingPending
            }
            switch try await prove(code, pending, in: session, parts.records(for: source)) {
            case .refused(let problem):
                return .asked(try await accountPage(for: pending, in: session.id, problem: problem))
            case .proved(let proof):
                guard proof.codes.isEmpty else {
                    let page = RecoveryCodesPage(
                        transaction: nil, codes: proof.codes, redirectURI: nil, uiLocales: [])
                    return .recoveryCodes(page, proof.entry.instruction)
                }
                return .signedIn(proof.entry.account, proof.entry.instruction)
            }
        } catch {
            return .unavailable(cause: "\(error)")
        }
    }

    /// Whether an account has a second factor that is confirmed.
    public func hasSecondFactor(_ account: UserAccount) async throws -> Bool {
        try await secondFactors.confirmed(of: account.subject) != nil
    }

    /// Confirms a factor that is set up on the account pages, and raises the session that did it.
    public func confirmSecondFactor(
        code: Secret, session cookie: Secret?, from source: RequestSource
    ) async throws -> (answer: SecondFactorAnswer<[RecoveryCode]>, session: SessionInstruction) {
        guard let session = try await liveSession(cookie), let signIn = session.signIn,
            let account = try await parts.stores.users.user(signIn.subject), !account.isDisabled
        else { throw Self.notYours }
        let answer = try await secondFactors.confirm(code, of: account, in: session.id, from: source)
        guard case .done = answer else { return (answer, .keep) }
        let entry = try await raise(
            session, signIn, to: .oneTimePassword, account, parts.records(for: source))
        return (answer, entry?.instruction ?? .keep)
    }

    // MARK: - the step

    var secondFactors: SecondFactorDesk { SecondFactorDesk(parts: parts) }

    private struct Proof {
        let entry: Entry
        let codes: [RecoveryCode]
    }

    private enum Proving {
        case proved(Proof)
        case refused(SecondFactorProblem)
    }

    /// Checks a code of the person of a session, sets their factor up if they have none, and makes the session in which
    /// they are signed in with two factors.
    private func prove(
        _ code: Secret, _ base: BrowserSession.SignIn, in session: BrowserSession, _ maker: RecordMaker
    ) async throws -> Proving {
        // Who signs in elsewhere has no second factor here, and sets none up.
        guard let account = try await parts.stores.users.user(base.subject), !account.isDisabled,
            secondFactors.canSetUp(account)
        else { throw Self.notYours }
        let context: AuthenticationContext
        var codes: [RecoveryCode] = []
        if try await secondFactors.confirmed(of: account.subject) == nil {
            switch try await secondFactors.confirm(code, of: account, in: session.id, from: maker.source) {
            case .refused(let problem): return .refused(problem)
            case .done(let made): (context, codes) = (.oneTimePassword, made)
            }
        } else {
            switch try await secondFactors.check(code, of: account.subject, from: maker.source) {
            case .refused(let problem): return .refused(problem)
            case .done(let proved): context = proved
            }
        }
        guard let entry = try await raise(session, base, to: context, account, maker) else { throw Self.notYours }
        return .proved(Proof(entry: entry, codes: codes))
    }

    /// Replaces a session by one with two factors; nil when it, or the account, changed meanwhile. The password is as old
    /// as it was: a code alone is no new login.
    private func raise(
        _ session: BrowserSession, _ base: BrowserSession.SignIn, to context: AuthenticationContext,
        _ account: UserAccount, _ maker: RecordMaker
    ) async throws -> Entry? {
        let value = parts.random.secret()
        let now = parts.clock.now()
        let raised = BrowserSession(
            id: SessionID(presented: value),
            signIn: .init(subject: base.subject, authenticatedAt: base.authenticatedAt, authentication: context),
            createdAt: now, expiresAt: now + parts.configuration.sessionLifetime, lastSeenAt: now)
        // INVARIANT: a password that is changed ends the sessions that knew the old one, so the one that is here has
        // shown the present one.
        let outcome = try await parts.stores.sessions.replace(
            session.id, by: raised, verified: account.passwordHash,
            record: maker.record(
                .login, subject: account.subject, detail: context.methods.joined(separator: " ")))
        guard outcome == .replaced else { return nil }
        try await parts.audit.flush()
        return Entry(account: account, session: raised, instruction: .set(value, expiresAt: raised.expiresAt))
    }

    // MARK: - pages

    func page(
        for base: BrowserSession.SignIn, _ step: Step, problem: SecondFactorProblem?
    ) async throws -> SecondFactorPage {
        SecondFactorPage(
            transaction: step.handle, clientName: step.client.name, redirectURI: step.redirect.uri,
            enrolment: try await enrolment(of: base.subject, in: step.transaction.session, problem), problem: problem,
            uiLocales: step.transaction.request.uiLocales)
    }

    func accountPage(
        for base: BrowserSession.SignIn, in session: SessionID, problem: SecondFactorProblem?
    ) async throws -> SecondFactorPage {
        SecondFactorPage(
            transaction: nil, clientName: "", redirectURI: nil,
            enrolment: try await enrolment(of: base.subject, in: session, problem), problem: problem, uiLocales: [])
    }

    /// The key that is shown. A page that tells of a problem begins nothing: otherwise two sessions that set one up would
    /// void each other's keys without anybody's wish.
    private func enrolment(
        of subject: SubjectID, in session: SessionID, _ problem: SecondFactorProblem?
    ) async throws -> SecondFactorEnrolment? {
        guard let account = try await parts.stores.users.user(subject) else { throw Self.notYours }
        guard problem == nil else { return try await secondFactors.waiting(for: account, in: session) }
        return try await secondFactors.enrolment(of: account, in: session)
    }

    private static func codesPage(_ codes: [RecoveryCode], _ step: Step) -> RecoveryCodesPage {
        RecoveryCodesPage(
            transaction: step.handle, codes: codes, redirectURI: step.redirect.uri,
            uiLocales: step.transaction.request.uiLocales)
    }
}
