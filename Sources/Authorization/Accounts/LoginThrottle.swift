internal import AccessPolicy
internal import OAuthCore

/// What attempts are counted under. The parts are digested: the name that somebody typed may be a password.
public struct ThrottleKey: Hashable, Sendable {
    public let text: String

    /// Restores a key from its stored text.
    public init(text: String) { self.text = text }

    /// What is counted, such as `account-source`.
    var kind: String { String(text.prefix { $0 != ":" }) }

    private init(_ kind: String, _ value: String) { text = "\(kind):\(SecretHash(of: Secret(value)).text)" }

    /// Attempts on one account name from one network address, whether or not there is such an account, so that its
    /// existence does not show. Together with the address, so that nobody can lock somebody else out from afar.
    public static func account(_ username: String, from address: String) -> ThrottleKey {
        .init("account-source", "\(SourceNetwork.key(of: address))\n\(username)")
    }
    /// Attempts on one account name from anywhere.
    public static func account(_ username: String) -> ThrottleKey { .init("account", username) }
    /// How long a network is known from which somebody signed in, in seconds: three months.
    public static let memory: Int64 = 90 * 86_400

    /// A network from which somebody signed in to an account; kept so that attempts from elsewhere do not count there.
    static func known(_ username: String, from address: String) -> ThrottleKey {
        .init("known", "\(SourceNetwork.key(of: address))\n\(username)")
    }
    /// Attempts to sign in from one network address.
    public static func loginSource(_ address: String) -> ThrottleKey {
        .init("login-source", SourceNetwork.key(of: address))
    }
    /// Second factors shown for one account, whose password is known already.
    static func secondFactor(_ subject: SubjectID) -> ThrottleKey { .init("second-factor", subject.text) }
    /// Client secrets presented from one network address.
    public static func secretSource(_ address: String) -> ThrottleKey {
        .init("secret-source", SourceNetwork.key(of: address))
    }
    /// Unknown codes and tokens presented from one network address.
    public static func guessSource(_ address: String) -> ThrottleKey {
        .init("guess-source", SourceNetwork.key(of: address))
    }
}

/// How many attempts are let through before one has to wait, and for how long.
public struct ThrottlePolicy: Hashable, Sendable {
    /// Attempts that cost nothing.
    public let free: Int
    /// So many seconds make as many attempts forgotten as cost nothing.
    public let window: Int64
    /// The first waiting time in seconds; it doubles with each further attempt.
    public let firstWait: Int64
    public let longestWait: Int64

    public init(free: Int, window: Int64, firstWait: Int64, longestWait: Int64) {
        self.free = free
        self.window = window
        self.firstWait = firstWait
        self.longestWait = longestWait
    }

    /// Five tries for an account from one address, then 30 s, doubling up to a quarter of an hour.
    public static let account = ThrottlePolicy(free: 5, window: 3600, firstWait: 30, longestWait: 900)
    /// Five wrong codes, then a minute, doubling up to an hour; a day forgets five. Six digits and three
    /// steps at a time leave a guesser who knows the password one chance in ten thousand a day.
    public static let secondFactor = ThrottlePolicy(free: 5, window: 86_400, firstWait: 60, longestWait: 3600)
    /// Two hundred tries for an account from all networks together, then one every 30 s, and a hundred an hour in the long
    /// run: many addresses cannot guess a password. Where its owner has signed in before this does not count, so that
    /// nobody keeps them out from afar.
    public static let accountAnywhere = ThrottlePolicy(free: 200, window: 7200, firstWait: 30, longestWait: 30)
    /// Fifty tries from one address, then 30 s, doubling up to a quarter of an hour.
    public static let source = ThrottlePolicy(free: 50, window: 3600, firstWait: 30, longestWait: 900)
    /// A hundred unknown codes or tokens from one address.
    public static let guesses = ThrottlePolicy(free: 100, window: 600, firstWait: 30, longestWait: 900)
}

/// The count kept under one key: a pure value that stores load, ask and save.
public struct ThrottleCount: Hashable, Sendable {
    public private(set) var attempts: Int
    /// The time as of which `attempts` is: what was counted before fades, one attempt in `window / free` seconds.
    public private(set) var countedAt: Int64
    public private(set) var closedUntil: Int64

    public init(attempts: Int = 0, countedAt: Int64 = 0, closedUntil: Int64 = 0) {
        self.attempts = attempts
        self.countedAt = countedAt
        self.closedUntil = closedUntil
    }

    /// Whether an attempt is let through at `now`.
    public func isOpen(at now: Int64) -> Bool { now >= closedUntil }

    /// Counts an attempt that was let through, and says whether it was the last before one has to wait: if it fails, a
    /// lockout has begun. Attempts after that make it longer and begin none.
    @discardableResult
    public mutating func count(by policy: ThrottlePolicy, at now: Int64) -> Bool {
        fade(by: policy, at: now)
        attempts += 1
        guard attempts >= policy.free else { return false }
        let doublings = min(attempts - policy.free, 20)
        closedUntil = now + min(policy.firstWait << Int64(doublings), policy.longestWait)
        return attempts == policy.free
    }

    /// Attempts do not stay for ever: a house with many people mistypes something every hour of the day.
    private mutating func fade(by policy: ThrottlePolicy, at now: Int64) {
        let step = max(policy.window / Int64(max(policy.free, 1)), 1)
        let faded = max(now - countedAt, 0) / step
        attempts = Int(max(Int64(attempts) - faded, 0))
        countedAt = attempts == 0 ? now : countedAt + faded * step
    }

    /// Takes one attempt back, because it succeeded.
    public mutating func forgive() {
        attempts = max(attempts - 1, 0)
        closedUntil = 0
    }
}

/// Whether an attempt may be tried.
public enum ThrottleVerdict: Hashable, Sendable {
    case admitted
    /// It may, and is the last one under these keys for a while: if it fails, a lockout has begun.
    case last(under: Set<ThrottleKey>)
    /// Not before this time.
    case closed(until: Int64)
}
