public import AccessPolicy
internal import OAuthCore

/// The second factor of a local account as it is kept: the key of its authenticator app, sealed.
public struct SecondFactor: Hashable, Sendable {
    public let subject: SubjectID
    /// The key under the installation's seal.
    public let sealedKey: String
    /// The browser session that began to set it up: it alone is shown the key, and it alone may confirm it. Nil once that
    /// is done.
    public let session: SessionID?
    public let createdAt: Int64
    /// When the person showed that their app has the key; nil before, and then it guards nothing.
    public let confirmedAt: Int64?
    /// The latest time step whose code was used. Only a later one counts.
    public let lastStep: Int64
    /// How many recovery codes are left.
    public let recoveryCodesLeft: Int

    public init(
        subject: SubjectID, sealedKey: String, session: SessionID? = nil, createdAt: Int64, confirmedAt: Int64? = nil,
        lastStep: Int64 = 0,
        recoveryCodesLeft: Int = 0
    ) {
        self.subject = subject
        self.sealedKey = sealedKey
        self.session = session
        self.createdAt = createdAt
        self.confirmedAt = confirmedAt
        self.lastStep = lastStep
        self.recoveryCodesLeft = recoveryCodesLeft
    }

    public var isConfirmed: Bool { confirmedAt != nil }
}

/// Who must show a second factor beside those who have set one up.
public struct SecondFactorPolicy: Hashable, Sendable {
    /// Accounts with one of these roles, at every login.
    public var roles: Set<UserRole>
    /// Whoever opens an app of one of these programs.
    public var programs: Set<APIProgram>

    public init(roles: Set<UserRole> = [], programs: Set<APIProgram> = []) {
        self.roles = roles
        self.programs = programs
    }

    /// Whether an account with these roles signs in with two factors only.
    func demands(of roles: Set<UserRole>) -> Bool { !self.roles.isDisjoint(with: roles) }

    /// Whether an app asked for a class that only two factors reach (`acr_values`; OpenID Connect Core §3.1.2.1). Classes
    /// that we do not know are not looked at, and one that is named twice is named.
    static func isAsked(by acrValues: [String]) -> Bool {
        Set(acrValues.filter { AuthenticationContext.classes.contains($0) })
            == [AuthenticationContext.secondFactorClass]
    }
}

/// A code that lets somebody in once who has lost their authenticator app. Eighty random bits; only its hash is kept.
public struct RecoveryCode: Sendable {
    /// How many a person gets.
    static let count = 10
    /// The code as it is shown once: four groups of four.
    public let text: String

    static func generate(_ random: RandomSource) -> RecoveryCode {
        let letters = Array(Base32.encode(random.bytes(10)).lowercased())
        let groups = stride(from: 0, to: letters.count, by: 4).map { String(letters[$0..<min($0 + 4, letters.count)]) }
        return RecoveryCode(text: groups.joined(separator: "-"))
    }

    /// The hash that is kept.
    var hash: SecretHash { Self.hash(typed: Secret(text)) ?? Secret(text).hash }

    /// The hash of what somebody typed, whatever they made of case, hyphens and spaces; nil when it has not the length of a
    /// recovery code.
    static func hash(typed: Secret) -> SecretHash? {
        let letters = typed.reveal().filter { $0 != "-" && $0 != " " }.lowercased()
        return letters.utf8.count == 16 ? Secret(letters).hash : nil
    }
}
