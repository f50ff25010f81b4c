internal import AccessPolicy
internal import FHIRCore

/// The names that the entries of a transaction have for one another, and what a body may say with them.
struct TransactionReferences: Sendable {
    /// New names of entries that create something, with its type: known to the protected server only. The client's own do
    /// not go on: a server could take one for the id of what it makes (ADR 92).
    private(set) var created: [String: ResourceType] = [:]
    /// The new names by the client's.
    private(set) var renamed: [String: String] = [:]
    private var fresh: EntryNames
    /// Names of entries whose instance is known.
    private var known: [String: InstanceKey] = [:]
    /// Instances that the transaction deletes.
    private var deleted: Set<InstanceKey> = []
    private let names: TransactionNames

    /// - Parameter seed: random bits of the request, from which the new names come.
    init(_ names: TransactionNames, seed: UInt128) {
        self.names = names
        fresh = EntryNames(seed: seed)
    }

    /// Takes the name of an entry. Throws when it is one that two readers could take for different things: a name is a
    /// `urn:`, or the address of the very instance that the entry writes.
    mutating func add(_ fullURL: String?, for request: CanonicalRequest) throws(RequestRefusal) {
        if case .delete(let key) = request.interaction { deleted.insert(key) }
        guard let fullURL else { return }
        let literal = LiteralReference(fullURL)
        if case .urn(let name) = literal {
            guard TransactionReferences.isURN(name) else { throw TransactionReferences.badName }
            switch request.interaction {
            case .create(let type):
                let new = fresh.name(for: name)
                created[new] = type
                renamed[name] = new
            case .update(let key), .patch(let key): known[name] = key
            default: break
            }
            return
        }
        guard let key = request.interaction.instance, names.key(literal) == key, fullURL.hasPrefix(names.publicBase)
        else { throw TransactionReferences.badName }
    }

    /// Takes the name of an entry whose resource was found to be there already.
    mutating func add(_ fullURL: String?, existing key: InstanceKey) throws(RequestRefusal) {
        guard let fullURL else { return }
        guard case .urn(let name) = LiteralReference(fullURL), TransactionReferences.isURN(name) else {
            throw TransactionReferences.badName
        }
        known[name] = key
    }

    /// The request with the names of known instances replaced by their addresses and those of new ones by new names, or nil
    /// when its body refers to what no entry is, to what the transaction deletes, or by a condition that the protected
    /// server would have to resolve.
    func resolving(_ request: CanonicalRequest) throws(RequestRefusal) -> CanonicalRequest? {
        guard case .resource(let body) = request.body else { return request }
        var edits: [ByteEdit] = []
        for value in body.allReferences(includingContained: true) {
            switch value.literal {
            case .urn(let name):
                if let key = known[name], deleted.contains(key) { return nil }
                if let key = known[name], let range = value.literalRange {
                    edits.append(ByteEdit(range: range, replacement: Array("\"\(key)\"".utf8)))
                } else if let new = renamed[name], let range = value.literalRange {
                    edits.append(ByteEdit(range: range, replacement: Array("\"\(new)\"".utf8)))
                } else {
                    return nil
                }
            case .conditional: return nil
            case .relative, .absolute:
                if let key = value.literal.flatMap(names.key), deleted.contains(key) { return nil }
            case .fragment, .other, nil: break
            }
        }
        guard !edits.isEmpty else { return request }
        return try request.replacingBody(with: applying(edits, to: body.node.document.bytes, in: body.node.range))
    }

    private static let badName = RequestRefusal(
        status: 400, issueCode: "invalid", diagnostics: "`fullUrl` of an entry is neither a `urn:` nor its own address")

    private static func isURN(_ text: String) -> Bool {
        (text.hasPrefix("urn:uuid:") || text.hasPrefix("urn:oid:")) && text.utf8.count <= 128
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || ":-.".utf8.contains(byte)
            }
    }
}
