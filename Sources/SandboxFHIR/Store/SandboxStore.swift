public import FHIRCore
internal import Foundation
internal import GRDB

/// The resources of the sandbox in SQLite: every version is kept, searches read an index filled at each write.
///
/// One writer and concurrent readers; a call returns when its transaction has ended. A class because it owns the
/// database connections and, when no path was given, the temporary file that goes with it.
public final class SandboxStore: Sendable {
    private let pool: DatabasePool
    private let temporaryFolder: URL?
    private let now: @Sendable () -> Int64
    private let newIdentifier: @Sendable () -> String
    let registry = ParameterRegistry()

    /// Opens the file at `path`, made when it is not there; without a path, a temporary one that lives with the store.
    public convenience init(path: String?) throws {
        try self.init(
            path: path, now: { Int64((Date().timeIntervalSince1970 * 1000).rounded(.down)) },
            newIdentifier: { UUID().uuidString.lowercased() })
    }

    /// Opens a store whose clock (milliseconds since 1970) and source of ids are given.
    public init(
        path: String?, now: @escaping @Sendable () -> Int64, newIdentifier: @escaping @Sendable () -> String
    ) throws {
        self.now = now
        self.newIdentifier = newIdentifier
        var file = path
        if path == nil {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
                "sandbox-fhir-\(UUID().uuidString)", isDirectory: true)
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            temporaryFolder = folder
            file = folder.appendingPathComponent("sandbox.sqlite").path
        } else {
            temporaryFolder = nil
        }
        var configuration = Configuration()
        configuration.maximumReaderCount = 4
        configuration.busyMode = .timeout(10)
        pool = try DatabasePool(path: file ?? "", configuration: configuration)
        try SandboxSchema.migrate(pool)
    }

    deinit {
        guard let temporaryFolder else { return }
        // Nothing can be told from here; what stays behind is the system's temporary folder's to clear.
        try? pool.close()
        try? FileManager.default.removeItem(at: temporaryFolder)
    }

    /// Runs `body` on one consistent state of the store, beside other readers and the writer.
    func read<Value>(_ body: (StoreTransaction) throws -> Value) throws -> Value {
        try pool.read { db in try body(transaction(db)) }
    }

    /// Runs `body` as the only writer; what it wrote is undone when it throws.
    func write<Value>(_ body: (StoreTransaction) throws -> Value) throws -> Value {
        try pool.write { db in try body(transaction(db)) }
    }

    private func transaction(_ db: Database) -> StoreTransaction {
        StoreTransaction(db: db, registry: registry, now: now, newIdentifier: newIdentifier)
    }
}

// MARK: - Direct use, without HTTP

extension SandboxStore {
    /// Stores a new resource under an id of the server's making.
    @discardableResult public func create(_ resource: [UInt8]) throws -> StoredResource {
        let tree = try StoreTransaction.parse(resource)
        return try write { transaction in
            let type = try StoreTransaction.resourceType(of: tree)
            return try transaction.put(tree, at: InstanceKey(type: type, id: transaction.freshID()), method: "POST")
                .resource
        }
    }

    /// Stores a resource under its own id, as a new version when there is one already.
    @discardableResult public func update(_ resource: [UInt8]) throws -> StoredResource {
        let tree = try StoreTransaction.parse(resource)
        return try write { transaction in
            let type = try StoreTransaction.resourceType(of: tree)
            guard let id = tree["id"]?.string.flatMap({ ResourceID($0) }) else {
                throw SandboxFailure.invalid("an update needs a resource with a legal `id`")
            }
            return try transaction.put(tree, at: InstanceKey(type: type, id: id), method: "PUT").resource
        }
    }

    /// Deletes a resource; its versions stay. False when it is not there.
    @discardableResult public func delete(_ key: InstanceKey) throws -> Bool {
        try write { transaction in
            guard let current = try transaction.current(key), !current.isDeleted else { return false }
            try transaction.delete(key)
            return true
        }
    }

    /// The current version, `nil` when there never was one; it can be a deletion.
    public func current(_ key: InstanceKey) throws -> StoredResource? {
        try read { try $0.current(key) }
    }

    /// All versions, newest first.
    public func history(_ key: InstanceKey) throws -> [StoredResource] {
        try read { try $0.versions(of: key) }
    }

    /// How many resources there are of each type, deleted ones not counted.
    public func counts() throws -> [ResourceType: Int] {
        try read { try $0.counts() }
    }
}
