public import AccessPolicy
internal import Audit
public import FHIRCore
public import OAuthCore

/// Why an account was not made or changed.
public enum AccountFailure: Error, Hashable, Sendable {
    /// The name is empty, longer than 64 characters, holds something invisible or is one of the server's own.
    case unusableUsername
    /// The password is shorter than eight characters, or longer than a kilobyte.
    case unusablePassword
    case notFound
}

/// What a new account is made from.
public struct NewAccount: Sendable {
    public let username: String
    public let password: Secret
    public let displayName: String
    public let roles: Set<UserRole>
    /// Who the person is in FHIR; nil for staff who open no records.
    public let fhirUser: InstanceKey?
    public let patients: [LinkedPatient]
    /// What is noted as applied from the configuration, for an account that comes from it.
    public var applied: AppliedConfiguration?

    public init(
        username: String, password: Secret, displayName: String, roles: Set<UserRole> = [.member],
        fhirUser: InstanceKey? = nil, patients: [LinkedPatient] = []
    ) {
        self.username = username
        self.password = password
        self.displayName = displayName
        self.roles = roles
        self.fhirUser = fhirUser
        self.patients = patients
    }
}

/// Makes and changes local accounts and their links to FHIR identities. `actor` is who wanted it, for the record.
public struct AccountRegistry: Sendable {
    let stores: AuthorizationStores
    let hasher: PasswordHasher
    let audit: AuditTrail
    let access: AccessRevoker
    let clock: Clock
    let random: RandomSource
    /// Demonstrations have short passwords on purpose.
    let shortestPassword: Int
    /// Told of changes by which sign-ins are judged.
    let signIns: SignInStandings

    /// Makes an account with its link, if it has one; nil when the name is taken.
    public func add(_ new: NewAccount, by actor: String, from source: RequestSource) async throws -> UserAccount? {
        guard UserAccount.isUsableName(new.username), !UserAccount.isReservedName(new.username) else {
            throw AccountFailure.unusableUsername
        }
        try checkPassword(new.password)
        let account = UserAccount(
            subject: SubjectID(random.identifier()), username: new.username,
            passwordHash: try await hasher.hash(new.password), displayName: new.displayName, roles: new.roles,
            createdAt: clock.now())
        let link = new.fhirUser.map { MemberLink(subject: account.subject, fhirUser: $0, patients: new.patients) }
        let record = maker(source).record(
            .userChanged, subject: account.subject, by: actor,
            detail: "created `\(new.username)`" + (link.map { ", \(Self.words(for: $0))" } ?? ""))
        guard try await stores.users.insert(account, link: link, applied: new.applied, record: record) else {
            return nil
        }
        try await audit.flush()
        return account
    }

    /// Says who an account is in FHIR, and for which patients it may act; false when it is linked already.
    public func link(_ link: MemberLink, by actor: String, from source: RequestSource) async throws -> Bool {
        let record = maker(source).record(
            .userChanged, subject: link.subject, by: actor, detail: Self.words(for: link))
        guard try await stores.memberLinks.insert(link, record: record) else { return false }
        signIns.changed()
        try await audit.flush()
        return true
    }

    static func words(for link: MemberLink) -> String {
        "linked to \(link.fhirUser), may act for [\(link.patients.map(\.id.text).joined(separator: ", "))]"
    }

    /// Sets a password and ends the account's sessions. Apps keep what they were allowed.
    public func setPassword(
        _ password: Secret, of subject: SubjectID, by actor: String, from source: RequestSource
    ) async throws {
        try checkPassword(password)
        let hash = try await hasher.hash(password)
        let record = maker(source).record(
            .userChanged, subject: subject, by: actor, detail: AccountNotice.passwordSet.rawValue)
        guard try await stores.users.setPassword(hash, of: subject, record: record) else {
            throw AccountFailure.notFound
        }
        try await audit.flush()
    }

    /// Sets what an account may do and ends its sessions; false when it may do exactly that already.
    public func setRoles(
        _ roles: Set<UserRole>, of subject: SubjectID, by actor: String, from source: RequestSource
    ) async throws -> Bool {
        guard let account = try await stores.users.user(subject) else { throw AccountFailure.notFound }
        guard account.roles != roles else { return false }
        func text(_ roles: Set<UserRole>) -> String { roles.map(\.rawValue).sorted().joined(separator: ", ") }
        let record = maker(source).record(
            .userChanged, subject: subject, by: actor,
            detail: "roles [\(text(roles))], before [\(text(account.roles))]")
        guard try await stores.users.setRoles(roles, of: subject, record: record) else {
            throw AccountFailure.notFound
        }
        // What the new roles demand holds for the access tokens that are out, too.
        signIns.changed()
        try await audit.flush()
        return true
    }

    /// Disables an account and ends its grants and sessions; nil when it was disabled already.
    public func disable(
        _ subject: SubjectID, by actor: String, from source: RequestSource
    ) async throws -> RevocationOutcome? {
        try await access.revoke(.user(subject), because: .accountDisabled, by: actor, from: source)
    }

    /// Lets a disabled account sign in again; its ended grants stay ended.
    public func enable(_ subject: SubjectID, by actor: String, from source: RequestSource) async throws {
        let record = maker(source).record(.userChanged, subject: subject, by: actor, detail: "enabled")
        guard try await stores.users.enable(subject, record: record) else { throw AccountFailure.notFound }
        try await audit.flush()
    }

    func maker(_ source: RequestSource) -> RecordMaker {
        RecordMaker(clock: clock, random: random, source: source)
    }

    private func checkPassword(_ password: Secret) throws(AccountFailure) {
        guard Self.isUsable(password, shortest: shortestPassword) else {
            throw .unusablePassword
        }
    }

    /// Whether a password is neither too short, in characters, nor too long to be verified.
    static func isUsable(_ password: Secret, shortest: Int) -> Bool {
        let text = password.reveal()
        return text.unicodeScalars.count >= shortest && text.utf8.count <= PasswordHasher.longestPassword
    }
}
