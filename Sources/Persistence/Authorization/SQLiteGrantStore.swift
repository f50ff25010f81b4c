internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB
internal import OAuthCore

/// Keeps what was authorized.
struct SQLiteGrantStore: GrantStore {
    let pool: DatabasePool

    func grant(_ id: GrantID) async throws -> Grant? {
        try await pool.read { try Self.grant(id, in: $0) }
    }

    private static func grant(_ id: GrantID, in database: Database) throws -> Grant? {
        try Row.fetchOne(
            database.cachedStatement(sql: "SELECT * FROM access_grant WHERE id = ?"), arguments: [id.text]
        ).map { try Grant($0) }
    }

    func footing(of id: GrantID) throws -> GrantFooting? {
        try pool.read { database in
            guard let grant = try Self.grant(id, in: database) else { return nil }
            return GrantFooting(
                grant: grant, client: try SQLiteClientStore.client(grant.clientID, in: database),
                account: try grant.subject.flatMap { try SQLiteUserStore.user($0, in: database) },
                person: try grant.subject.flatMap { try SQLiteMemberLinkStore.person($0, in: database) })
        }
    }

    func grants(matching filter: GrantFilter, limit: Int) async throws -> [Grant] {
        try await pool.read { database in
            var conditions: [String] = []
            var arguments: StatementArguments = []
            func demand(_ column: String, _ value: String?) {
                guard let value else { return }
                conditions.append("\(column) = ?")
                arguments += [value]
            }
            demand("subject", filter.subject?.text)
            demand("client_id", filter.clientID?.text)
            demand("patient", filter.patient?.text)
            if filter.onlyActive { conditions.append("revoked_at IS NULL") }
            if let now = filter.livingAt {
                conditions.append(Self.living)
                arguments += ["now": now]
            }
            if let place = filter.after {
                conditions.append("(created_at, id) < (?, ?)")
                arguments += [place.createdAt, place.id.text]
            }
            let condition = conditions.isEmpty ? "TRUE" : conditions.joined(separator: " AND ")
            return try Row.fetchAll(
                database,
                sql: "SELECT * FROM access_grant WHERE \(condition) ORDER BY created_at DESC, id DESC LIMIT ?",
                arguments: arguments + [limit]
            ).map { try Grant($0) }
        }
    }

    func insert(_ grant: Grant, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            guard try Self.insert(grant, in: database) else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    /// Inserts only while the client is active and the person's account enabled and not that of a login that was undone,
    /// judged by the same statement.
    static func insert(_ grant: Grant, in database: Database) throws -> Bool {
        try database.execute(
            sql: """
                INSERT INTO access_grant (id, client_id, subject, patient, scopes, launch, program, fhir_base, nonce,
                    authenticated_at, created_at, expires_at, authentication, needs_second_factor)
                SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14
                WHERE EXISTS (SELECT 1 FROM client WHERE id = ?2 AND status = 'active')
                    AND (?3 IS NULL OR EXISTS (SELECT 1 FROM user_account WHERE subject = ?3 AND is_disabled = 0))
                    AND NOT EXISTS (SELECT 1 FROM external_login WHERE account = ?3 AND undone_at IS NOT NULL)
                ON CONFLICT DO NOTHING
                """,
            arguments: [
                grant.id.text, grant.clientID.text, grant.subject?.text, grant.launch.patient?.text,
                try grant.scopes.writable(), grant.launch.stored.blob, grant.program.rawValue, grant.fhirBase,
                grant.nonce,
                grant.authenticatedAt, grant.createdAt, grant.expiresAt, grant.authentication?.stored.text,
                grant.needsSecondFactor,
            ])
        return database.changesCount == 1
    }

    /// Grants that can still give something.
    private static let living = """
        revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
            AND NOT EXISTS (SELECT 1 FROM refresh_family f WHERE f.grant_id = access_grant.id AND \(over))
        """

    /// Refresh families of which nothing will come any more: out of use, or of a session that has ended, and with the
    /// last access token over.
    private static let over = "f.last_used_at <= :now - \(ClientLifetimes.longestAccessToken) AND (\(idle) OR \(away))"
    private static let idle = "f.last_used_at + f.idle_limit <= :now"
    private static let away = """
        f.session IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM session s WHERE s.id = f.session AND s.expires_at > :now)
        """

    /// Date the end of grants that live by nothing any more, so that they are over and go in time. One for each index.
    static let endings =
        [idle, away].map { condition in
            ending(
                """
                SELECT f.grant_id FROM refresh_family f
                WHERE f.last_used_at <= :now - \(ClientLifetimes.longestAccessToken) AND \(condition)
                """)
        }
        // A code that nobody came for.
        + [ending("SELECT c.grant_id FROM code c WHERE :now - c.expires_at >= 86400 AND c.redeemed_at IS NULL")]

    private static func ending(_ grants: String) -> String {
        """
        UPDATE access_grant SET expires_at = :now
        WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now) AND id IN (\(grants))
        """
    }

    /// What a statement on a code or family demands of the grant it belongs to, and of the client.
    static let alive = """
        EXISTS (SELECT 1 FROM access_grant g JOIN client c ON c.id = g.client_id
            WHERE g.id = grant_id AND g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > :now)
                AND c.status = 'active')
        """
}

extension Grant {
    /// Scopes and context that cannot be read are as none, and the grant says so: it must not hide the others, nor keep
    /// anybody from ending it.
    fileprivate init(_ row: Row) throws {
        let scopes = try? ScopeSet(stored: row["scopes"])
        let launch = try? LaunchContext(stored: try JSONValue(blob: row["launch"]))
        let patient = (row["patient"] as String?).flatMap { ResourceID($0) }
        let revokedAt: Int64? = row["revoked_at"]
        let reason: String? = row["revocation_reason"]
        self.init(
            id: GrantID(row["id"]), clientID: ClientID(row["client_id"]),
            subject: (row["subject"] as String?).map { SubjectID($0) }, scopes: scopes ?? ScopeSet([]),
            launch: launch ?? LaunchContext(patient: patient),
            program: try APIProgram(rawValue: row["program"]).orCorrupt("program"), fhirBase: row["fhir_base"],
            nonce: row["nonce"], authenticatedAt: row["authenticated_at"],
            authentication: try AuthenticationContext(stored: row["authentication"]),
            needsSecondFactor: row["needs_second_factor"], createdAt: row["created_at"],
            expiresAt: row["expires_at"],
            revocation: try revokedAt.map {
                GrantRevocation(
                    at: $0, reason: try reason.flatMap { RevocationReason(rawValue: $0) }.orCorrupt("reason"))
            })
        isReadable = scopes != nil && launch != nil
    }
}

/// Keeps authorization codes.
struct SQLiteCodeStore: CodeStore {
    let pool: DatabasePool

    func code(_ hash: SecretHash) async throws -> CodeRecord? {
        try await pool.read { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT * FROM code WHERE hash = ?"), arguments: [hash.blob]
            ).map { try CodeRecord($0) }
        }
    }

    func issue(
        _ code: CodeRecord, for grant: Grant, closing: AuthorizationTransaction, by consent: GivenConsent,
        using launch: LaunchUse?, record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.writeWithoutTransaction { database in
            var isIssued = false
            try database.inTransaction(.immediate) {
                if case .recalled(let memory) = consent {
                    guard try SQLiteConsentStore.remembered(memory.key, in: database) == memory else {
                        return .rollback
                    }
                }
                guard try SQLiteTransactionStore.update(closing, in: database),
                    try SQLiteGrantStore.insert(grant, in: database),
                    try launch.map({ try SQLiteLaunchStore.use($0, at: grant.createdAt, in: database) }) ?? true
                else { return .rollback }
                try database.execute(
                    sql: """
                        INSERT INTO code
                            (hash, grant_id, client_id, redirect_uri, challenge, expires_at, session, proof_key)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        code.hash.blob, code.grantID.text, code.clientID.text, code.redirectURI,
                        code.challenge?.text, code.expiresAt, code.session?.hash.blob, code.proofKey,
                    ])
                if case .asked(let memory?) = consent { try SQLiteConsentStore.insert(memory, in: database) }
                try SQLiteAuditOutbox.insert(record, in: database)
                isIssued = true
                return .commit
            }
            return isIssued
        }
    }

    func redeem(
        _ hash: SecretHash, at now: Int64, opening family: RefreshFamily?, record: AuthorizationRecord
    ) async throws -> Redemption {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE code SET redeemed_at = :now
                    WHERE hash = :hash AND redeemed_at IS NULL AND burned_at IS NULL AND expires_at > :now
                        AND \(SQLiteGrantStore.alive)
                    """, arguments: ["now": now, "hash": hash.blob])
            guard database.changesCount == 1 else { return .refused }
            if let family {
                let session = try Data.fetchOne(
                    database, sql: "SELECT session FROM code WHERE hash = ?", arguments: [hash.blob]
                ).map { SessionID(hash: try SecretHash(blob: $0)) }
                try SQLiteRefreshTokenStore.insert(family.opened(in: session), in: database)
            }
            try SQLiteAuditOutbox.insert(record, in: database)
            return .redeemed
        }
    }

    func burn(_ hash: SecretHash, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE code SET burned_at = ? WHERE hash = ? AND redeemed_at IS NULL AND burned_at IS NULL",
                arguments: [now, hash.blob])
            guard database.changesCount == 1 else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }
}

extension CodeRecord {
    fileprivate init(_ row: Row) throws {
        let challenge: String? = row["challenge"]
        let state: State
        switch (row["redeemed_at"] as Int64?, row["burned_at"] as Int64?) {
        case (let at?, _): state = .redeemed(at: at)
        case (nil, let at?): state = .burned(at: at)
        case (nil, nil): state = .fresh
        }
        self.init(
            hash: try SecretHash(blob: row["hash"]), grantID: GrantID(row["grant_id"]),
            clientID: ClientID(row["client_id"]), redirectURI: row["redirect_uri"],
            challenge: try challenge.map { try CodeChallenge($0).orCorrupt("challenge") },
            expiresAt: row["expires_at"],
            session: try (row["session"] as Data?).map { SessionID(hash: try SecretHash(blob: $0)) },
            proofKey: row["proof_key"], state: state)
    }
}
