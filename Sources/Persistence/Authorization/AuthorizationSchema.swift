internal import GRDB

/// The tables of the authorization server. Migrations are only ever added; the constraints are the last line of
/// defence: what a use-case must never do, the database refuses.
enum AuthorizationSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("001 registry") { try $0.execute(sql: registry) }
        migrator.registerMigration("002 launches") { try $0.execute(sql: launches) }
        migrator.registerMigration("003 grants") { try $0.execute(sql: grants) }
        migrator.registerMigration("004 operation") { try $0.execute(sql: operation) }
        migrator.registerMigration("audit 1 checkpoint key") { try $0.execute(sql: checkpointKey) }
        migrator.registerMigration("005 EHR launches") { try $0.execute(sql: ehrLaunches) }
        migrator.registerMigration("006 reference tokens") { try $0.execute(sql: referenceTokens) }
        migrator.registerMigration("007 remembered consents") { try $0.execute(sql: consents) }
        migrator.registerMigration("008 announced keys") { try $0.execute(sql: announcedKeys) }
        migrator.registerMigration("009 proof keys and pushed requests") { try $0.execute(sql: proofs) }
        // A successor that was given to nobody does not make the token before it a stolen one.
        migrator.registerMigration("010 refresh delivery") {
            try $0.execute(
                sql: """
                    ALTER TABLE refresh_family
                    ADD COLUMN is_delivered INTEGER NOT NULL DEFAULT 1 CHECK (is_delivered IN (0, 1))
                    """)
        }
        migrator.registerMigration("011 second factors") { try $0.execute(sql: secondFactors) }
        migrator.registerMigration("012 external logins") { try $0.execute(sql: externalLogins) }
        migrator.registerMigration("013 client secrets") { try $0.execute(sql: clientSecrets) }
        migrator.registerMigration("014 export jobs") { try $0.execute(sql: exportJobs) }
        migrator.registerMigration("015 grants that end") { try $0.execute(sql: endings) }
        migrator.registerMigration("016 exceptions with an end") { try $0.execute(sql: exceptions) }
        migrator.registerMigration("017 access holds") { try $0.execute(sql: holds) }
        // A key that waits is its session's; one of an older release is nobody's.
        migrator.registerMigration("018 waiting factors of sessions") {
            try $0.execute(
                sql: "ALTER TABLE second_factor ADD COLUMN session BLOB CHECK (length(session) = 32)")
        }
        migrator.registerMigration("019 known networks") { try $0.execute(sql: knownNetworks) }
        migrator.registerMigration("020 configured accounts") { try $0.execute(sql: configuredAccounts) }
        migrator.registerMigration("021 proof keys of codes") {
            try $0.execute(sql: "ALTER TABLE code ADD COLUMN proof_key TEXT CHECK (length(proof_key) = 43)")
        }
        migrator.registerMigration("sign-in 1 asked factors") { try $0.execute(sql: askedFactors) }
        migrator.registerMigration("sign-in 2 announced lockouts") { try $0.execute(sql: announcedLockouts) }
        migrator.registerMigration("sign-in 3 suspended keys") { try $0.execute(sql: suspendedKeys) }
        migrator.registerMigration("sign-in 4 places of suspended keys") {
            try $0.execute(sql: suspendedKeyPlaces)
        }
        return migrator
    }
}
