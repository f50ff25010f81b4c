internal import Authorization
internal import HTTPTypes
internal import Hummingbird
internal import OAuthCore
internal import Synchronization

/// Finds out who asks on the admin listener: the local credential as a bearer token, or an account by HTTP Basic.
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
    private let remembered = Mutex<[SecretHash: Remembered]>([:])

    init(credential: Secret, interaction: InteractionEndpoint, users: any UserStore, clock: Clock) {
        self.credential = credential.hash
        self.interaction = interaction
        self.users = users
        self.clock = clock
    }

    /// The actor behind a request, or the problem.
    func actor(_ request: Request, _ context: SideContext) async throws -> AdminActor {
        guard let header = request.headers[.authorization] else { throw Problem.unauthorized }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { throw Problem.unauthorized }
        switch parts[0].lowercased() {
        case "bearer":
            guard credential.matches(Secret(String(parts[1]))) else { throw Problem.unauthorized }
            return .local
        case "basic": return try await account(header, context)
        default: throw Problem.unauthorized
        }
    }

    private func account(_ header: String, _ context: SideContext) async throws -> AdminActor {
        guard let (username, password) = Self.pair(header) else { throw Problem.unauthorized }
        let key = SecretHash(of: Secret("\(username):\(password.reveal())"))
        let now = clock.now()
        if let known = remembered.withLock({ $0[key] }), known.until > now,
            let account = try await users.user(named: username), !account.isDisabled,
            account.passwordHash == known.passwordHash
        {
            return AdminActor(name: account.username, roles: account.roles)
        }
        switch await interaction.signIn(
            username: username, password: password, session: nil, from: RequestSource(address: context.peerAddress))
        {
        case .signedIn(let account, let session):
            // The credentials come with every request, so no session is kept.
            if case .set(let cookie, _) = session {
                _ = await interaction.signOut(session: cookie, from: RequestSource(address: context.peerAddress))
            }
            remember(key, Remembered(passwordHash: account.passwordHash, until: now + 60))
            return AdminActor(name: account.username, roles: account.roles)
        case .refused(.wrongCredentials): throw Problem.unauthorized
        case .refused(.tooManyAttempts(let seconds)):
            throw Problem(429, "too many attempts", detail: "try again in \(seconds) seconds")
        case .refused(.busy), .unavailable: throw Problem(503, "not available just now")
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
        guard let bytes = Base64.decode(String(encoded)), let text = String(validating: bytes, as: UTF8.self),
            let colon = text.firstIndex(of: ":")
        else { return nil }
        return (String(text[..<colon]), Secret(String(text[text.index(after: colon)...])))
    }
}

/// Base64 with its plain alphabet and padding (RFC 4648 §4), strictly.
enum Base64 {
    static func decode(_ text: String) -> [UInt8]? {
        let bytes = Array(text.utf8)
        guard bytes.count % 4 == 0, !bytes.contains(0x2D), !bytes.contains(0x5F) else { return nil }
        let padding = bytes.reversed().prefix { $0 == 0x3D }.count
        guard padding <= 2 else { return nil }
        let plain = bytes.dropLast(padding).map { byte -> UInt8 in
            switch byte {
            case 0x2B: 0x2D
            case 0x2F: 0x5F
            default: byte
            }
        }
        return Base64URL.decode(String(decoding: plain, as: UTF8.self))
    }
}
