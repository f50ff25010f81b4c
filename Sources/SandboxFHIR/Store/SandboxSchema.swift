internal import GRDB

/// The tables of the sandbox: resources, their versions, and one index table per kind of search parameter.
enum SandboxSchema {
    static func migrate(_ writer: any DatabaseWriter) throws {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("001 resources and indexes") { db in
            try db.execute(sql: resources)
            try db.execute(sql: indexes)
        }
        try migrator.migrate(writer)
    }

    private static let resources = """
        CREATE TABLE resource (
            pk INTEGER PRIMARY KEY, type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
            updated INTEGER NOT NULL, deleted INTEGER NOT NULL, UNIQUE (type, id)
        );
        CREATE INDEX resource_updated ON resource (type, updated);
        CREATE TABLE version (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, resource INTEGER NOT NULL REFERENCES resource (pk),
            version INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER NOT NULL, method TEXT NOT NULL,
            body BLOB NOT NULL, UNIQUE (resource, version)
        );
        """

    /// `param` is `IndexedParameter.key`, which names the type too.
    private static let indexes = """
        CREATE TABLE token_index (resource INTEGER NOT NULL, param INTEGER NOT NULL, system TEXT, code TEXT, text TEXT);
        CREATE INDEX token_value ON token_index (param, code, system, resource);
        CREATE INDEX token_resource ON token_index (resource);

        CREATE TABLE reference_index (resource INTEGER NOT NULL, param INTEGER NOT NULL, base TEXT NOT NULL,
            target_type TEXT, target_id TEXT, url TEXT NOT NULL);
        CREATE INDEX reference_target ON reference_index (param, target_id, target_type, base, resource);
        CREATE INDEX reference_url ON reference_index (param, url, resource);
        CREATE INDEX reference_resource ON reference_index (resource, param);

        CREATE TABLE string_index (resource INTEGER NOT NULL, param INTEGER NOT NULL, value TEXT NOT NULL,
            exact TEXT NOT NULL);
        CREATE INDEX string_value ON string_index (param, value, resource);
        CREATE INDEX string_resource ON string_index (resource);

        CREATE TABLE date_index (resource INTEGER NOT NULL, param INTEGER NOT NULL, low INTEGER NOT NULL,
            high INTEGER NOT NULL);
        CREATE INDEX date_value ON date_index (param, low, high, resource);
        CREATE INDEX date_resource ON date_index (resource);

        CREATE TABLE uri_index (resource INTEGER NOT NULL, param INTEGER NOT NULL, value TEXT NOT NULL);
        CREATE INDEX uri_value ON uri_index (param, value, resource);
        CREATE INDEX uri_resource ON uri_index (resource);

        CREATE TABLE number_index (resource INTEGER NOT NULL, param INTEGER NOT NULL, low REAL NOT NULL,
            high REAL NOT NULL);
        CREATE INDEX number_value ON number_index (param, low, high, resource);
        CREATE INDEX number_resource ON number_index (resource);

        CREATE TABLE quantity_index (resource INTEGER NOT NULL, param INTEGER NOT NULL, low REAL NOT NULL,
            high REAL NOT NULL, system TEXT, code TEXT, unit TEXT);
        CREATE INDEX quantity_value ON quantity_index (param, low, high, resource);
        CREATE INDEX quantity_resource ON quantity_index (resource);
        """
}
