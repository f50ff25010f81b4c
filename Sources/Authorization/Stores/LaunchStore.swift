public import Audit
public import OAuthCore

/// Keeps the launches that EHRs have made.
///
/// Contract: kept by hash; `begin` is one transaction in which the launch is marked used and the authorization
/// transaction added, so that of any number of parallel callers exactly one begins.
public protocol LaunchStore: Sendable {
    func launch(_ hash: SecretHash) async throws -> EHRLaunch?
    func insert(_ launch: EHRLaunch, record: AuthorizationRecord) async throws
    /// Uses an unused and unexpired launch for a transaction; false, and nothing changed, when it was not to be had.
    func begin(
        _ transaction: AuthorizationTransaction, using hash: SecretHash, at now: Int64, record: AuthorizationRecord
    ) async throws -> Bool
}

/// That an EHR's launch is used up: the hash of its handle, and what is recorded with it.
public struct LaunchUse: Hashable, Sendable {
    public let hash: SecretHash
    public let record: AuthorizationRecord

    public init(hash: SecretHash, record: AuthorizationRecord) {
        self.hash = hash
        self.record = record
    }
}
