internal import FHIRCore

/// One run of an import: what has been loaded, what waits for a reference, what went wrong.
struct ImportSession {
    private let store: SandboxStore
    private(set) var report = ImportReport()
    /// Resources with a conditional reference that nothing matched so far.
    private var waiting: [ImportItem] = []
    private var references: [String: ImportReport.DanglingReference] = [:]

    init(store: SandboxStore) { self.store = store }

    /// Notes something that was not loaded, or not as it stood.
    mutating func problem(_ file: String, _ place: String?, _ reason: String) {
        report.problems.append(ImportReport.Problem(file: file, place: place, reason: reason))
    }

    // MARK: Documents

    /// Loads a Bundle or a single resource.
    mutating func loadJSON(_ bytes: [UInt8], file: String) throws {
        guard let tree = parsed(bytes, file: file, place: nil) else { return }
        report.filesRead += 1
        guard tree["resourceType"] == "Bundle" else {
            return try load([ImportItem(file: file, place: nil, resource: tree)])
        }
        switch tree["type"]?.string {
        case "transaction", "batch", "collection", "searchset":
            let entries = tree["entry"]?.flattened ?? []
            try load(entries.enumerated().compactMap { item($0.element, number: $0.offset, file: file) })
        case let type:
            problem(file, nil, "a Bundle of type `\(type ?? "")` is not a set of resources to load")
        }
    }

    /// Loads one resource a line.
    mutating func loadLines(_ bytes: [UInt8], file: String) throws {
        var items: [ImportItem] = []
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where !line.allSatisfy(ImportSession.isBlank) {
            let place = "line \(index + 1)"
            guard let tree = parsed(Array(line), file: file, place: place) else { continue }
            items.append(ImportItem(file: file, place: place, resource: tree))
        }
        report.filesRead += 1
        try load(items)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0d || byte == 0x09 }

    private mutating func parsed(_ bytes: [UInt8], file: String, place: String?) -> JSONValue? {
        do {
            return try JSONValue(parsing: bytes, limits: StoreTransaction.limits)
        } catch {
            problem(file, place, "not JSON that can be read: \(error)")
            return nil
        }
    }

    /// The resource of an entry with what its `request` asks for; an entry that brings none is noted.
    private mutating func item(_ entry: JSONValue, number: Int, file: String) -> ImportItem? {
        let place = "entry[\(number)]"
        let method = entry["request"]?["method"]?.string
        guard let resource = entry["resource"] else {
            problem(file, place, "the entry has no resource (\(method ?? "no request")); only resources are loaded")
            return nil
        }
        if entry["search"]?["mode"] == "outcome" {
            problem(file, place, "an outcome of a search is not a record")
            return nil
        }
        var item = ImportItem(file: file, place: place, resource: resource)
        item.fullURL = entry["fullUrl"]?.string
        item.ifNoneExist = entry["request"]?["ifNoneExist"]?.string
        if method == "PUT" { item.putURL = entry["request"]?["url"]?.string }
        if let method, method != "PUT", method != "POST" {
            problem(file, place, "a `\(method)` is not performed by an import")
            return nil
        }
        return item
    }

    // MARK: Loading

    /// Loads the items of one document in one transaction of the store.
    private mutating func load(_ items: [ImportItem]) throws {
        var session = self
        try store.write { transaction in
            var placed: [ImportItem] = []
            for item in items {
                if let item = try session.placed(item, in: transaction) { placed.append(item) }
            }
            let links = TransactionLinks(placed.compactMap { item in item.key.map { (item.fullURL, $0) } })
            for index in placed.indices { placed[index].resource = links.rewrite(placed[index].resource) }
            session.waiting += try session.write(placed, in: transaction)
        }
        self = session
    }

    /// Finds out which resource an item is; `nil` when it cannot be loaded.
    private mutating func placed(_ item: ImportItem, in transaction: StoreTransaction) throws -> ImportItem? {
        do {
            return try item.placed(in: transaction)
        } catch let failure as SandboxFailure where failure.status < 500 {
            problem(item.file, item.place, failure.diagnostics)
            return nil
        }
    }

    /// Writes what can be written and returns what waits for a conditional reference.
    private mutating func write(_ items: [ImportItem], in transaction: StoreTransaction) throws -> [ImportItem] {
        var left = items
        var before = Int.max
        // As long as each round brings something that another may have waited for.
        while !left.isEmpty, left.count < before {
            before = left.count
            var unresolved: [ImportItem] = []
            for var item in left {
                if try item.resolveConditions(in: transaction).isEmpty {
                    try write(item, in: transaction)
                } else {
                    unresolved.append(item)
                }
            }
            left = unresolved
        }
        return left
    }

    private mutating func write(_ item: ImportItem, in transaction: StoreTransaction) throws {
        guard let key = item.key else { return }
        var counts = report.byType[key.type] ?? ImportReport.Counts()
        if item.isMatched {
            counts.matched += 1
        } else if try transaction.holds(item.resource, at: key) {
            counts.unchanged += 1
        } else if try transaction.put(item.resource, at: key, method: item.putURL == nil ? "POST" : "PUT").isNew {
            counts.created += 1
        } else {
            counts.updated += 1
        }
        report.byType[key.type] = counts
        if !item.isMatched { note(item.resource, of: key) }
    }

    /// Remembers the references of a resource, to be looked up when everything is there.
    private mutating func note(_ value: JSONValue, of key: InstanceKey) {
        switch value {
        case .array(let elements): for element in elements { note(element, of: key) }
        case .object(let members):
            for member in members {
                if member.name == "reference", let text = member.value.string {
                    references[
                        text, default: ImportReport.DanglingReference(reference: text, firstSource: key, count: 0)
                    ].count += 1
                } else {
                    note(member.value, of: key)
                }
            }
        default: break
        }
    }

    // MARK: The end

    /// Writes what still waits, looks up the references, and gives the report.
    mutating func finish() throws -> ImportReport {
        var session = self
        try store.write { transaction in
            let left = try session.write(session.waiting, in: transaction)
            for var item in left {
                for reference in try item.resolveConditions(in: transaction) {
                    session.problem(item.file, item.place, "\(reference); the reference was loaded as it stood")
                }
                try session.write(item, in: transaction)
            }
            session.waiting = []
            session.report.danglingReferences = try session.dangling(in: transaction)
        }
        self = session
        return report
    }

    private func dangling(in transaction: StoreTransaction) throws -> [ImportReport.DanglingReference] {
        try references.values.filter { candidate in
            if candidate.reference.hasPrefix("urn:") || candidate.reference.contains("?") { return true }
            guard let target = ReferenceTarget(candidate.reference), target.base.isEmpty else { return false }
            guard let name = target.type, let type = ResourceType(rawValue: name),
                let id = target.id.flatMap({ ResourceID($0) })
            else { return true }
            return try transaction.current(InstanceKey(type: type, id: id))?.isDeleted ?? true
        }.sorted { $0.reference < $1.reference }
    }
}
