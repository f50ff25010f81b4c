public import Audit

/// Keeps the browser sessions.
///
/// Contract: kept under the hash of the cookie value. A login makes a new session and removes the old one; the launches
/// that were begun in the old one follow into the new one, all in one transaction.
public protocol SessionStore: Sendable {
    func session(_ id: SessionID) async throws -> BrowserSession?
    /// Adds a session that nobody has signed in to.
    func insert(_ session: BrowserSession) async throws
    /// Replaces `old` by `new` after a login; false when `old` was gone already, and then nothing was changed.
    func replace(_ old: SessionID, by new: BrowserSession, record: AuthorizationRecord) async throws -> Bool
    /// Notes that the session was used; never moves the time back.
    func touch(_ id: SessionID, at now: Int64) async throws
    /// Ends a session and its open launches; false when it was gone already.
    func end(_ id: SessionID, record: AuthorizationRecord) async throws -> Bool
}
