import AccessPolicy
import Authorization
import ChaperoneTesting
import Foundation
import GRDB
import Persistence
import RequirementTraits
import Testing

@Suite struct SQLiteStoreTests {
    @Test(
        .verifies("house@consent-with-its-grant", "house@grants-that-live"), arguments: StoreContract.checks)
    func `SQLite keeps the contract of the stores`(_ contract: StoreContract) async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
        try await contract.check(database.stores)
        try database.close()
    }

    @Test func `the writer synchronises fully, which WAL set-up would undo`() throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
        #expect(try database.synchronousLevel() == 2)
        try database.close()
        let again = try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
        #expect(try again.synchronousLevel() == 2)
        try again.close()
    }

    @Test(arguments: ["", "-wal", "-shm"])
    func `nobody but the owner can read any of the files, also those of an older release`(_ suffix: String) throws {
        func mode(_ name: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: folder.path(name + suffix))[.posixPermissions] as? Int
        }
        let folder = try TemporaryFolder()
        let database = try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
        let sink = try AuditSQLiteSink(path: folder.path("audit.db"))
        #expect(try mode("a.db") == 0o600)
        #expect(try mode("audit.db") == 0o600)
        // While it is open, so that the other two files are there.
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: folder.path("a.db" + suffix))
        let again = try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
        #expect(try mode("a.db") == 0o600)
        try again.close()
        try database.close()
        withExtendedLifetime(sink) {}
    }

    @Test func `a database from a newer release is refused`() throws {
        let folder = try TemporaryFolder()
        try SQLiteAuthorizationDatabase(path: folder.path("a.db")).close()
        let queue = try DatabaseQueue(path: folder.path("a.db"))
        try queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('999 future')") }
        try queue.close()
        #expect(throws: DatabaseRefusal.newer) { try SQLiteAuthorizationDatabase(path: folder.path("a.db")) }
    }

    @Test func `what was stored is there after a restart`() async throws {
        let folder = try TemporaryFolder()
        let first = try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
        #expect(try await first.stores.replayCache.remember("jti", of: .init("c"), until: .max))
        try first.close()
        let second = try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
        #expect(try await !second.stores.replayCache.remember("jti", of: .init("c"), until: .max))
        try second.close()
    }

    /// Rows of releases that did not note who saw a sign-in must not be taken for sign-ins here.
    @Test(
        .verifies("house@ASSURANCE-TODAY"),
        arguments: [
            (#"{"acr":"urn:chaperone:acr:second-factor","amr":["pwd","otp","mfa"]}"#, .unknown),
            (#"{"amr":["mfa"],"local":false}"#, .unknown), (#"{"amr":["mfa"],"local":true}"#, .local),
            (#"{"amr":["mfa"],"issuer":"https://idp.example"}"#, .provider(issuer: "https://idp.example")),
            // A provider's word never becomes ours.
            (#"{"amr":["mfa"],"issuer":"https://idp.example","local":true}"#, .provider(issuer: "https://idp.example")),
        ] as [(String, AuthenticationContext.Witness)])
    func `who saw a sign-in is known only where it was noted`(
        _ stored: String, _ witness: AuthenticationContext.Witness
    ) async throws {
        let folder = try TemporaryFolder()
        try SQLiteAuthorizationDatabase(path: folder.path("a.db")).close()
        let queue = try DatabaseQueue(path: folder.path("a.db"))
        try await queue.write { database in
            try database.execute(sql: Self.revokedGrant)
            try database.execute(
                sql: """
                    INSERT INTO access_grant VALUES
                        ('old', 'c', 's', 'p', '', x'7b7d', 'general', 'b', NULL, 0, 0, NULL, NULL, NULL, ?, 0)
                    """, arguments: [stored])
        }
        try queue.close()

        let database = try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
        let grant = try #require(try await database.stores.grants.grant(GrantID("old")))
        try database.close()

        #expect(grant.authentication?.witness == witness)
        #expect(grant.authentication?.hasLocalSecondFactor == (witness == .local))
    }

    /// What no use-case does, and what the schema would not let one do.
    @Test(arguments: [
        "UPDATE access_grant SET revoked_at = NULL, revocation_reason = NULL",
        "UPDATE access_grant SET scopes = 'system/*.cruds'",
        "UPDATE access_grant SET patient = 'other'", "UPDATE access_grant SET needs_second_factor = 1",
        "DELETE FROM suspended_key", "DELETE FROM suspended_key_place",
        "UPDATE code SET redeemed_at = NULL",
        "UPDATE code SET redeemed_at = 5",
        "UPDATE refresh_family SET generation = generation + 2, current_hash = zeroblob(32)",
        "UPDATE refresh_family SET current_hash = zeroblob(32)",
        "UPDATE client SET status = 'suspended'",
        "UPDATE client SET access_lifetime = 86400, revision = revision + 1",
        "DELETE FROM client",
        "INSERT INTO user_account VALUES ('s2', 'u2', 'plain text', '', '', 0, 0)",
        "INSERT INTO session (id, authenticated_at, created_at, expires_at, last_seen_at) VALUES (zeroblob(32), 5, 0, 0, 0)",
        "UPDATE second_factor SET last_step = 4", "UPDATE second_factor SET confirmed_at = NULL",
        "UPDATE ehr_launch SET used_at = NULL",
        "INSERT INTO server_key VALUES ('k2', 'id-token', 's', 0, NULL, 0)",
    ])
    func `the schema refuses what must never be`(_ statement: String) throws {
        let folder = try TemporaryFolder()
        try SQLiteAuthorizationDatabase(path: folder.path("a.db")).close()
        let queue = try DatabaseQueue(path: folder.path("a.db"))
        try queue.write { try $0.execute(sql: Self.revokedGrant) }
        #expect(throws: DatabaseError.self) { try queue.write { try $0.execute(sql: statement) } }
        try queue.close()
    }

    private static let revokedGrant = """
        INSERT INTO client VALUES ('c', 'active', 0, NULL, x'7b7d', '', 'smart-2.2', NULL, 'general', 'issuer', 60, 1, 1, 1, 0, NULL, NULL, NULL);
        INSERT INTO user_account VALUES ('s', 'u', '$argon2id$x', '', '', 0, 0);
        INSERT INTO access_grant VALUES ('g', 'c', 's', 'p', '', x'7b7d', 'general', 'b', NULL, 0, 0, NULL, 1, 'person', NULL, 0);
        INSERT INTO suspended_key VALUES ('c', 'thumbprint', 1);
        INSERT INTO suspended_key_place VALUES ('https://app.example/jwks', 'thumbprint', 1);
        INSERT INTO second_factor VALUES ('s', 'sealed', 0, 1, 5, NULL);
        INSERT INTO ehr_launch VALUES (randomblob(32), 'c', 'c', 's', 'b', x'7b7d', 0, 9, 3);
        INSERT INTO server_key VALUES ('k1', 'id-token', 's', 0, NULL, 0);
        INSERT INTO code VALUES (randomblob(32), 'g', 'c', 'r', NULL, 9, 3, NULL, NULL, NULL);
        INSERT INTO refresh_family VALUES ('f', 'g', 'c', 1, 0, 9, NULL, 0, randomblob(32), NULL, NULL, 0, NULL, NULL, 1);
        """
}

/// A folder that goes away with the value. A class for its deinit.
final class TemporaryFolder: Sendable {
    private let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "chaperone-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    func path(_ name: String) -> String { url.appending(path: name).path }

    deinit { try? FileManager.default.removeItem(at: url) }
}
