internal import AccessPolicy
internal import Audit
internal import Authorization
internal import GRDB
internal import OAuthCore

/// Keeps which logins of identity providers are linked to whom.
struct SQLiteExternalLoginStore: ExternalLoginStore {
    let pool: DatabasePool

    func login(issuer: String, subject: String) async throws -> ExternalLogin? {
        let found = try await first(
            sql: "SELECT * FROM external_login WHERE issuer = ? AND subject = ?", [issuer, subject])
        // SQLite takes a text only up to its first NUL.
        return found.flatMap {
            $0.identity.issuer.utf8.elementsEqual(issuer.utf8) && $0.identity.subject.utf8.elementsEqual(subject.utf8)
                ? $0 : nil
        }
    }

    func login(of account: SubjectID) async throws -> ExternalLogin? {
        try await first(sql: "SELECT * FROM external_login WHERE account = ?", [account.text])
    }

    private func first(sql: String, _ arguments: StatementArguments) async throws -> ExternalLogin? {
        try await pool.read { database in
            try Row.fetchOne(database.cachedStatement(sql: sql), arguments: arguments).map { ExternalLogin($0) }
        }
    }

    func logins() async throws -> [ExternalLogin] {
        try await pool.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM external_login ORDER BY created_at, account")
                .map { ExternalLogin($0) }
        }
    }

    func insert(
        _ login: ExternalLogin, account: UserAccount, link: MemberLink, record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.writeWithoutTransaction { database in
            var isDone = false
            try database.inTransaction(.immediate) {
                guard try SQLiteUserStore.insert(account, in: database) else { return .rollback }
                try database.execute(
                    sql: """
                        INSERT INTO external_login
                            (account, provider, issuer, subject, identifier, created_at, last_login_at, undone_at)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                        ON CONFLICT DO NOTHING
                        """,
                    arguments: [
                        login.account.text, login.identity.provider, login.identity.issuer, login.identity.subject,
                        login.identity.identifier, login.createdAt, login.lastLoginAt, login.undoneAt,
                    ])
                guard database.changesCount == 1, try SQLiteMemberLinkStore.insert(link, in: database) else {
                    return .rollback
                }
                try SQLiteAuditOutbox.insert(record, in: database)
                isDone = true
                return .commit
            }
            return isDone
        }
    }

    func note(_ identity: ExternalIdentity, of account: SubjectID, at now: Int64) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE external_login SET provider = ?, identifier = ?, last_login_at = ?
                    WHERE account = ? AND issuer = ? AND subject = ? AND undone_at IS NULL
                    """,
                arguments: [
                    identity.provider, identity.identifier, now, account.text, identity.issuer, identity.subject,
                ])
            return database.changesCount == 1
        }
    }

    func undo(
        _ account: SubjectID, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE external_login SET undone_at = ? WHERE account = ? AND undone_at IS NULL",
                arguments: [now, account.text])
            guard database.changesCount == 1 else { return nil }
            try database.execute(sql: "DELETE FROM member_link WHERE subject = ?", arguments: [account.text])
            // Launches go with their sessions.
            try SQLiteUserStore.endSessions(of: account, in: database)
            let entries = try SQLiteRevocationStore.endGrants(
                where: "subject = ?", account.text, because: .memberChanged, at: now, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            return RevocationOutcome(entries: entries)
        }
    }

    func relink(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool {
        try await attach(
            link, after: "UPDATE external_login SET undone_at = NULL WHERE account = ? AND undone_at IS NULL", record)
    }

    func restore(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool {
        try await attach(link, after: "UPDATE external_login SET undone_at = NULL WHERE account = ?", record)
    }

    /// Adds a link in one transaction with a statement that says whether it may be added.
    private func attach(
        _ link: MemberLink, after statement: String, _ record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.writeWithoutTransaction { database in
            var isDone = false
            try database.inTransaction(.immediate) {
                try database.execute(sql: statement, arguments: [link.subject.text])
                guard database.changesCount == 1, try SQLiteMemberLinkStore.insert(link, in: database) else {
                    return .rollback
                }
                try SQLiteAuditOutbox.insert(record, in: database)
                isDone = true
                return .commit
            }
            return isDone
        }
    }
}

extension ExternalLogin {
    fileprivate init(_ row: Row) {
        self.init(
            account: SubjectID(row["account"]),
            identity: ExternalIdentity(
                provider: row["provider"], issuer: row["issuer"], subject: row["subject"],
                identifier: row["identifier"]),
            createdAt: row["created_at"], lastLoginAt: row["last_login_at"], undoneAt: row["undone_at"])
    }
}

/// Keeps browsers on their way to a provider, and what providers said of sign-ins.
struct SQLitePendingLoginStore: PendingLoginStore {
    let pool: DatabasePool

    func insert(_ pending: PendingLogin) async throws {
        try await pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO pending_login (hash, session, provider, sealed_launch, max_age, expires_at)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    pending.hash.blob, pending.session.hash.blob, pending.provider, pending.sealedLaunch,
                    pending.maxAge, pending.expiresAt,
                ])
        }
    }

    func take(
        _ hash: SecretHash, session: SessionID, provider: String, at now: Int64
    ) async throws -> PendingLogin? {
        try await pool.write { database in
            let row = try Row.fetchOne(
                database,
                sql: """
                    DELETE FROM pending_login WHERE hash = ? AND session = ? AND provider = ? AND expires_at > ?
                    RETURNING sealed_launch, max_age, expires_at
                    """, arguments: [hash.blob, session.hash.blob, provider, now])
            return row.map { row in
                PendingLogin(
                    hash: hash, session: session, provider: provider, sealedLaunch: row["sealed_launch"],
                    maxAge: row["max_age"], expiresAt: row["expires_at"])
            }
        }
    }

    func keep(_ assurance: SessionAssurance) async throws {
        try await pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO session_assurance (session, provider, context, methods, sealed_hint)
                    SELECT id, ?, ?, ?, ? FROM session WHERE id = ?
                    ON CONFLICT (session) DO UPDATE SET provider = excluded.provider, context = excluded.context,
                        methods = excluded.methods, sealed_hint = excluded.sealed_hint
                    """,
                arguments: [
                    assurance.provider, assurance.context, assurance.methods.joined(separator: "\n"),
                    assurance.sealedHint, assurance.session.hash.blob,
                ])
        }
    }

    func assurance(of session: SessionID) async throws -> SessionAssurance? {
        try await pool.read { database in
            try Row.fetchOne(
                database, sql: "SELECT * FROM session_assurance WHERE session = ?", arguments: [session.hash.blob]
            ).map { row in
                SessionAssurance(
                    session: session, provider: row["provider"], context: row["context"],
                    methods: (row["methods"] as String).split(separator: "\n").map(String.init),
                    sealedHint: row["sealed_hint"])
            }
        }
    }
}
