public import AccessPolicy

/// Keeps the choices that people wanted to be remembered.
///
/// Contract: one choice for each key; a later one replaces it. Ending the access of a person's app forgets what was
/// remembered for it.
public protocol ConsentStore: Sendable {
    func remembered(_ key: ConsentKey) async throws -> RememberedConsent?
    func remember(_ consent: RememberedConsent) async throws
    /// Forgets every choice of a person for an app.
    func forget(_ subject: SubjectID, client: ClientID) async throws
}
