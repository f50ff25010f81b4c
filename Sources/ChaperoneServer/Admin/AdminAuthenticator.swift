internal import Authorization
internal import OAuthCore
internal import Synchronization

/// Finds out who asks on the admin listener: the local credential as a bearer token, or, where passwords are
/// taken, an account by HTTP Basic.
///
/// Passwords are slow to check on purpose, so a pair that was right is remembered by its hash for a minute; the account
/// is still looked up each time, so a disabled account or a changed password counts at once.
///
/// A class because it owns that memory; the lock is `remembered`'s own.
final class AdminAuthenticator: Sendable {
    private struct Remembered {
        let passwordHash: PasswordHash
        let until: Int64
    }

    private static let capacity = 256

    private let credential: SecretHash
    private let interaction: InteractionEndpoint
    private let users: any UserStore
    private let clock: Clock
    /// Whether names and passwords are taken: only where nobody can listen on the way.
    private let takesPasswords: Bool
    private let remembered = Mutex<[SecretHash: Remembered]>([:])

    init(credential: Secret, interaction: InteractionEndpoint, users: any UserStore, clock: Clock, takesPasswords: Bool)
    {
        self.credential = credential.hash
        self.interaction = interaction
        self.users = users
        self.clock = clock
        self.takesPasswords = takesPasswords
    }

    /// What a request without credentials is told (RFC 9110 §11.6.1).
    var challenge: String { (takesPasswords ? "Basic" : "Bearer") + " realm=\"chaperone admin\", charset=\"UTF-8\"" }

    /// The actor behind an `Authorization` header, or the problem.
    func actor(_ header: String?, from source: RequestSource) async throws -> AdminActor {
        guard let header else { throw Problem.unauthorized }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { throw Problem.unauthorized }
        switch parts[0].lowercased() {
        case "bearer":
            guard credential.matches(Secret(String(parts[1]))) else { throw Problem.unauthorized }
            return .local
        case "basic" where takesPasswords: return try await account(header, source)
        default: throw Problem.unauthorized
        }
    }

    private func account(_ header: String, _ source: RequestSource) async throws -> AdminActor {
        guard let (username, password) = Self.pair(header) else { throw Problem.unauthorized }
        let key = SecretHash(of: Secret("\(username):\(password.reveal())"))
        let now = clock.now()
        if let known = remembered.withLock({ $0[key] }), known.until > now,
            let account = try await users.user(named: username), !account.isDisabled,
            account.passwordHash == known.passwordHash
        {
            return AdminActor(name: account.username, roles: account.roles)
        }
        switch try await signIn(username, password, source) {
        case .signedIn(let account, let session):
            // The credentials come with every request, so no session is kept.
            if case .set(let cookie, _) = session {
                _ = await interaction.signOut(session: cookie, from: source)
            }
            let hasCode = try await interaction.hasSecondFactor(account)
            remember(
                key, Remembered(passwordHash: account.passwordHash, until: now + (hasCode ? Self.codeMemory : 60)))
            return AdminActor(name: account.username, roles: account.roles)
        case .secondFactor(_, let session):
            if case .set(let cookie, _) = session {
                _ = await interaction.signOut(session: cookie, from: source)
            }
            throw Problem(401, "a second factor is needed", detail: "put the code behind the password")
        case .refused(.wrongCredentials): throw Problem.unauthorized
        case .refused(.tooManyAttempts(let seconds)):
            throw Problem(429, "too many attempts", detail: "try again in \(seconds) seconds")
        case .refused(.busy), .unavailable: throw Problem(503, "not available just now")
        }
    }

    /// How long a pair with a code is remembered: the code itself is used up, and nobody wants to type one a minute.
    private static let codeMemory: Int64 = 900

    /// HTTP Basic has no second step, so an account with a second factor puts its code behind its password: the last six
    /// characters, when they are digits (U-21).
    private func signIn(_ username: String, _ password: Secret, _ source: RequestSource) async throws -> SignInAnswer {
        let text = password.reveal()
        let code = text.suffix(6)
        guard text.count > 6, code.allSatisfy({ $0.isASCII && $0.isNumber }),
            let account = try await users.user(named: username), try await interaction.hasSecondFactor(account)
        else { return await interaction.signIn(username: username, password: password, session: nil, from: source) }
        let first = await interaction.signIn(
            username: username, password: Secret(String(text.dropLast(6))), session: nil, from: source)
        guard case .secondFactor(_, .set(let cookie, _)) = first else { return first }
        switch await interaction.secondStep(code: Secret(String(code)), session: cookie, from: source) {
        case .signedIn(let account, let session): return .signedIn(account, session)
        // A factor is set up on the account pages, not here.
        case .recoveryCodes(_, .set(let cookie, _)):
            _ = await interaction.signOut(session: cookie, from: source)
            return .refused(.wrongCredentials)
        case .asked(let page):
            _ = await interaction.signOut(session: cookie, from: source)
            if case .tooManyAttempts(let seconds)? = page.problem {
                return .refused(.tooManyAttempts(retryAfter: seconds))
            }
            return .refused(.wrongCredentials)
        case .recoveryCodes, .nothingPending: return .refused(.wrongCredentials)
        case .unavailable(let cause): return .unavailable(cause: cause)
        }
    }

    private func remember(_ key: SecretHash, _ entry: Remembered) {
        let now = clock.now()
        remembered.withLock { entries in
            if entries.count >= Self.capacity { entries = entries.filter { $0.value.until > now } }
            if entries.count >= Self.capacity { entries.removeAll() }
            entries[key] = entry
        }
    }

    /// RFC 7617: base64 of `name:password`.
    private static func pair(_ header: String) -> (String, Secret)? {
        let encoded = header.drop { $0 != " " }.drop { $0 == " " }
        guard let bytes = Base64.decode(encoded), let text = String(validating: bytes, as: UTF8.self),
            let colon = text.firstIndex(of: ":")
        else { return nil }
        return (String(text[..<colon]), Secret(String(text[text.index(after: colon)...])))
    }
}
