public import Audit
public import OAuthCore

/// Keeps refresh-token families; of the tokens themselves only hashes.
///
/// Contract: `rotate` and `use` are single conditional writes that also demand a living grant, an active client and the
/// session by which the family lives, if it lives by one. A family dies with its
/// grant; there is no other way to end one.
public protocol RefreshTokenStore: Sendable {
    func family(_ id: RefreshFamilyID) async throws -> RefreshFamily?
    /// Moves the family from the generation whose hash is `current` to the next one, which is then not delivered. Says
    /// whether this caller moved it.
    func rotate(
        _ id: RefreshFamilyID, from current: SecretHash, to successor: SecretHash, at now: Int64,
        record: AuthorizationRecord
    ) async throws -> Bool
    /// Notes that the token with this hash, if it is the family's current one, is about to be given to the client. From
    /// `now` on the grace window runs.
    func deliver(_ id: RefreshFamilyID, _ current: SecretHash, at now: Int64) async throws
    /// Notes a use without rotation: sliding expiry of a token that is kept, or a repeat within the grace window. False
    /// when the family or its grant is gone, or its client is not active.
    func use(_ id: RefreshFamilyID, at now: Int64, record: AuthorizationRecord) async throws -> Bool
}
