internal import FHIRCore

/// What one node's chain was at one moment: how many entries, and the hash at its head.
///
/// Checkpoints form a chain of their own (`previous`), and each names the newest checkpoint that it saw of every other
/// node, so that no node's history can be exchanged without the others showing it. Signed, they are
/// `SignedAuditCheckpoint`s; sent outside, they find out even an administrator of the database.
public struct AuditCheckpoint: Hashable, Sendable {
    /// The newest checkpoint that was seen of another node.
    public struct Sighting: Hashable, Sendable {
        /// The other node.
        public let node: String
        /// The number of its checkpoint.
        public let number: Int64
        /// The digest of its checkpoint.
        public let digest: ChainHash

        /// A sighting.
        public init(node: String, number: Int64, digest: ChainHash) {
            self.node = node
            self.number = number
            self.digest = digest
        }
    }

    /// Whose chain it is about.
    public let node: String
    /// The running number of the checkpoint at its node, from 1.
    public let number: Int64
    /// How many entries the chain had: the sequence number of its head.
    public let sequence: Int64
    /// The hash of the head.
    public let head: ChainHash
    /// When it was made, milliseconds since 1970 UTC.
    public let at: Int64
    /// The digest of the checkpoint before it, or `ChainHash.origin` for the first.
    public let previous: ChainHash
    /// One for each other node that has a checkpoint, sorted by node.
    public let seen: [Sighting]

    /// A checkpoint; nothing is checked.
    public init(
        node: String, number: Int64, sequence: Int64, head: ChainHash, at: Int64, previous: ChainHash,
        seen: [Sighting] = []
    ) {
        self.node = node
        self.number = number
        self.sequence = sequence
        self.head = head
        self.at = at
        self.previous = previous
        self.seen = seen
    }

    /// When it was made, as people read it: in UTC.
    public var madeAt: String { FHIRTime.instant(at) }

    /// The place in the chain that it fixes.
    public var end: AuditChainEnd { AuditChainEnd(sequence: sequence, hash: head) }
}

extension AuditCheckpoint {
    /// The claims that are signed.
    var claims: JSONValue {
        var members = MemberList()
        members.add("node", node)
        members.add("number", .int(number))
        members.add("count", .int(sequence))
        members.add("head", head.description)
        members.add("at", .int(at))
        members.add("previous", previous.description)
        if !seen.isEmpty {
            members.add(
                "seen",
                .array(
                    seen.map {
                        .object([
                            JSONMemberValue("node", .string($0.node)), JSONMemberValue("number", .int($0.number)),
                            JSONMemberValue("digest", .string($0.digest.description)),
                        ])
                    }))
        }
        return members.object
    }

    /// The checkpoint that claims hold.
    init(claims: JSONValue) throws(AuditFormatError) {
        let members = MemberReader(value: claims)
        var seen: [Sighting] = []
        for value in claims["seen"]?.array ?? [] {
            let members = MemberReader(value: value)
            seen.append(
                Sighting(
                    node: try members.required("node"), number: try members.requiredTime("number"),
                    digest: try members.known("digest") { ChainHash(hexadecimal: $0) }))
        }
        self.init(
            node: try members.required("node"), number: try members.requiredTime("number"),
            sequence: try members.requiredTime("count"),
            head: try members.known("head") { ChainHash(hexadecimal: $0) }, at: try members.requiredTime("at"),
            previous: try members.known("previous") { ChainHash(hexadecimal: $0) }, seen: seen)
    }
}
