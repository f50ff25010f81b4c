internal import FHIRCore
internal import GRDB

/// The store inside one database transaction: what reads and writes are made of.
struct StoreTransaction {
    let db: Database
    let registry: ParameterRegistry
    let now: @Sendable () -> Int64
    let newIdentifier: @Sendable () -> String

    // MARK: Reading

    /// The current version; it can be a deletion.
    func current(_ key: InstanceKey) throws -> StoredResource? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT r.type, r.id, v.version, v.updated, v.deleted, v.method, v.body FROM resource r
                JOIN version v ON v.resource = r.pk AND v.version = r.version WHERE r.type = ? AND r.id = ?
                """)
        return try Row.fetchOne(statement, arguments: [key.type.rawValue, key.id.text]).map(StoreTransaction.stored)
    }

    /// One version by its number.
    func version(_ number: Int, of key: InstanceKey) throws -> StoredResource? {
        try versions(of: key, where: "AND v.version = ?", [number]).first
    }

    /// All versions, newest first.
    func versions(of key: InstanceKey) throws -> [StoredResource] {
        try versions(of: key, where: "", [])
    }

    private func versions(of key: InstanceKey, where condition: String, _ extra: StatementArguments) throws
        -> [StoredResource]
    {
        let arguments: StatementArguments = [key.type.rawValue, key.id.text]
        return try Row.fetchAll(
            db,
            sql: """
                SELECT r.type, r.id, v.version, v.updated, v.deleted, v.method, v.body FROM resource r
                JOIN version v ON v.resource = r.pk WHERE r.type = ? AND r.id = ? \(condition) ORDER BY v.version DESC
                """, arguments: arguments + extra
        ).map(StoreTransaction.stored)
    }

    func counts() throws -> [ResourceType: Int] {
        let rows = try Row.fetchAll(db, sql: "SELECT type, COUNT(*) FROM resource WHERE deleted = 0 GROUP BY type")
        return try Dictionary(uniqueKeysWithValues: rows.map { row in (try StoreTransaction.type(row[0]), row[1]) })
    }

    /// A stored version from a row of type, id, version, updated, deleted, method, body.
    static func stored(_ row: Row) throws -> StoredResource {
        let name: String = row[1]
        guard let id = ResourceID(name) else { throw damaged("the id `\(name)`") }
        return StoredResource(
            key: InstanceKey(type: try type(row[0]), id: id), version: row[2], lastUpdated: row[3],
            isDeleted: row[4], body: IndexWriter.bytes(row[6]), method: row[5])
    }

    static func type(_ name: String) throws -> ResourceType {
        guard let type = ResourceType(rawValue: name) else { throw damaged("the type `\(name)`") }
        return type
    }

    private static func damaged(_ what: String) -> SandboxFailure {
        SandboxFailure(status: 500, issueCode: "exception", diagnostics: "\(what) in the database is not legal")
    }

    // MARK: Writing

    /// An id that the server gives.
    func freshID() throws -> ResourceID {
        guard let id = ResourceID(newIdentifier()) else {
            throw SandboxFailure(status: 500, issueCode: "exception", diagnostics: "the made id is not legal")
        }
        return id
    }

    /// Writes a new version of a resource, with its id and meta set, and indexes it.
    func put(_ resource: JSONValue, at key: InstanceKey, method: String) throws -> WrittenResource {
        let known = try place(of: key)
        let version = (known?.version ?? 0) + 1
        let updated = now()
        let tree = StoreTransaction.stamped(resource, key: key, version: version, updated: updated)
        let stored = StoredResource(
            key: key, version: version, lastUpdated: updated, isDeleted: false, body: tree.serialized, method: method)
        let pk = try write(stored, at: known?.pk)
        try IndexWriter(db: db).replace(entries(of: tree, type: key.type), of: pk, isNew: known == nil)
        return WrittenResource(resource: stored, isNew: known?.isDeleted ?? true)
    }

    /// Writes a deletion as a new version and takes the resource out of the indexes.
    @discardableResult func delete(_ key: InstanceKey) throws -> StoredResource {
        guard let known = try place(of: key) else { throw SandboxFailure.notFound("\(key) is not known") }
        let stored = StoredResource(
            key: key, version: known.version + 1, lastUpdated: now(), isDeleted: true, body: [], method: "DELETE")
        let pk = try write(stored, at: known.pk)
        try IndexWriter(db: db).replace([], of: pk, isNew: false)
        return stored
    }

    /// Whether the current version of a resource has exactly this content, but for what the server sets.
    func holds(_ resource: JSONValue, at key: InstanceKey) throws -> Bool {
        guard let current = try current(key), !current.isDeleted else { return false }
        let tree = StoreTransaction.stamped(
            resource, key: key, version: current.version, updated: current.lastUpdated)
        return tree.serialized == current.body
    }

    private struct Place {
        let pk: Int64
        let version: Int
        let isDeleted: Bool
    }

    private func place(of key: InstanceKey) throws -> Place? {
        let statement = try db.cachedStatement(
            sql: "SELECT pk, version, deleted FROM resource WHERE type = ? AND id = ?")
        return try Row.fetchOne(statement, arguments: [key.type.rawValue, key.id.text])
            .map { Place(pk: $0[0], version: $0[1], isDeleted: $0[2]) }
    }

    private func write(_ stored: StoredResource, at known: Int64?) throws -> Int64 {
        let pk: Int64
        if let known {
            try db.cachedStatement(sql: "UPDATE resource SET version = ?, updated = ?, deleted = ? WHERE pk = ?")
                .execute(arguments: [stored.version, stored.lastUpdated, stored.isDeleted, known])
            pk = known
        } else {
            try db.cachedStatement(
                sql: "INSERT INTO resource (type, id, version, updated, deleted) VALUES (?, ?, ?, ?, ?)"
            ).execute(arguments: [
                stored.key.type.rawValue, stored.key.id.text, stored.version, stored.lastUpdated, stored.isDeleted,
            ])
            pk = db.lastInsertedRowID
        }
        try db.cachedStatement(
            sql: "INSERT INTO version (resource, version, updated, deleted, method, body) VALUES (?, ?, ?, ?, ?, ?)"
        ).execute(arguments: [
            pk, stored.version, stored.lastUpdated, stored.isDeleted, stored.method, IndexWriter.blob(stored.body),
        ])
        return pk
    }

    private func entries(of tree: JSONValue, type: ResourceType) -> [(key: Int64, entry: IndexEntry)] {
        registry.parameters(for: type).byCode.values.flatMap { $0.entries(in: tree) }
    }

    // MARK: Trees

    /// Reads a body as JSON.
    static func parse(_ bytes: [UInt8]) throws -> JSONValue {
        do {
            return try JSONValue(parsing: bytes, limits: limits)
        } catch {
            throw SandboxFailure(
                status: 400, issueCode: "structure", diagnostics: "the body is not JSON that can be read: \(error)")
        }
    }

    /// Bundles of a whole life are larger than what the enforcer lets through, so the limit is the sandbox's own.
    static let limits: JSONLimits = {
        var limits = JSONLimits.default
        limits.maxBytes = 1 << 30
        return limits
    }()

    /// The type that a resource says it is.
    static func resourceType(of tree: JSONValue) throws -> ResourceType {
        guard case .object = tree else { throw SandboxFailure.invalid("the resource is not a JSON object") }
        guard let name = tree["resourceType"]?.string else {
            throw SandboxFailure.invalid("the resource has no `resourceType`")
        }
        guard let type = ResourceType(rawValue: name) else {
            throw SandboxFailure.invalid("`\(name)` is not a resource type of R4")
        }
        if let meta = tree["meta"], meta.object == nil {
            throw SandboxFailure.invalid("the `meta` of the resource is not an object")
        }
        return type
    }

    /// The resource with the id, version and time that the server gives it (FHIR R4 resource §2.27.3).
    private static func stamped(_ resource: JSONValue, key: InstanceKey, version: Int, updated: Int64) -> JSONValue {
        guard case .object(let members) = resource else { return resource }
        var meta = resource["meta"] ?? .object([])
        if case .object = meta {} else { meta = .object([]) }
        meta = meta.setting("versionId", to: .string(String(version)))
            .setting("lastUpdated", to: .string(FHIRTime.instant(updated)))
        let head = JSONTree.object([
            ("resourceType", .string(key.type.rawValue)), ("id", .string(key.id.text)), ("meta", meta),
        ])
        guard case .object(let headMembers) = head else { return resource }
        let placed: Set<String> = ["resourceType", "id", "meta"]
        return .object(headMembers + members.filter { !placed.contains($0.name) })
    }
}
