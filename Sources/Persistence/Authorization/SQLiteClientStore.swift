internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB
internal import OAuthCore

/// Keeps the registered clients.
struct SQLiteClientStore: ClientStore {
    let pool: DatabasePool

    private static let selection = """
        SELECT client.*, (SELECT wildcards_until FROM client_exception e WHERE e.client_id = client.id)
            AS wildcards_until
        FROM client
        """

    func client(_ id: ClientID) async throws -> ClientRegistration? {
        try await pool.read { try Self.client(id, in: $0) }
    }

    static func client(_ id: ClientID, in database: Database) throws -> ClientRegistration? {
        try Row.fetchOne(
            database.cachedStatement(sql: "\(Self.selection) WHERE id = ?"), arguments: [id.text]
        ).map { try ClientRegistration($0) }
    }

    func clients() async throws -> [ClientRegistration] {
        try await pool.read { database in
            try Row.fetchAll(database, sql: "\(Self.selection) ORDER BY id").map { try ClientRegistration($0) }
        }
    }

    func insert(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO client (status, is_trusted, secret_hash, secret_expires_at, second_secret_hash,
                        second_secret_expires_at, metadata, approved_scopes, profile,
                        profile_until, program, assertion_audience, access_lifetime, refresh_idle, refresh_absolute,
                        reference_tokens, revision, id)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (id) DO NOTHING
                    """, arguments: try client.columns() + [client.id.text])
            guard database.changesCount == 1 else { return false }
            try Self.keepException(of: client, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func replace(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE client SET status = ?, is_trusted = ?, secret_hash = ?, secret_expires_at = ?,
                        second_secret_hash = ?, second_secret_expires_at = ?, metadata = ?, approved_scopes = ?,
                        profile = ?, profile_until = ?, program = ?, assertion_audience = ?, access_lifetime = ?,
                        refresh_idle = ?, refresh_absolute = ?, reference_tokens = ?, revision = ?
                    WHERE id = ? AND revision = ? AND status <> 'retired'
                    """, arguments: try client.columns() + [client.id.text, client.revision - 1])
            guard database.changesCount == 1 else { return false }
            try Self.keepException(of: client, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func suspendKeys(
        _ thumbprints: Set<String>, of client: ClientID, publishedAt location: String, at now: Int64,
        record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.write { database in
            var isNew = false
            for thumbprint in thumbprints.sorted() {
                try database.execute(
                    sql: """
                        INSERT INTO suspended_key (client_id, thumbprint, suspended_at) VALUES (?, ?, ?)
                        ON CONFLICT DO NOTHING
                        """, arguments: [client.text, thumbprint, now])
                if database.changesCount > 0 { isNew = true }
                try database.execute(
                    sql: """
                        INSERT INTO suspended_key_place (location, thumbprint, suspended_at) VALUES (?, ?, ?)
                        ON CONFLICT DO NOTHING
                        """, arguments: [location, thumbprint, now])
                if database.changesCount > 0 { isNew = true }
            }
            guard isNew else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func suspendedKeys(of client: ClientID, publishedAt location: String?) async throws -> Set<String> {
        try await pool.read { database in
            Set(
                try String.fetchAll(
                    database.cachedStatement(
                        sql: """
                            SELECT thumbprint FROM suspended_key WHERE client_id = ?
                            UNION SELECT thumbprint FROM suspended_key_place WHERE location = ?
                            """),
                    arguments: [client.text, location]))
        }
    }

    private static func keepException(of client: ClientRegistration, in database: Database) throws {
        try database.execute(sql: "DELETE FROM client_exception WHERE client_id = ?", arguments: [client.id.text])
        guard let end = client.wildcardsUntil else { return }
        try database.execute(
            sql: "INSERT INTO client_exception (client_id, wildcards_until) VALUES (?, ?)",
            arguments: [client.id.text, end])
    }
}

extension ClientRegistration {
    /// All columns but the id, in the order of the statements above.
    fileprivate func columns() throws -> StatementArguments {
        let profileName: String
        let until: Int64?
        switch profile {
        case .smart22: (profileName, until) = ("smart-2.2", nil)
        case .smart20: (profileName, until) = ("smart-2.0", nil)
        case .smart10(let end): (profileName, until) = ("smart-1.0", end)
        }
        return [
            status.rawValue, isTrusted, secrets.first?.hash.blob, secrets.first?.expiresAt,
            secrets.dropFirst().first?.hash.blob, secrets.dropFirst().first?.expiresAt, metadata.json.blob,
            try approvedScopes.writable(), profileName, until,
            program.rawValue, assertionAudience.rawValue, lifetimes.accessToken, lifetimes.refreshIdle,
            lifetimes.refreshAbsolute, usesReferenceTokens, revision,
        ]
    }

    fileprivate init(_ row: Row) throws {
        let profile: ClientProfile
        switch row["profile"] as String {
        case "smart-2.2": profile = .smart22
        case "smart-2.0": profile = .smart20
        case "smart-1.0": profile = .smart10(until: row["profile_until"])
        default: throw CorruptRow("client profile")
        }
        self.init(
            id: ClientID(row["id"]),
            // What stands here was judged when it was registered, by the rules of this installation.
            metadata: try ClientMetadata(parsing: try JSONValue(blob: row["metadata"]), isDemonstration: true),
            status: try ClientStatus(rawValue: row["status"]).orCorrupt("client status"),
            isTrusted: row["is_trusted"],
            secrets: try [
                Self.secret(row["secret_hash"], until: row["secret_expires_at"]),
                Self.secret(row["second_secret_hash"], until: row["second_secret_expires_at"]),
            ].compactMap { $0 },
            approvedScopes: try ScopeSet(stored: row["approved_scopes"]), profile: profile,
            program: try APIProgram(rawValue: row["program"]).orCorrupt("program"),
            assertionAudience: try AssertionAudience(rawValue: row["assertion_audience"]).orCorrupt("audience"),
            lifetimes: ClientLifetimes(
                accessToken: row["access_lifetime"], refreshIdle: row["refresh_idle"],
                refreshAbsolute: row["refresh_absolute"]),
            usesReferenceTokens: row["reference_tokens"], revision: row["revision"])
        wildcardsUntil = row["wildcards_until"]
    }

    private static func secret(_ hash: Data?, until expiresAt: Int64?) throws -> ClientSecret? {
        try hash.map { ClientSecret(hash: try SecretHash(blob: $0), expiresAt: expiresAt) }
    }
}
