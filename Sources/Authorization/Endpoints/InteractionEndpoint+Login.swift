internal import AccessPolicy
internal import Audit
public import OAuthCore

/// How a login outside a launch ended.
public enum SignInAnswer: Sendable {
    case signedIn(UserAccount, SessionInstruction)
    /// The password was right; the second factor must follow, in the session that the browser is told of.
    case secondFactor(SecondFactorPage, SessionInstruction)
    case refused(LoginProblem)
    /// A store or the audit log failed, or the session was gone. The cause is for the log.
    case unavailable(cause: String)
}

extension InteractionEndpoint {
    /// Takes a name and a password for a launch. Success makes a new session, into which the launch follows.
    public func login(
        transaction handle: Secret, username: String, password: Secret, session cookie: Secret?,
        from source: RequestSource
    ) async -> InteractionAnswer {
        await guarded(source) { maker in
            guard let visitor = try await self.liveSession(cookie) else { throw Self.notYours }
            let id = TransactionID(presented: handle)
            guard let begun = try await self.parts.stores.transactions.transaction(id), begun.session == visitor.id
            else { throw Self.notYours }
            let step = try await self.loaded(handle, begun, maker)
            guard self.parts.configuration.takesPasswords else { throw Self.noPasswords }
            guard case .awaitingLogin = begun.state else {
                let comer = try await self.visitor(of: visitor, to: step)
                let due = begun.current(for: comer, at: self.parts.clock.now())
                return InteractionAnswer(try await self.show(due, step, from: comer))
            }
            switch try await self.authenticate(username, password, replacing: visitor.id, maker) {
            case .failure(let problem):
                return InteractionAnswer(.page(.login(step.loginPage(problem: problem))))
            case .success(let entry):
                // The browser learns its new session whatever becomes of the launch: the old one is gone.
                let answer = await self.guarded(source) { _ in
                    guard let moved = try await self.parts.stores.transactions.transaction(id) else {
                        throw Self.notYours
                    }
                    return InteractionAnswer(try await self.enter(step.with(moved), entry.session))
                }
                return InteractionAnswer(answer.outcome, session: entry.instruction)
            }
        }
    }

    /// Takes a name and a password outside a launch, for the pages of the person's own account.
    public func signIn(
        username: String, password: Secret, session cookie: Secret?, from source: RequestSource
    ) async -> SignInAnswer {
        let maker = parts.records(for: source)
        do {
            // No session is made for who may turn out to be nobody: without one the login itself makes it.
            let old = try await liveSession(cookie)?.id
            switch try await authenticate(username, password, replacing: old, maker) {
            case .failure(let problem): return .refused(problem)
            case .success(let entry):
                guard let pending = entry.session.pending else { return .signedIn(entry.account, entry.instruction) }
                let page = try await accountPage(for: pending, in: entry.session.id, problem: nil)
                return .secondFactor(page, entry.instruction)
            }
        } catch {
            return .unavailable(cause: "\(error)")
        }
    }

    static let noPasswords = OAuthError(.accessDenied, "nobody signs in with a password here")

    /// Ends the session.
    public func signOut(session cookie: Secret?, from source: RequestSource) async -> InteractionAnswer {
        let maker = parts.records(for: source)
        do {
            if let cookie, let session = try await liveSession(cookie) {
                let record = maker.record(.logout, subject: session.signIn?.subject)
                if try await parts.stores.sessions.end(session.id, record: record) { try await parts.audit.flush() }
            }
            return InteractionAnswer(.shownToUser(Self.notYours), session: .clear)
        } catch {
            return InteractionAnswer(.unavailable(cause: "\(error)"))
        }
    }

    /// Who is signed in in this browser; nil for nobody, an expired session, a disabled account or a sign-in that is not
    /// enough for the account's roles any more. Throws when the stores cannot say.
    public func signedIn(session cookie: Secret?) async throws -> UserAccount? {
        guard let signIn = try await liveSession(cookie)?.signIn,
            let account = try await parts.stores.users.user(signIn.subject), !account.isDisabled
        else { return nil }
        let demands = parts.assurance.demands(roles: try await parts.roles(of: account))
        return parts.assurance.finding(signIn.authentication, against: demands) == .enough ? account : nil
    }

    // MARK: - sessions

    /// A session and what the browser must be told of it.
    struct Visit {
        let session: BrowserSession
        let instruction: SessionInstruction
    }

    /// The browser's live session, or a new one that nobody has signed in to.
    func visit(_ cookie: Secret?) async throws -> Visit {
        if let session = try await liveSession(cookie) { return Visit(session: session, instruction: .keep) }
        let value = parts.random.secret()
        let now = parts.clock.now()
        // Nobody is signed in: the session need only outlive the launch.
        let session = BrowserSession(
            id: SessionID(presented: value), signIn: nil, createdAt: now,
            expiresAt: now + parts.configuration.launchLifetime, lastSeenAt: now)
        try await parts.stores.sessions.insert(session)
        return Visit(session: session, instruction: .set(value, expiresAt: session.expiresAt))
    }

    func liveSession(_ cookie: Secret?) async throws -> BrowserSession? {
        guard let cookie, !cookie.isEmpty,
            let session = try await parts.stores.sessions.session(SessionID(presented: cookie))
        else { return nil }
        let now = parts.clock.now()
        guard session.isLive(at: now, idleLimit: parts.configuration.sessionIdleLimit) else { return nil }
        if session.lastSeenAt < now { try await parts.stores.sessions.touch(session.id, at: now) }
        return session
    }

    /// Goes on with a launch for whoever is signed in in the session, if somebody is.
    func enter(_ step: Step, _ session: BrowserSession) async throws -> InteractionOutcome {
        let visitor = try await visitor(of: session, to: step)
        // A second factor of this server belongs to a password of this server: who signs in elsewhere shows it there.
        guard let signIn = session.signIn,
            let account = try await parts.stores.users.user(signIn.subject), !account.isDisabled,
            visitor.finding == .enough
        else {
            let due = step.transaction.current(for: visitor, at: parts.clock.now())
            return try await show(due, step, from: visitor)
        }
        let member = try await parts.directory.member(for: account.subject)
        let signedIn = SignedInMember(
            subject: account.subject, authenticatedAt: signIn.authenticatedAt, authentication: signIn.authentication,
            fhirUser: member?.fhirUser, selection: member?.selection ?? .among([]))
        return try await advance(step, by: .signedIn(signedIn), from: visitor)
    }

    // MARK: - passwords

    /// A successful login.
    struct Entry {
        let account: UserAccount
        let session: BrowserSession
        let instruction: SessionInstruction
    }

    private enum Authentication {
        case success(Entry)
        case failure(LoginProblem)
    }

    /// Counts the attempt, does the same work for known and unknown names, and on success makes the new session.
    private func authenticate(
        _ username: String, _ password: Secret, replacing old: SessionID?, _ maker: RecordMaker
    ) async throws -> Authentication {
        let now = parts.clock.now()
        let address = maker.source.address
        let pair = ThrottleKey.account(username, from: address)
        let account = ThrottleKey.account(username)
        let known = ThrottleKey.known(username, from: address)
        let source = ThrottleKey.loginSource(address)
        // A name that no account can have is nobody's, and is counted for its source alone. It does not reach the store,
        // where it might be cut short to somebody's.
        let isUsable = UserAccount.isUsableName(username)
        var attempts = [source: parts.configuration.sourceThrottle]
        if isUsable {
            attempts[pair] = parts.configuration.accountThrottle
            // Where the owner has signed in before, what others try from elsewhere keeps nobody out.
            let isKnown = try await parts.stores.throttle.isRemembered(known, since: now - ThrottleKey.memory)
            if !isKnown { attempts[account] = parts.configuration.accountAnywhereThrottle }
        }
        // Whose it is, is asked before it is counted: the record of a lockout is kept by what counts.
        let found = isUsable ? try await parts.stores.users.user(named: username) : nil
        let user = found.flatMap { $0.username.utf8.elementsEqual(username.utf8) ? $0 : nil }
        let attempt: CountedAttempt
        switch try await parts.attempts.count(attempts, of: user?.subject, at: now, maker) {
        case .counted(let counted): attempt = counted
        case .closed(let until):
            // Counted and not recorded one by one, so that nobody can fill the disk; the attempts before it are.
            parts.budget.refusals.count("throttled", from: maker.source.address, at: parts.clock.milliseconds())
            return .failure(.tooManyAttempts(retryAfter: max(until - now, 1)))
        }
        let matches: Bool
        do { matches = try await parts.hasher.verify(password, against: user?.passwordHash) } catch PasswordHashingError
            .busy
        {
            try await parts.attempts.untried(attempt)
            return .failure(.busy)
        }
        guard matches, let user, !user.isDisabled else {
            try await parts.attempts.failed(attempt, maker)
            let reason = user == nil ? "unknown-user" : matches ? "disabled" : "wrong-password"
            return try await refuseLogin(reason, user?.subject, maker)
        }
        try await parts.attempts.succeeded(attempt, clearing: [pair])
        try await parts.stores.throttle.remember(known, at: now)
        let value = parts.random.secret()
        let signIn = BrowserSession.SignIn(subject: user.subject, authenticatedAt: parts.clock.now())
        let isHalf = try await secondFactors.isDue(for: user)
        let lifetime = isHalf ? parts.configuration.secondStepLifetime : parts.configuration.sessionLifetime
        let session = BrowserSession(
            id: SessionID(presented: value), signIn: isHalf ? nil : signIn, pending: isHalf ? signIn : nil,
            createdAt: now, expiresAt: now + lifetime, lastSeenAt: parts.clock.now())
        let outcome: AuthorizationRecord.Outcome = isHalf ? .refused(reason: "second-factor-needed") : .succeeded
        // A new id at login: what was planted in the browser before is worth nothing now.
        switch try await parts.stores.sessions.replace(
            old, by: session, verified: user.passwordHash,
            record: maker.record(.login, subject: user.subject, outcome: outcome))
        {
        case .replaced: break
        case .sessionGone: throw Self.notYours
        // Verifying takes a while, in which an operator may have acted.
        case .accountChanged: return try await refuseLogin("changed-meanwhile", user.subject, maker)
        }
        try await parts.audit.flush()
        return .success(
            Entry(account: user, session: session, instruction: .set(value, expiresAt: session.expiresAt)))
    }

    /// Records a failed login. The record says why, which the answer may not. It does not hold the name that was typed
    /// unless it is a known one: people type passwords into that field.
    private func refuseLogin(
        _ reason: String, _ subject: SubjectID?, _ maker: RecordMaker
    ) async throws -> Authentication {
        guard let record = parts.refusal(.loginFailed, reason, subject: subject, maker) else {
            return .failure(.tooManyAttempts(retryAfter: 1))
        }
        try await parts.audit.note(record)
        return .failure(.wrongCredentials)
    }
}
