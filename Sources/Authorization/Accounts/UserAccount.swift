public import AccessPolicy
public import FHIRCore
internal import OAuthCore

/// What a local account may do beside signing in to apps.
public enum UserRole: String, CaseIterable, Hashable, Sendable {
    case member, clinician, steward, security, auditor, admin, developer

    /// The role that gives no right here and on which the demands of a sign-in hang: that of whoever opens records as this
    /// person. Nobody's is a member's.
    public init(of person: InstanceKey?) {
        self = person.map { [.practitioner, .practitionerRole].contains($0.type) } == true ? .clinician : .member
    }
}

/// A local account: somebody who can sign in at this server.
public struct UserAccount: Hashable, Sendable {
    /// The identifier that tokens carry as `sub`; made once, never reused, says nothing about the person.
    public let subject: SubjectID
    /// What the person types. Compared exactly.
    public let username: String
    /// The argon2id hash in its encoded form, with its parameters and salt.
    public var passwordHash: PasswordHash
    public var displayName: String
    public var roles: Set<UserRole>
    public var isDisabled: Bool
    public var createdAt: Int64

    public init(
        subject: SubjectID, username: String, passwordHash: PasswordHash, displayName: String,
        roles: Set<UserRole> = [.member], isDisabled: Bool = false, createdAt: Int64
    ) {
        self.subject = subject
        self.username = username
        self.passwordHash = passwordHash
        self.displayName = displayName
        self.roles = roles
        self.isDisabled = isDisabled
        self.createdAt = createdAt
    }

    /// Whether an account may have this name: 1 to 64 characters that can be seen. Nobody can sign in by another one.
    static func isUsableName(_ name: String) -> Bool {
        let scalars = name.unicodeScalars
        return (1...64).contains(scalars.count) && scalars.allSatisfy(\.isVisible)
    }

    /// Whether this server itself acts under this name in the audit trail: what an account of such a name did would read
    /// as the server's doing. No account is made with one; one of an older release goes on working.
    public static func isReservedName(_ name: String) -> Bool { ownNames.contains(name.lowercased()) }

    private static let ownNames: Set<String> = [
        "local", "configuration", "directory", "schedule", "system", "chaperone", "server",
    ]
}

/// An encoded argon2id hash. It prints as redacted: a hash of a weak password is nearly the password.
public struct PasswordHash: Hashable, Sendable, CustomStringConvertible {
    public let encoded: String
    public init(encoded: String) { self.encoded = encoded }
    public var description: String { "<redacted>" }
}
