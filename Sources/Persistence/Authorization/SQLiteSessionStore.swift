internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB
internal import OAuthCore

/// Keeps the browser sessions.
struct SQLiteSessionStore: SessionStore {
    let pool: DatabasePool

    func session(_ id: SessionID) async throws -> BrowserSession? {
        try await pool.read { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT * FROM session WHERE id = ?"), arguments: [id.hash.blob]
            ).map { try BrowserSession($0) }
        }
    }

    func sessions(of subject: SubjectID) async throws -> [BrowserSession] {
        try await pool.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM session WHERE subject = ? ORDER BY authenticated_at DESC, id LIMIT 200",
                arguments: [subject.text]
            ).map { try BrowserSession($0) }
        }
    }

    func insert(_ session: BrowserSession) async throws {
        try await pool.write { try Self.insert(session, in: $0) }
    }

    static func insert(_ session: BrowserSession, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO session (id, subject, authenticated_at, authentication, pending_subject, pending_at,
                    pending_authentication, created_at, expires_at, last_seen_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                session.id.hash.blob, session.signIn?.subject.text, session.signIn?.authenticatedAt,
                session.signIn?.authentication.stored.text, session.pending?.subject.text,
                session.pending?.authenticatedAt, session.pending?.authentication.stored.text, session.createdAt,
                session.expiresAt, session.lastSeenAt,
            ])
    }

    func replace(
        _ old: SessionID?, by new: BrowserSession, verified: PasswordHash, record: AuthorizationRecord
    ) async throws -> SessionReplacement {
        try await pool.write { database in
            if let old {
                let exists = try Bool.fetchOne(
                    database, sql: "SELECT EXISTS (SELECT 1 FROM session WHERE id = ?)", arguments: [old.hash.blob])
                guard exists == true else { return .sessionGone }
            }
            let isEnough = new.signIn.map(\.authentication.hasLocalSecondFactor) ?? true
            let isGood = try Bool.fetchOne(
                database,
                sql: """
                    SELECT EXISTS (SELECT 1 FROM user_account
                        WHERE subject = ?1 AND is_disabled = 0 AND password_hash = ?2)
                    AND NOT EXISTS (SELECT 1 FROM external_login WHERE account = ?1 AND undone_at IS NOT NULL)
                    AND (?3 OR NOT EXISTS (SELECT 1 FROM second_factor
                        WHERE subject = ?1 AND confirmed_at IS NOT NULL))
                    """, arguments: [(new.signIn ?? new.pending)?.subject.text, verified.encoded, isEnough])
            guard isGood == true else { return .accountChanged }
            try Self.insert(new, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            guard let old else { return .replaced }
            // A launch that cannot be read stays behind, too: it must not keep the person from signing in.
            let launches = try Row.fetchAll(
                database, sql: "SELECT * FROM launch WHERE session = ?", arguments: [old.hash.blob]
            ).compactMap { try? AuthorizationTransaction($0) }
            for launch in launches where launch.followsLogin {
                try database.execute(
                    sql: "UPDATE launch SET session = ?, revision = revision + 1 WHERE id = ?",
                    arguments: [new.id.hash.blob, launch.id.hash.blob])
            }
            // What stayed behind ends with the old session.
            try database.execute(sql: "DELETE FROM session WHERE id = ?", arguments: [old.hash.blob])
            return .replaced
        }
    }

    func touch(_ id: SessionID, at now: Int64) async throws {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE session SET last_seen_at = ? WHERE id = ? AND last_seen_at < ?",
                arguments: [now, id.hash.blob, now])
        }
    }

    func end(_ id: SessionID, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(sql: "DELETE FROM session WHERE id = ?", arguments: [id.hash.blob])
            guard database.changesCount == 1 else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }
}

extension BrowserSession {
    fileprivate init(_ row: Row) throws {
        func signIn(_ prefix: String, _ time: String) throws -> SignIn? {
            guard let subject = row["\(prefix)subject"] as String? else { return nil }
            return SignIn(
                subject: SubjectID(subject), authenticatedAt: row[time],
                // Sessions of older releases were opened with a password.
                authentication: try AuthenticationContext(stored: row["\(prefix)authentication"]) ?? .password)
        }
        self.init(
            id: SessionID(hash: try SecretHash(blob: row["id"])), signIn: try signIn("", "authenticated_at"),
            pending: try signIn("pending_", "pending_at"), createdAt: row["created_at"], expiresAt: row["expires_at"],
            lastSeenAt: row["last_seen_at"])
    }
}

/// Keeps the launches in progress.
struct SQLiteTransactionStore: TransactionStore {
    let pool: DatabasePool

    func transaction(_ id: TransactionID) async throws -> AuthorizationTransaction? {
        try await pool.read { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT * FROM launch WHERE id = ?"), arguments: [id.hash.blob]
            ).map { try AuthorizationTransaction($0) }
        }
    }

    func insert(_ transaction: AuthorizationTransaction) async throws {
        try await pool.write { try Self.insert(transaction, in: $0) }
    }

    static func insert(_ transaction: AuthorizationTransaction, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO launch (id, session, client_id, body, created_at, expires_at, revision)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                transaction.id.hash.blob, transaction.session.hash.blob, transaction.request.clientID.text,
                try transaction.storedBody().blob, transaction.createdAt, transaction.expiresAt, transaction.revision,
            ])
    }

    func update(_ transaction: AuthorizationTransaction, record: AuthorizationRecord?) async throws -> Bool {
        try await pool.write { database in
            guard try Self.update(transaction, in: database) else { return false }
            if let record { try SQLiteAuditOutbox.insert(record, in: database) }
            return true
        }
    }

    /// The one conditional write.
    static func update(_ transaction: AuthorizationTransaction, in database: Database) throws -> Bool {
        try database.execute(
            sql: "UPDATE launch SET body = ?, revision = ? WHERE id = ? AND revision = ?",
            arguments: [
                try transaction.storedBody().blob, transaction.revision, transaction.id.hash.blob,
                transaction.revision - 1,
            ])
        return database.changesCount == 1
    }
}
