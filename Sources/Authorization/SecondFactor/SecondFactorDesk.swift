public import AccessPolicy
internal import Audit
public import OAuthCore

/// What is wrong with a code, or with the password that had to come with it.
public enum SecondFactorProblem: Hashable, Sendable {
    /// The same for a wrong code, a used one and a wrong recovery code.
    case wrongCode
    /// The password that was asked for again is not the account's.
    case wrongPassword
    case tooManyAttempts(retryAfter: Int64)
    case busy
    /// What was to be changed has changed meanwhile; nothing was done.
    case changedMeanwhile
}

/// How a second factor was accepted, or why it was not.
public enum SecondFactorAnswer<Value: Sendable>: Sendable {
    case done(Value)
    case refused(SecondFactorProblem)
}

/// A key that waits for its first code, opened so that the person can put it into their app.
public struct SecondFactorEnrolment: Sendable {
    /// The key as it is typed; shown to its owner and kept nowhere in clear.
    public let key: Secret
    /// The same for the app's camera.
    public let address: Secret
}

/// Sets up, checks and removes the second factors of local accounts.
///
/// Every attempt is counted before it is tried, under the account and under its source; a code that was right is used up
/// by one conditional write, so that of two who show the same code one gets in (U-21).
public struct SecondFactorDesk: Sendable {
    let parts: ServerParts

    private var store: any SecondFactorStore { parts.stores.secondFactors }

    /// A key that nobody confirmed for this long is replaced by a new one, in seconds.
    private static let enrolmentLifetime: Int64 = 900

    /// The account's factor; nil when it has none that is confirmed.
    public func confirmed(of subject: SubjectID) async throws -> SecondFactor? {
        try await store.secondFactor(of: subject).flatMap { $0.isConfirmed ? $0 : nil }
    }

    /// Whether the site demands a second factor of the account, by its roles and by who its person is.
    public func isDemanded(of account: UserAccount) async throws -> Bool {
        parts.configuration.secondFactor.demands(of: try await parts.roles(of: account))
    }

    /// Whether an account can have a second factor here: who signs in elsewhere shows it there.
    public func canSetUp(_ account: UserAccount) -> Bool { account.passwordHash != FederationEndpoint.noPassword }

    /// Whether an account signs in with two factors.
    func isDue(for account: UserAccount) async throws -> Bool {
        if try await isDemanded(of: account) { return true }
        return try await confirmed(of: account.subject) != nil
    }

    // MARK: - showing a code

    /// Takes a code of the authenticator app, or a recovery code, of an account whose password is known.
    func check(
        _ code: Secret, of subject: SubjectID, from source: RequestSource
    ) async throws -> SecondFactorAnswer<AuthenticationContext> {
        let keys = (own: ThrottleKey.secondFactor(subject), source: ThrottleKey.loginSource(source.address))
        let maker = parts.records(for: source)
        let attempt: CountedAttempt
        switch try await parts.attempts.count(
            [keys.own: parts.configuration.secondFactorThrottle, keys.source: parts.configuration.sourceThrottle],
            of: subject, at: parts.clock.now(), maker)
        {
        case .counted(let counted): attempt = counted
        case .closed(let until):
            parts.budget.refusals.count("throttled", from: source.address, at: parts.clock.milliseconds())
            return .refused(.tooManyAttempts(retryAfter: max(until - parts.clock.now(), 1)))
        }
        guard let context = try await use(code, of: subject, from: source) else {
            try await parts.attempts.failed(attempt, maker)
            return .refused(try await refused(subject, "wrong-code", source))
        }
        try await parts.attempts.succeeded(attempt, clearing: [keys.own])
        return .done(context)
    }

    /// Uses a code up; nil when it is none.
    private func use(
        _ code: Secret, of subject: SubjectID, from source: RequestSource
    ) async throws -> AuthenticationContext? {
        guard let factor = try await confirmed(of: subject) else { return nil }
        if let recovery = RecoveryCode.hash(typed: code) {
            let record = parts.records(for: source).record(
                .userChanged, subject: subject, detail: AccountNotice.codeUsed.rawValue)
            return try await store.use(recovery: recovery, of: subject, record: record) ? .recoveryCode : nil
        }
        guard let step = try open(factor).step(of: Self.digits(code), at: parts.clock.now()),
            try await store.use(step: step, of: subject, sealedKey: factor.sealedKey)
        else { return nil }
        return .oneTimePassword
    }

    /// A code as apps show it, in groups.
    private static func digits(_ code: Secret) -> Secret { Secret(code.reveal().filter { $0 != " " && $0 != "-" }) }

    /// Records a failed attempt of somebody who knows the password.
    private func refused(
        _ subject: SubjectID, _ reason: String, _ source: RequestSource
    ) async throws -> SecondFactorProblem {
        let maker = parts.records(for: source)
        guard let record = parts.refusal(.loginFailed, reason, subject: subject, maker) else {
            return .tooManyAttempts(retryAfter: 1)
        }
        try await parts.audit.note(record)
        return reason == "wrong-password" ? .wrongPassword : .wrongCode
    }

    // MARK: - setting up

    /// The key that waits to be confirmed in a browser session, made if there is none; nil when one is confirmed already.
    /// Whoever calls has seen the account's password in that session.
    ///
    /// Another session that knows the password gets a key of its own and the first one is void: nobody is shown a key that
    /// somebody else may put into their app.
    func enrolment(of account: UserAccount, in session: SessionID) async throws -> SecondFactorEnrolment? {
        guard canSetUp(account) else { return nil }
        let now = parts.clock.now()
        let stored = try await store.secondFactor(of: account.subject)
        if let stored {
            guard !stored.isConfirmed else { return nil }
            if isWaiting(stored, in: session, at: now) { return enrolment(try open(stored), account) }
        }
        guard let key = OneTimePasswordKey.generate(parts.random) else { throw Unreadable() }
        let factor = SecondFactor(
            subject: account.subject, sealedKey: try seal(key, for: account.subject), session: session,
            createdAt: now)
        guard try await store.begin(factor) else { return nil }
        return enrolment(key, account)
    }

    private func isWaiting(_ factor: SecondFactor, in session: SessionID, at now: Int64) -> Bool {
        !factor.isConfirmed && factor.session == session && now - factor.createdAt < Self.enrolmentLifetime
    }

    private func enrolment(_ key: OneTimePasswordKey, _ account: UserAccount) -> SecondFactorEnrolment {
        let host = parts.configuration.issuer.split(separator: "/").last.map(String.init) ?? "Chaperone"
        return SecondFactorEnrolment(
            key: Secret(key.base32), address: Secret(key.address(issuer: host, account: account.username)))
    }

    /// Confirms the key that waits in a session by a code of it, and gives the recovery codes, which are shown this once.
    /// The account's other sessions end.
    func confirm(
        _ code: Secret, of account: UserAccount, in session: SessionID, from source: RequestSource
    ) async throws -> SecondFactorAnswer<[RecoveryCode]> {
        let key = ThrottleKey.secondFactor(account.subject)
        let now = parts.clock.now()
        let maker = parts.records(for: source)
        let attempt: CountedAttempt
        switch try await parts.attempts.count(
            [key: parts.configuration.secondFactorThrottle], of: account.subject, at: now, maker)
        {
        case .counted(let counted): attempt = counted
        case .closed(let until): return .refused(.tooManyAttempts(retryAfter: max(until - now, 1)))
        }
        guard let factor = try await store.secondFactor(of: account.subject), isWaiting(factor, in: session, at: now)
        else {
            try await parts.attempts.failed(attempt, maker)
            return .refused(.changedMeanwhile)
        }
        guard let step = try open(factor).step(of: Self.digits(code), at: now) else {
            try await parts.attempts.failed(attempt, maker)
            return .refused(try await refused(account.subject, "wrong-code", source))
        }
        let codes = newCodes()
        let record = maker.record(
            .userChanged, subject: account.subject, by: account.username, detail: AccountNotice.factorSetUp.rawValue)
        let isConfirmed = try await store.confirm(
            account.subject, sealedKey: factor.sealedKey, step: step, recovery: Set(codes.map(\.hash)),
            in: session, at: now, record: record)
        // The code was right, whatever became of the key meanwhile.
        try await parts.attempts.succeeded(attempt, clearing: isConfirmed ? [key] : [])
        guard isConfirmed else { return .refused(.changedMeanwhile) }
        try await parts.audit.flush()
        return .done(codes)
    }

    private func newCodes() -> [RecoveryCode] {
        (0..<RecoveryCode.count).map { _ in RecoveryCode.generate(parts.random) }
    }

    // MARK: - on the account pages

    /// Begins to set up a factor for somebody who is signed in and types their password again.
    public func begin(
        for account: UserAccount, password: Secret, in session: SessionID, from source: RequestSource
    ) async throws -> SecondFactorAnswer<SecondFactorEnrolment> {
        if let problem = try await reauthenticate(account, password, from: source) { return .refused(problem) }
        guard let enrolment = try await enrolment(of: account, in: session) else {
            return .refused(.changedMeanwhile)
        }
        return .done(enrolment)
    }

    /// The enrolment that was begun in a session, to be shown again after a wrong code; nil when there is none.
    public func waiting(for account: UserAccount, in session: SessionID) async throws -> SecondFactorEnrolment? {
        guard let factor = try await store.secondFactor(of: account.subject),
            isWaiting(factor, in: session, at: parts.clock.now())
        else { return nil }
        return enrolment(try open(factor), account)
    }

    /// Gives new recovery codes in the place of the old ones, for the password and a code.
    public func renewRecoveryCodes(
        of account: UserAccount, password: Secret, code: Secret, from source: RequestSource
    ) async throws -> SecondFactorAnswer<[RecoveryCode]> {
        if let problem = try await reauthenticate(account, password, code, from: source) { return .refused(problem) }
        let codes = newCodes()
        let record = parts.records(for: source).record(
            .userChanged, subject: account.subject, by: account.username, detail: AccountNotice.codesRenewed.rawValue)
        guard try await store.replace(recovery: Set(codes.map(\.hash)), of: account.subject, record: record) else {
            return .refused(.changedMeanwhile)
        }
        try await parts.audit.flush()
        return .done(codes)
    }

    /// Removes the factor, for the password and a code.
    public func remove(
        from account: UserAccount, password: Secret, code: Secret, from source: RequestSource
    ) async throws -> SecondFactorAnswer<Bool> {
        if let problem = try await reauthenticate(account, password, code, from: source) { return .refused(problem) }
        return .done(try await remove(of: account.subject, by: account.username, from: source))
    }

    /// Removes the factor of somebody who has lost their app and their recovery codes, by an operator who knows who asks;
    /// false when there is none.
    public func remove(of subject: SubjectID, by actor: String, from source: RequestSource) async throws -> Bool {
        let record = parts.records(for: source).record(
            .userChanged, subject: subject, by: actor, detail: AccountNotice.factorRemoved.rawValue)
        guard try await store.remove(factorOf: subject, record: record) else { return false }
        try await parts.audit.flush()
        return true
    }

    /// The password again, and the code where one is asked for; nil when both are right.
    func reauthenticate(
        _ account: UserAccount, _ password: Secret, _ code: Secret? = nil, from source: RequestSource
    ) async throws -> SecondFactorProblem? {
        let keys = (
            own: ThrottleKey.account(account.username, from: source.address),
            anywhere: ThrottleKey.account(account.username), source: ThrottleKey.loginSource(source.address)
        )
        let now = parts.clock.now()
        let known = ThrottleKey.known(account.username, from: source.address)
        var attempts = [
            keys.own: parts.configuration.accountThrottle, keys.source: parts.configuration.sourceThrottle,
        ]
        // A session that is carried about does not make one more way to guess from many networks.
        if try await !parts.stores.throttle.isRemembered(known, since: now - ThrottleKey.memory) {
            attempts[keys.anywhere] = parts.configuration.accountAnywhereThrottle
        }
        let maker = parts.records(for: source)
        let attempt: CountedAttempt
        switch try await parts.attempts.count(attempts, of: account.subject, at: now, maker) {
        case .counted(let counted): attempt = counted
        case .closed(let until): return .tooManyAttempts(retryAfter: max(until - now, 1))
        }
        // No password verifies against an account whose person signs in elsewhere.
        guard canSetUp(account) else {
            try await parts.attempts.failed(attempt, maker)
            return try await refused(account.subject, "wrong-password", source)
        }
        let isRight: Bool
        do {
            isRight = try await parts.hasher.verify(password, against: account.passwordHash)
        } catch PasswordHashingError.busy {
            try await parts.attempts.untried(attempt)
            return .busy
        }
        guard isRight else {
            try await parts.attempts.failed(attempt, maker)
            return try await refused(account.subject, "wrong-password", source)
        }
        try await parts.attempts.succeeded(attempt, clearing: [keys.own])
        guard let code else { return nil }
        if case .refused(let problem) = try await check(code, of: account.subject, from: source) { return problem }
        return nil
    }

    // MARK: - the seal

    /// A stored key does not open: it was sealed under a root key that is gone.
    struct Unreadable: Error {}

    /// What is sealed for one account does not open as another's.
    private static func context(_ subject: SubjectID) -> String { "second-factor:\(subject.text)" }

    private func seal(_ key: OneTimePasswordKey, for subject: SubjectID) throws -> String {
        try parts.sealer.seal(key.bytes, context: Self.context(subject), random: parts.random)
    }

    private func open(_ factor: SecondFactor) throws -> OneTimePasswordKey {
        guard let bytes = parts.sealer.open(factor.sealedKey, context: Self.context(factor.subject)),
            let key = OneTimePasswordKey(bytes)
        else { throw Unreadable() }
        return key
    }

    /// Seals under the first root key what opens under a later one only, so that the later one can be taken away.
    func resealOld() async throws {
        for factor in try await store.secondFactors()
        where !parts.sealer.opensWithFirst(factor.sealedKey, context: Self.context(factor.subject)) {
            let sealed = try seal(try open(factor), for: factor.subject)
            _ = try await store.reseal(factor.subject, from: factor.sealedKey, to: sealed)
        }
    }
}
