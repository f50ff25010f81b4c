internal import AccessPolicy
internal import Audit
internal import Authorization
internal import GRDB

/// What the configuration says of accounts.
extension SQLiteUserStore {
    func applied(to subject: SubjectID) async throws -> AppliedConfiguration? {
        try await pool.read { try Self.applied(to: subject, in: $0) }
    }

    func apply(
        _ change: ConfiguredChange, at now: Int64, records: [AuthorizationRecord]
    ) async throws -> RevocationOutcome? {
        try await pool.write { database in
            let subject = change.subject
            let stored = try String.fetchOne(
                database, sql: "SELECT roles FROM user_account WHERE subject = ?", arguments: [subject.text])
            guard let stored, try Self.applied(to: subject, in: database) == change.before,
                AppliedConfiguration(
                    roles: try Self.roles(stored), link: try SQLiteMemberLinkStore.link(of: subject, in: database))
                    == change.seen
            else { return nil }
            try Self.note(change.applied, for: subject, in: database)
            if let roles = change.roles {
                try database.execute(
                    sql: "UPDATE user_account SET roles = ? WHERE subject = ?",
                    arguments: [Self.text(roles), subject.text])
                try Self.endSessions(of: subject, in: database)
            }
            var entries: [Revocation] = []
            if let person = change.person {
                try database.execute(sql: "DELETE FROM member_link WHERE subject = ?", arguments: [subject.text])
                entries = try SQLiteMemberLinkStore.endAccess(of: subject, at: now, in: database)
                if let link = person.link, try !SQLiteMemberLinkStore.insert(link, in: database) {
                    throw CorruptRow("member link")
                }
            }
            for record in records { try SQLiteAuditOutbox.insert(record, in: database) }
            return RevocationOutcome(entries: entries)
        }
    }

    static func note(_ applied: AppliedConfiguration, for subject: SubjectID, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO configured_account (subject, roles, person) VALUES (?, ?, ?)
                ON CONFLICT (subject) DO UPDATE SET roles = excluded.roles, person = excluded.person
                """, arguments: [subject.text, text(applied.roles), applied.person])
    }

    static func roles(_ text: String) throws -> Set<UserRole> {
        Set(try text.split(separator: " ").map { try UserRole(rawValue: String($0)).orCorrupt("role") })
    }

    private static func applied(to subject: SubjectID, in database: Database) throws -> AppliedConfiguration? {
        try Row.fetchOne(
            database, sql: "SELECT roles, person FROM configured_account WHERE subject = ?", arguments: [subject.text]
        ).map { AppliedConfiguration(roles: try roles($0["roles"]), person: $0["person"]) }
    }
}
