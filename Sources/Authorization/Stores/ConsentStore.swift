public import AccessPolicy
public import Audit

/// Keeps the choices that people wanted to be remembered.
///
/// Contract: one choice for each key; a later one replaces it. Ending the access of a person's app forgets what was
/// remembered for it.
public protocol ConsentStore: Sendable {
    func remembered(_ key: ConsentKey) async throws -> RememberedConsent?
    func remember(_ consent: RememberedConsent) async throws
    /// Forgets every choice of a person for an app; the audit row goes with it, if there was something to forget.
    func forget(_ subject: SubjectID, client: ClientID, record: AuthorizationRecord) async throws
    /// Forgets every choice of a person; false when there was none, and then no audit row is written.
    func forgetAll(of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool
    /// Whether any choice of a person would still answer a request at `now` (seconds).
    func remembersAnything(of subject: SubjectID, at now: Int64) async throws -> Bool
}
