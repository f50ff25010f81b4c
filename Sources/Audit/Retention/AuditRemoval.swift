internal import FHIRCore
public import OAuthCore

/// The signed statement that entries were removed because their time was over; it is made before they go, and stays.
public struct AuditRemoval: Hashable, Sendable {
    /// The running number in the log, from 1.
    public let number: Int64
    /// The node that removed.
    public let node: String
    /// When, milliseconds since 1970 UTC.
    public let at: Int64
    /// The rule by which, in words.
    public let rule: String
    /// How many entries.
    public let entries: Int64
    /// How many runs of entries.
    public let runs: Int
    /// The digest over the runs.
    public let digest: ChainHash
    /// The digest of the removal before it, or `ChainHash.origin`.
    public let previous: ChainHash

    /// A removal of these runs.
    public init(
        number: Int64, node: String, at: Int64, rule: String, runs: [AuditRemovedRun], previous: ChainHash
    ) {
        self.init(
            number: number, node: node, at: at, rule: rule, entries: runs.reduce(0) { $0 + $1.count },
            runs: runs.count, digest: Self.digest(of: runs), previous: previous)
    }

    private init(
        number: Int64, node: String, at: Int64, rule: String, entries: Int64, runs: Int, digest: ChainHash,
        previous: ChainHash
    ) {
        self.number = number
        self.node = node
        self.at = at
        self.rule = rule
        self.entries = entries
        self.runs = runs
        self.digest = digest
        self.previous = previous
    }

    /// The digest over runs, in the order of node and place: what the signature fixes.
    static func digest(of runs: [AuditRemovedRun]) -> ChainHash {
        let sorted = runs.sorted { ($0.node, $0.first) < ($1.node, $1.first) }
        // Lengths and fixed widths in hexadecimal, so that no two lists of runs share a text.
        let text = sorted.map { run in
            "\(run.node.utf8.count):\(run.node):\(run.first):\(run.last):\(run.previous):\(run.hash)\n"
        }
        return .digest(of: text.joined())
    }

    var claims: JSONValue {
        var members = MemberList()
        members.add("number", .int(number))
        members.add("node", node)
        members.add("at", .int(at))
        members.add("rule", rule)
        members.add("entries", .int(entries))
        members.add("runs", .int(Int64(runs)))
        members.add("digest", digest.description)
        members.add("previous", previous.description)
        return members.object
    }

    init(claims: JSONValue) throws(AuditFormatError) {
        let members = MemberReader(value: claims)
        self.init(
            number: try members.requiredTime("number"), node: try members.required("node"),
            at: try members.requiredTime("at"), rule: try members.required("rule"),
            entries: try members.requiredTime("entries"), runs: Int(try members.requiredTime("runs")),
            digest: try members.known("digest") { ChainHash(hexadecimal: $0) },
            previous: try members.known("previous") { ChainHash(hexadecimal: $0) })
    }
}

/// A removal with its signature, as a compact JWS.
public struct SignedAuditRemoval: Hashable, Sendable {
    /// What is signed.
    public let removal: AuditRemoval
    /// The compact serialization.
    public let compact: String

    static let type = "audit-removal+jwt"
    private static let rules = JWSRules(algorithms: [.es256, .es384], types: [type])

    /// Signs a removal.
    public init(_ removal: AuditRemoval, signedWith key: PrivateJWK) throws(JOSEError) {
        self.removal = removal
        compact = try JWS.sign(removal.claims, type: Self.type, with: key)
    }

    /// Reads a compact text and checks its signature.
    public init(verifying compact: String, keys: JWKSet) throws(AuditFormatError) {
        let claims: JSONValue
        do throws(JOSEError) { claims = try JWS.verify(compact, keys: keys, rules: Self.rules).claims } catch {
            throw AuditFormatError(detail: "its signature does not hold: \(error)")
        }
        removal = try AuditRemoval(claims: claims)
        self.compact = compact
    }

    /// What the next removal and the entry in the chain name it by.
    public var digest: ChainHash { .digest(of: compact) }
}

/// What an entry of kind `records-removed` says in its detail: which removal there must be.
struct AuditRemovalMark: Hashable, Sendable {
    let number: Int64
    let digest: ChainHash

    var text: String { "removal \(number) \(digest)" }

    init(number: Int64, digest: ChainHash) {
        self.number = number
        self.digest = digest
    }

    init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "removal", let number = Int64(words[1]),
            let digest = ChainHash(hexadecimal: String(words[2]))
        else { return nil }
        self.init(number: number, digest: digest)
    }
}
