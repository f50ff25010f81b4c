import AccessPolicy
import Audit
import Authorization
import OAuthCore
import Persistence
import RequirementTraits
import Testing

/// What memory knows of revocations it knows from reading: a reading that begins after a write has returned sees it, also
/// while other readings are given up half-way on the same connections.
@Suite struct ReadAfterWriteTests {
    @Test(.verifies("house@ENDED-AT-ONCE"))
    func `a revocation is read as soon as it is written, whatever readings are given up meanwhile`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
        let stores = database.stores
        try await withThrowingTaskGroup(of: Void.self) { group in
            for reader in 0..<8 {
                group.addTask {
                    var round = reader
                    while !Task.isCancelled {
                        let reading = Task {
                            _ = try await stores.revocations.revocations(after: 0)
                            _ = try await stores.externalLogins.logins()
                            _ = try await stores.grants.grant(GrantID("none"))
                        }
                        for _ in 0..<(round % 7) { await Task.yield() }
                        reading.cancel()
                        _ = await reading.result
                        round += 1
                    }
                }
            }
            for number in 1...400 {
                let record = AuthorizationRecord(
                    id: DecisionID("r\(number)"), kind: .revoke, outcome: .succeeded, at: 0)
                let token = TokenID("t\(number)")
                let outcome = try await stores.revocations.revoke(
                    .token(token), because: .client, at: Int64(number), record: record)
                let entry = try #require(outcome?.entries.first)
                #expect(entry.sequence == Int64(number))
                let read = try await stores.revocations.revocations(after: entry.sequence - 1)
                #expect(read == [entry])
            }
            group.cancelAll()
        }
        try database.close()
    }
}
