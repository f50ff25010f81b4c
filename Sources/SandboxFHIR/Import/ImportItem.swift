internal import FHIRCore

/// One resource on its way into the store.
struct ImportItem {
    let file: String
    let place: String?
    var resource: JSONValue
    var fullURL: String?
    var ifNoneExist: String?
    /// The URL of a `PUT`, which names the resource.
    var putURL: String?
    /// Which resource it will be, once that is found out.
    private(set) var key: InstanceKey?
    /// Whether a resource that is there stands for it, so that nothing is written.
    private(set) var isMatched = false

    init(file: String, place: String?, resource: JSONValue) {
        self.file = file
        self.place = place
        self.resource = resource
    }

    /// The item with its identity: by `ifNoneExist`, the URL of a PUT, its own id, its urn:uuid, or a new id.
    func placed(in transaction: StoreTransaction) throws -> ImportItem {
        var item = self
        let type = try StoreTransaction.resourceType(of: resource)
        if let ifNoneExist, let match = try ImportItem.match(type, ifNoneExist, transaction) {
            item.key = match
            item.isMatched = true
            return item
        }
        let own = try ownID()
        if let putURL {
            item.key = try named(by: putURL, type: type, own: own, in: transaction)
        } else {
            item.key = InstanceKey(type: type, id: try own ?? ImportItem.uuid(fullURL) ?? transaction.freshID())
        }
        return item
    }

    private func ownID() throws -> ResourceID? {
        guard let member = resource["id"] else { return nil }
        guard let id = member.string.flatMap({ ResourceID($0) }) else {
            throw SandboxFailure.invalid("the id \(member.text) is not legal")
        }
        return id
    }

    private func named(by url: String, type: ResourceType, own: ResourceID?, in transaction: StoreTransaction) throws
        -> InstanceKey
    {
        let sides = url.split(separator: "?", maxSplits: 1).map(String.init)
        if sides.count == 2, sides[0] == type.rawValue {
            if let match = try ImportItem.match(type, sides[1], transaction) { return match }
            return InstanceKey(type: type, id: try own ?? ImportItem.uuid(fullURL) ?? transaction.freshID())
        }
        guard let target = ReferenceTarget(url), target.type == type.rawValue,
            let id = target.id.flatMap({ ResourceID($0) })
        else { throw SandboxFailure.invalid("the URL `\(url)` of the PUT does not name a \(type.rawValue)") }
        guard own == nil || own == id else {
            throw SandboxFailure.invalid("the resource's id is not the one in the URL `\(url)` of its PUT")
        }
        return InstanceKey(type: type, id: id)
    }

    private static func uuid(_ fullURL: String?) -> ResourceID? {
        guard let fullURL, fullURL.hasPrefix("urn:uuid:") else { return nil }
        return ResourceID(fullURL.dropFirst("urn:uuid:".count))
    }

    private static func match(_ type: ResourceType, _ query: String, _ transaction: StoreTransaction) throws
        -> InstanceKey?
    {
        let matches = try engine(transaction).matches(type, try QueryString(parsing: query))
        if matches.count > 1 { throw SandboxFailure.severalMatches("several resources match `\(query)`") }
        return matches.first?.key
    }

    /// An import knows no address of its own.
    private static func engine(_ transaction: StoreTransaction) -> SearchEngine {
        SearchEngine(
            transaction: transaction, ownBase: "", limits: SandboxConfiguration(databasePath: nil, port: 0))
    }

    /// Replaces the conditional references that find something; returns what was wrong with the others.
    mutating func resolveConditions(in transaction: StoreTransaction) throws -> [String] {
        if isMatched { return [] }
        var failures: [String] = []
        let resolver = ConditionalReference(search: ImportItem.engine(transaction))
        resource = try resource.mappingLinks { text in
            do {
                return try resolver.resolve(text) ?? text
            } catch let failure as SandboxFailure where failure.status < 500 {
                failures.append(failure.diagnostics)
                return text
            }
        }
        return failures
    }
}
