public import Authorization
internal import GRDB

/// Why a database of ours is not opened.
public enum DatabaseRefusal: Error, Hashable, Sendable {
    /// It was written by a newer release, whose tables we do not know.
    case newer
    /// SQLite does not do what durability needs.
    case notDurable
}

/// The authorization server's state in one SQLite file.
///
/// Every change is one transaction at `synchronous = FULL`. Several processes may have it open; writers take turns.
public struct SQLiteAuthorizationDatabase: Sendable {
    let pool: DatabasePool

    /// Opens or makes the database at a path; refuses one from a newer release.
    public init(path: String) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.foreignKeysEnabled = true
        configuration.label = "authorization"
        try PrivateDatabaseFile.prepare(path)
        pool = try DatabasePool(path: path, configuration: configuration)
        let migrator = AuthorizationSchema.migrator
        guard try !pool.read(migrator.hasBeenSuperseded) else { throw DatabaseRefusal.newer }
        try migrator.migrate(pool)
        try pool.writeWithoutTransaction { database in
            // After opening, for setting up WAL leaves the writer at NORMAL.
            try database.execute(sql: "PRAGMA synchronous = FULL")
            guard try Int.fetchOne(database, sql: "PRAGMA synchronous") == 2,
                try String.fetchOne(database, sql: "PRAGMA journal_mode") == "wal"
            else { throw DatabaseRefusal.notDurable }
        }
    }

    /// The level of synchronisation of the connection that writes: 2 is FULL.
    public func synchronousLevel() throws -> Int {
        try pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") ?? 0 }
    }

    /// Closes the file; the stores cannot be used after it.
    public func close() throws { try pool.close() }

    /// All stores over this database.
    public var stores: AuthorizationStores {
        AuthorizationStores(
            clients: SQLiteClientStore(pool: pool), users: SQLiteUserStore(pool: pool),
            memberLinks: SQLiteMemberLinkStore(pool: pool), throttle: SQLiteLoginThrottleStore(pool: pool),
            secondFactors: SQLiteSecondFactorStore(pool: pool), sessions: SQLiteSessionStore(pool: pool),
            transactions: SQLiteTransactionStore(pool: pool),
            launches: SQLiteLaunchStore(pool: pool), grants: SQLiteGrantStore(pool: pool),
            consents: SQLiteConsentStore(pool: pool), codes: SQLiteCodeStore(pool: pool),
            refreshTokens: SQLiteRefreshTokenStore(pool: pool), revocations: SQLiteRevocationStore(pool: pool),
            referenceTokens: SQLiteReferenceTokenStore(pool: pool),
            pushedRequests: SQLitePushedRequestStore(pool: pool), replayCache: SQLiteReplayCache(pool: pool),
            keys: SQLiteKeyStore(pool: pool), exportJobs: SQLiteExportJobStore(pool: pool),
            externalLogins: SQLiteExternalLoginStore(pool: pool), pendingLogins: SQLitePendingLoginStore(pool: pool),
            outbox: SQLiteAuditOutbox(pool: pool), sweep: SQLiteExpirySweep(pool: pool))
    }
}
