public import AccessPolicy
public import Audit

/// Keeps the browser sessions.
///
/// Contract: kept under the hash of the cookie value. A login makes a new session and removes the old one, if there was
/// one; of the launches that were begun in the old one those that nobody has entered yet follow into the new one and the
/// others end, all in one transaction. A launch that cannot be read ends, too, and keeps nobody from signing in.
public protocol SessionStore: Sendable {
    func session(_ id: SessionID) async throws -> BrowserSession?
    /// The sessions in which a person is signed in, the latest login first.
    func sessions(of subject: SubjectID) async throws -> [BrowserSession]
    /// Adds a session that nobody has signed in to.
    func insert(_ session: BrowserSession) async throws
    /// Replaces `old` by `new` after a login, if the account is enabled, the link of its login not undone, its password still
    /// the one that was verified and, where somebody is signed in by less, no second factor confirmed; judged inside the write.
    func replace(
        _ old: SessionID?, by new: BrowserSession, verified: PasswordHash, record: AuthorizationRecord
    ) async throws -> SessionReplacement
    /// Notes that the session was used; never moves the time back.
    func touch(_ id: SessionID, at now: Int64) async throws
    /// Ends a session and its open launches; false when it was gone already.
    func end(_ id: SessionID, record: AuthorizationRecord) async throws -> Bool
}

/// What came of a login's new session. In all cases but the first nothing was changed.
public enum SessionReplacement: Hashable, Sendable {
    case replaced
    /// The old session was gone already.
    case sessionGone
    /// The account was disabled, its login undone, its password changed, or a second factor confirmed, since the person was
    /// verified.
    case accountChanged
}
