import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import Foundation
import GRDB
import OAuthCore
import Persistence
import RequirementTraits
import Testing

/// Rows that an older release left, which this one would not write.
@Suite struct UnreadableRowTests {
    private static let hash = "$argon2id$x"

    private static let rows = """
        INSERT INTO client (id, status, is_trusted, metadata, approved_scopes, profile, program, assertion_audience,
            access_lifetime, refresh_idle, refresh_absolute, revision)
            VALUES ('c', 'active', 0, x'7b7d', '', 'smart-2.2', 'patient-access', 'issuer', 60, 1, 1, 1);
        INSERT INTO user_account VALUES ('s', 'u', '$argon2id$x', '', '', 0, 0);
        INSERT INTO access_grant (id, client_id, subject, patient, scopes, launch, program, fhir_base, created_at)
            VALUES ('good', 'c', 's', 'p', 'openid', x'7b7d', 'patient-access', 'b', 1);
        INSERT INTO access_grant (id, client_id, subject, patient, scopes, launch, program, fhir_base, created_at)
            VALUES ('long', 'c', 's', 'p', printf('%.*c', 20000, 'x'), x'7b7d', 'patient-access', 'b', 2);
        INSERT INTO access_grant (id, client_id, subject, patient, scopes, launch, program, fhir_base, created_at)
            VALUES ('torn', 'c', 's', 'p', 'openid', x'7b', 'patient-access', 'b', 3);
        """

    private func open(_ folder: TemporaryFolder) throws -> SQLiteAuthorizationDatabase {
        try SQLiteAuthorizationDatabase(path: folder.path("a.db")).close()
        let queue = try DatabaseQueue(path: folder.path("a.db"))
        try queue.write { try $0.execute(sql: Self.rows) }
        try queue.close()
        return try SQLiteAuthorizationDatabase(path: folder.path("a.db"))
    }

    private func record() -> AuthorizationRecord {
        AuthorizationRecord(
            id: DecisionID("r\(UInt64.random(in: 0 ... .max))"), kind: .revoke, outcome: .succeeded, at: 0)
    }

    @Test(.verifies("house@scopes-readable"), arguments: ["long", "torn"])
    func `a grant that cannot be read gives nothing, hides no other, and is ended like any`(_ id: String) async throws {
        let folder = try TemporaryFolder()
        let database = try open(folder)
        let grants = database.stores.grants
        let grant = try #require(try await grants.grant(GrantID(id)))
        #expect(!grant.isReadable && !grant.isAlive(at: 5))
        #expect(grant.scopes.isEmpty == (id == "long"))
        #expect(grant.launch.patient?.text == (id == "torn" ? "p" : nil))
        let filter = GrantFilter(subject: SubjectID("s"), livingAt: 5)
        #expect(try await grants.grants(matching: filter, limit: 9).map(\.id.text) == ["torn", "long", "good"])
        let outcome = try await database.stores.revocations.revoke(
            .grant(GrantID(id)), because: .administrator, at: 5, record: record())
        #expect(outcome?.grants == [GrantID(id)])
        #expect(try await grants.grant(GrantID(id))?.revocation?.reason == .administrator)
        try database.close()
    }

    @Test(.verifies("house@scopes-readable"))
    func `a launch that cannot be read keeps nobody from signing in, and ends`() async throws {
        let folder = try TemporaryFolder()
        let database = try open(folder)
        let old = SessionID(presented: Secret("old"))
        func session(_ id: SessionID, _ signIn: BrowserSession.SignIn?) -> BrowserSession {
            BrowserSession(id: id, signIn: signIn, createdAt: 0, expiresAt: 100, lastSeenAt: 0)
        }
        try await database.stores.sessions.insert(session(old, nil))
        let queue = try DatabaseQueue(path: folder.path("a.db"))
        try await queue.write { database in
            try database.execute(
                sql: """
                    INSERT INTO launch (id, session, client_id, body, created_at, expires_at, revision)
                    SELECT randomblob(32), id, 'c', x'7b7d', 0, 100, 1 FROM session
                    """)
        }
        let new = SessionID(presented: Secret("new"))
        let replaced = try await database.stores.sessions.replace(
            old, by: session(new, .init(subject: SubjectID("s"), authenticatedAt: 1)),
            verified: PasswordHash(encoded: Self.hash), record: record())
        #expect(replaced == .replaced)
        #expect(try await database.stores.sessions.session(new) != nil)
        let left = try await queue.read { database in
            try Int.fetchOne(database, sql: "SELECT COUNT(*) FROM launch")
        }
        #expect(left == 0)
        try queue.close()
        try database.close()
    }
}
