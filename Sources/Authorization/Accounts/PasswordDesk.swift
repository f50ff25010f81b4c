internal import AccessPolicy
internal import Audit
public import OAuthCore

/// What somebody sends who wants another password.
public struct PasswordChange: Sendable {
    public let present: Secret
    public let new: Secret
    /// The new one once more.
    public let repeated: Secret
    /// The code of a second factor; asked for where one is set up.
    public let code: Secret

    public init(present: Secret, new: Secret, repeated: Secret, code: Secret) {
        self.present = present
        self.new = new
        self.repeated = repeated
        self.code = code
    }
}

/// Why a password was not changed.
public enum PasswordProblem: Hashable, Sendable {
    /// The person has not shown who they are.
    case notProved(SecondFactorProblem)
    /// The new one is shorter than this many characters, or too long to be verified.
    case unusable(shortest: Int)
    /// The two new ones differ.
    case repetitionDiffers
    /// The new one is the present one.
    case unchanged
}

/// Lets the person of a local account change its password.
///
/// The present password is asked for, and the second factor where one is set up; both are counted as at a sign-in. What
/// can be said of the new password without them is said before they are looked at, and costs no attempt.
public struct PasswordDesk: Sendable {
    let parts: ServerParts

    /// The fewest characters of a password.
    public var shortest: Int { parts.configuration.shortestPassword }

    /// Changes the password of an account in the name of its person, in the session whose cookie is given.
    ///
    /// All other sessions of the account end, and this one gets a new value, so that nobody who had the old one stays.
    /// What apps were allowed stays as it is; what lasts while the person is there goes on with the new value.
    public func change(
        _ change: PasswordChange, of account: UserAccount, session cookie: Secret, from source: RequestSource
    ) async throws -> Result<SessionInstruction, PasswordProblem> {
        guard AccountRegistry.isUsable(change.new, shortest: shortest) else {
            return .failure(.unusable(shortest: shortest))
        }
        guard change.new == change.repeated else { return .failure(.repetitionDiffers) }
        guard change.new != change.present else { return .failure(.unchanged) }
        let factors = SecondFactorDesk(parts: parts)
        let needsCode = try await factors.confirmed(of: account.subject) != nil
        if let problem = try await factors.reauthenticate(
            account, change.present, needsCode ? change.code : nil, from: source)
        {
            return .failure(.notProved(problem))
        }
        guard let session = try await parts.stores.sessions.session(SessionID(presented: cookie)),
            let signIn = session.signIn, signIn.subject == account.subject
        else { return .failure(.notProved(.changedMeanwhile)) }
        let hash: PasswordHash
        do { hash = try await parts.hasher.hash(change.new) } catch PasswordHashingError.busy {
            return .failure(.notProved(.busy))
        }
        let value = parts.random.secret()
        let now = parts.clock.now()
        let next = BrowserSession(
            id: SessionID(presented: value), signIn: signIn, createdAt: now, expiresAt: session.expiresAt,
            lastSeenAt: now)
        let record = parts.records(for: source).record(
            .userChanged, subject: account.subject, by: account.username,
            detail: AccountNotice.passwordChanged.rawValue)
        guard
            try await parts.stores.users.changePassword(
                to: hash, of: account.subject, verified: account.passwordHash, replacing: session.id, by: next,
                record: record)
        else { return .failure(.notProved(.changedMeanwhile)) }
        try await parts.audit.flush()
        return .success(.set(value, expiresAt: next.expiresAt))
    }
}

extension PasswordProblem: Error {}
