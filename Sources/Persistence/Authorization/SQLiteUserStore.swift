internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import GRDB

/// Keeps the local accounts.
struct SQLiteUserStore: UserStore {
    let pool: DatabasePool

    func user(named username: String) async throws -> UserAccount? {
        // SQLite takes a text only up to its first NUL, so what was found is compared with what was asked for.
        let found = try await pool.read {
            try Self.first(sql: "SELECT * FROM user_account WHERE username = ?", username, in: $0)
        }
        return found.flatMap { $0.username.utf8.elementsEqual(username.utf8) ? $0 : nil }
    }

    func user(_ subject: SubjectID) async throws -> UserAccount? {
        try await pool.read { try Self.user(subject, in: $0) }
    }

    static func user(_ subject: SubjectID, in database: Database) throws -> UserAccount? {
        let found = try first(sql: "SELECT * FROM user_account WHERE subject = ?", subject.text, in: database)
        return found.flatMap { $0.subject.text.utf8.elementsEqual(subject.text.utf8) ? $0 : nil }
    }

    private static func first(sql: String, _ key: String, in database: Database) throws -> UserAccount? {
        try Row.fetchOne(database.cachedStatement(sql: sql), arguments: [key]).map { try UserAccount($0) }
    }

    func users() async throws -> [UserAccount] {
        try await pool.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM user_account ORDER BY username").map { try UserAccount($0) }
        }
    }

    func insert(
        _ user: UserAccount, link: MemberLink?, applied: AppliedConfiguration?, record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.write { database in
            guard try Self.insert(user, in: database) else { return false }
            if let link, try !SQLiteMemberLinkStore.insert(link, in: database) { throw CorruptRow("member link") }
            if let applied { try Self.note(applied, for: user.subject, in: database) }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    static func insert(_ user: UserAccount, in database: Database) throws -> Bool {
        try database.execute(
            sql: """
                INSERT INTO user_account
                    (subject, username, password_hash, display_name, roles, is_disabled, created_at)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """,
            arguments: [
                user.subject.text, user.username, user.passwordHash.encoded, user.displayName,
                Self.text(user.roles), user.isDisabled, user.createdAt,
            ])
        return database.changesCount == 1
    }

    func setPassword(
        _ hash: PasswordHash, of subject: SubjectID, record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE user_account SET password_hash = ? WHERE subject = ?",
                arguments: [hash.encoded, subject.text])
            guard database.changesCount == 1 else { return false }
            try Self.endSessions(of: subject, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func setRoles(
        _ roles: Set<UserRole>, of subject: SubjectID, record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE user_account SET roles = ? WHERE subject = ?",
                arguments: [Self.text(roles), subject.text])
            guard database.changesCount == 1 else { return false }
            try Self.endSessions(of: subject, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    static func text(_ roles: Set<UserRole>) -> String {
        roles.map(\.rawValue).sorted().joined(separator: " ")
    }

    static func endSessions(of subject: SubjectID, in database: Database) throws {
        try database.execute(
            sql: "DELETE FROM session WHERE subject = ?1 OR pending_subject = ?1", arguments: [subject.text])
    }

    func enable(_ subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE user_account SET is_disabled = 0 WHERE subject = ? AND is_disabled = 1",
                arguments: [subject.text])
            guard database.changesCount == 1 else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }
}

extension UserAccount {
    fileprivate init(_ row: Row) throws {
        self.init(
            subject: SubjectID(row["subject"]), username: row["username"],
            passwordHash: PasswordHash(encoded: row["password_hash"]), displayName: row["display_name"],
            roles: try SQLiteUserStore.roles(row["roles"]),
            isDisabled: row["is_disabled"], createdAt: row["created_at"])
    }
}

/// Keeps who an account is in FHIR.
struct SQLiteMemberLinkStore: MemberLinkStore {
    let pool: DatabasePool

    func subjects(of user: InstanceKey) async throws -> [SubjectID] {
        try await pool.read { database in
            try String.fetchAll(
                database, sql: "SELECT subject FROM member_link WHERE fhir_user = ? ORDER BY subject LIMIT 2",
                arguments: [user.description]
            ).map { SubjectID($0) }
        }
    }

    func link(for subject: SubjectID) async throws -> MemberLink? {
        try await pool.read { try Self.link(of: subject, in: $0) }
    }

    static func link(of subject: SubjectID, in database: Database) throws -> MemberLink? {
        guard let user = try person(subject, in: database) else { return nil }
        let patients = try Row.fetchAll(
            database, sql: "SELECT patient, label FROM member_link_patient WHERE subject = ? ORDER BY place",
            arguments: [subject.text])
        return MemberLink(
            subject: subject, fhirUser: user,
            patients: try patients.map { row in
                LinkedPatient(
                    id: try ResourceID(row["patient"] as String).orCorrupt("patient"), label: row["label"])
            })
    }

    static func person(_ subject: SubjectID, in database: Database) throws -> InstanceKey? {
        try String.fetchOne(
            database.cachedStatement(sql: "SELECT fhir_user FROM member_link WHERE subject = ?"),
            arguments: [subject.text]
        ).map { try InstanceKey(stored: $0) }
    }

    func insert(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            guard try Self.insert(link, in: database) else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    /// Ends what rests on who somebody was: their grants, and their launches.
    static func endAccess(of subject: SubjectID, at now: Int64, in database: Database) throws -> [Revocation] {
        // Whoever is in the middle of a launch begins again as who they are then.
        try database.execute(
            sql: "DELETE FROM launch WHERE session IN (SELECT id FROM session WHERE subject = ?)",
            arguments: [subject.text])
        return try SQLiteRevocationStore.endGrants(
            where: "subject = ?", subject.text, because: .memberChanged, at: now, in: database)
    }

    static func insert(_ link: MemberLink, in database: Database) throws -> Bool {
        try database.execute(
            sql: """
                INSERT INTO member_link (subject, fhir_user)
                SELECT subject, ? FROM user_account WHERE subject = ?
                ON CONFLICT DO NOTHING
                """, arguments: [link.fhirUser.description, link.subject.text])
        guard database.changesCount == 1 else { return false }
        for (place, patient) in link.patients.enumerated() {
            try database.execute(
                sql: "INSERT INTO member_link_patient (subject, patient, place, label) VALUES (?, ?, ?, ?)",
                arguments: [link.subject.text, patient.id.text, place, patient.label])
        }
        return true
    }

    func remove(
        linkOf subject: SubjectID, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        try await pool.write { database in
            try database.execute(sql: "DELETE FROM member_link WHERE subject = ?", arguments: [subject.text])
            guard database.changesCount == 1 else { return nil }
            let entries = try Self.endAccess(of: subject, at: now, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            return RevocationOutcome(entries: entries)
        }
    }
}
