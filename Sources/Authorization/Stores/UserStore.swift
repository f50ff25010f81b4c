public import AccessPolicy
public import Audit
public import FHIRCore

/// Keeps the local accounts.
///
/// Contract: usernames and subjects are unique and compared byte for byte. Disabling an account is `RevocationStore`'s
/// business, because its grants must end in the same transaction.
public protocol UserStore: Sendable {
    func user(named username: String) async throws -> UserAccount?
    func user(_ subject: SubjectID) async throws -> UserAccount?
    /// All accounts, by username.
    func users() async throws -> [UserAccount]
    /// Adds an account, with its link when it has one; false when the username or the subject is taken.
    /// What the configuration says of it is noted with it, when it comes from there.
    func insert(
        _ user: UserAccount, link: MemberLink?, applied: AppliedConfiguration?, record: AuthorizationRecord
    ) async throws -> Bool
    /// Sets a new password hash and ends the account's sessions; false when there is no such account.
    func setPassword(_ hash: PasswordHash, of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool
    /// Sets a new password hash in the place of the one that was verified, in the name of the person in a session. Another
    /// session takes the place of that one, with its launches and with what lasts while the person is there; all others of
    /// the account end. False, and nothing changed, when the hash is another one by now, the account is disabled, a second
    /// factor is confirmed that the new session did not show, or the session is gone or not the account's.
    func changePassword(
        to hash: PasswordHash, of subject: SubjectID, verified: PasswordHash, replacing old: SessionID,
        by new: BrowserSession, record: AuthorizationRecord
    ) async throws -> Bool
    /// Sets what the account may do and ends its sessions; false when there is no such account.
    func setRoles(_ roles: Set<UserRole>, of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool
    /// What was last applied to an account from the configuration; nil when nothing was.
    func applied(to subject: SubjectID) async throws -> AppliedConfiguration?
    /// Changes what the configuration newly says of an account and notes it as applied, in one step: other roles end its
    /// sessions; another person ends its grants with `.memberChanged` and its launches, and replaces the link. Nil, and
    /// nothing is changed, when there is no such account or something else was applied since.
    func apply(
        _ change: ConfiguredChange, at now: Int64, records: [AuthorizationRecord]
    ) async throws -> RevocationOutcome?
    /// Lets a disabled account sign in again; false when it is not there or not disabled. Ended grants stay ended.
    func enable(_ subject: SubjectID, record: AuthorizationRecord) async throws -> Bool
}

extension UserStore {
    /// Adds an account that does not come from the configuration.
    public func insert(_ user: UserAccount, link: MemberLink?, record: AuthorizationRecord) async throws -> Bool {
        try await insert(user, link: link, applied: nil, record: record)
    }
}

/// Keeps which FHIR identity and which patients a local account is linked to.
///
/// Contract: one link per subject; replacing or removing one ends the subject's grants in the same transaction
/// (decision 23) and reports them.
public protocol MemberLinkStore: Sendable {
    func link(for subject: SubjectID) async throws -> MemberLink?
    /// The accounts that are linked to this person, at most two of them: whoever asks wants to know whether it is one.
    func subjects(of user: InstanceKey) async throws -> [SubjectID]
    /// Links the subject for the first time; false when it is linked already or has no account.
    func insert(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool
    /// Undoes a link, ends the subject's grants with `.memberChanged` and its launches; nil when there was none.
    func remove(
        linkOf subject: SubjectID, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome?
}
