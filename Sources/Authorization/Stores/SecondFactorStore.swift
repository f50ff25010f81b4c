public import AccessPolicy
public import Audit
public import OAuthCore

/// Keeps the second factors of local accounts.
///
/// Contract: one factor per account. A key is replaced only while it is not confirmed, and confirmed only in the browser
/// session that began it, so that of two sessions that set one up at once one wins. A time step counts once and only
/// after every step that was used before, a recovery code counts once: each is one conditional write that says who won.
/// Confirming ends the account's other sessions, for they were opened with less.
public protocol SecondFactorStore: Sendable {
    func secondFactor(of subject: SubjectID) async throws -> SecondFactor?
    /// Keeps a key that is still to be confirmed, in the place of another such key; false when one is confirmed already or
    /// there is no such account.
    func begin(_ factor: SecondFactor) async throws -> Bool
    /// Confirms the key that was shown in a session, with the step whose code proved it and the recovery codes that go with
    /// it, and ends the account's other sessions; false when it is not the key that waits, or not in that session.
    func confirm(
        _ subject: SubjectID, sealedKey: String, step: Int64, recovery: Set<SecretHash>, in session: SessionID,
        at now: Int64, record: AuthorizationRecord
    ) async throws -> Bool
    /// Uses a time step of a confirmed key up; false when it, or a later one, was used before.
    func use(step: Int64, of subject: SubjectID, sealedKey: String) async throws -> Bool
    /// Uses a recovery code of a confirmed factor up; false when it is none of the account's, or was used before.
    func use(recovery code: SecretHash, of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool
    /// Puts new recovery codes in the place of all old ones; false when no factor is confirmed.
    func replace(recovery: Set<SecretHash>, of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool
    /// Removes the factor with its recovery codes; false when there is none.
    func remove(factorOf subject: SubjectID, record: AuthorizationRecord) async throws -> Bool
    /// Every factor, for sealing anew.
    func secondFactors() async throws -> [SecondFactor]
    /// Puts the same key in under another seal; false when it was changed meanwhile.
    func reseal(_ subject: SubjectID, from old: String, to new: String) async throws -> Bool
}
