internal import AccessPolicy
internal import Authorization
internal import GRDB

/// Keeps the jobs of bulk exports. That revocation ends them is said by triggers of the schema.
struct SQLiteExportJobStore: ExportJobStore {
    let pool: DatabasePool

    func job(_ id: String) throws -> ExportJob? {
        try pool.read { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT * FROM export_job WHERE id = ?"), arguments: [id]
            ).map { try ExportJob($0) }
        }
    }

    func insert(_ job: ExportJob) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO export_job (
                        id, base, client_id, grant_id, path, query, target, started_at, expires_at, ending, attempts, due_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    job.id, job.base, job.client.text, job.grant.text, job.path, job.query, job.target, job.startedAt,
                    job.expiresAt, job.ending?.rawValue, job.attempts, job.dueAt,
                ])
            // A kick-off can be under way while its client is cut off.
            try database.execute(
                sql: """
                    UPDATE export_job SET ending = 'revoked' WHERE id = ? AND ending IS NULL AND (
                        EXISTS (SELECT 1 FROM client WHERE client.id = export_job.client_id AND status IN ('suspended', 'retired'))
                        OR EXISTS (SELECT 1 FROM access_grant WHERE access_grant.id = export_job.grant_id AND revoked_at IS NOT NULL))
                    """, arguments: [job.id])
            return database.changesCount == 0
        }
    }

    func locate(_ id: String, at target: String) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE export_job SET target = ? WHERE id = ? AND target = ''", arguments: [target, id])
            guard database.changesCount == 1 else { return false }
            let isOver = try Bool.fetchOne(
                database, sql: "SELECT ending IS NOT NULL FROM export_job WHERE id = ?", arguments: [id])
            return isOver == false
        }
    }

    func forget(_ id: String) async throws -> Bool {
        try await pool.write { database in
            // The schema lets nothing go that is not over.
            try database.execute(
                sql: "UPDATE export_job SET ending = 'deleted' WHERE id = ? AND target = '' AND ending IS NULL",
                arguments: [id])
            try database.execute(sql: "DELETE FROM export_job WHERE id = ? AND target = ''", arguments: [id])
            return database.changesCount == 1
        }
    }

    func unlocated() async throws -> [ExportJob] {
        try await pool.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM export_job WHERE target = '' ORDER BY started_at, id")
                .map { try ExportJob($0) }
        }
    }

    func end(_ id: String, because ending: ExportJob.Ending) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE export_job SET ending = ? WHERE id = ? AND ending IS NULL",
                arguments: [ending.rawValue, id])
            return database.changesCount == 1
        }
    }

    func endExpired(at now: Int64) async throws -> Int {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE export_job SET ending = 'expired' WHERE ending IS NULL AND expires_at <= ?",
                arguments: [now])
            return database.changesCount
        }
    }

    func due(at now: Int64, limit: Int) async throws -> [ExportJob] {
        try await pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM export_job WHERE ending IS NOT NULL AND target <> '' AND due_at <= ?
                    ORDER BY due_at, id LIMIT ?
                    """,
                arguments: [now, limit]
            ).map { try ExportJob($0) }
        }
    }

    func postpone(_ id: String, until moment: Int64) async throws {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE export_job SET attempts = attempts + 1, due_at = ? WHERE id = ? AND ending IS NOT NULL",
                arguments: [moment, id])
        }
    }

    func remove(_ id: String) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "DELETE FROM export_job WHERE id = ? AND ending IS NOT NULL AND target <> ''", arguments: [id])
            return database.changesCount == 1
        }
    }
}

extension ExportJob {
    fileprivate init(_ row: Row) throws {
        let ending: String? = row["ending"]
        self.init(
            id: row["id"], base: row["base"], client: ClientID(row["client_id"]), grant: GrantID(row["grant_id"]),
            path: row["path"], query: row["query"], target: row["target"], startedAt: row["started_at"],
            expiresAt: row["expires_at"],
            ending: try ending.map { try Ending(rawValue: $0).orCorrupt("ending") }, attempts: row["attempts"],
            dueAt: row["due_at"])
    }
}
