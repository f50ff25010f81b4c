public import FHIRCore
public import OAuthCore

/// Proof that one entry stood in a log when a checkpoint was made, without the rest of the log (decision record 0083).
///
/// It has the entry, of every entry after it up to the checkpoint nothing but its time and the digest of its body, and
/// the signed checkpoint. With these and the public key anybody can work out the hash that the checkpoint fixes; nobody
/// can find an entry that leads to the same. Of the other entries it tells how many there were and when.
public struct AuditInclusionProof: Hashable, Sendable {
    /// What is told of an entry behind the proven one.
    public struct Link: Hashable, Sendable {
        /// When it was written, milliseconds since 1970 UTC.
        public let recordedAt: Int64
        /// The digest of its body.
        public let bodyHash: ChainHash

        /// A link, as a proof tells it.
        init(recordedAt: Int64, bodyHash: ChainHash) {
            self.recordedAt = recordedAt
            self.bodyHash = bodyHash
        }

        /// The link of an entry.
        public init(recordedAt: Int64, body: [UInt8]) {
            self.init(recordedAt: recordedAt, bodyHash: ChainHash(of: body))
        }
    }

    /// Longer chains are not proved this way: checkpoints are made once a minute where anything is written.
    public static let longest = 100_000

    /// Whose chain it is.
    public let node: String
    /// The place of the entry in the chain.
    public let sequence: Int64
    /// When it was written, milliseconds since 1970 UTC.
    public let recordedAt: Int64
    /// The hash of the entry before it.
    public let previous: ChainHash
    /// The statement in canonical bytes.
    public let body: [UInt8]
    /// The entries behind it, up to the last one that the checkpoint fixes.
    public let links: [Link]
    /// The checkpoint, as a compact JWS.
    public let checkpoint: String

    /// The proof of an entry by those that follow it without a gap, of which the checkpoint fixes the last.
    public init(_ entry: AuditEntry, followedBy next: [Link], checkpoint: String) {
        node = entry.node
        sequence = entry.sequence
        recordedAt = entry.recordedAt
        previous = entry.previous
        body = entry.body
        links = next
        self.checkpoint = checkpoint
    }

    /// What no proof can show, for whoever reads one.
    public static let notShown =
        "Not shown: a mark that was made later. A record can be marked afterwards as interrupted, when its answer was not "
        + "given; of such marks a proof has those that stood in the log when it was made."

    /// What a proof shows.
    public struct Shown: Hashable, Sendable {
        /// What the entry says.
        public let statement: AuditStatement
        /// The hash of the entry, which is the id of its AuditEvent.
        public let hash: ChainHash
        /// The checkpoint that fixes it.
        public let checkpoint: AuditCheckpoint
        /// Whether one of the copies from outside is this very checkpoint.
        public let isAnchored: Bool
    }

    /// Works the proof out.
    ///
    /// - Parameter anchors: copies of checkpoints from outside. The signature alone shows what whoever holds the key says;
    ///   a copy shows that it was said when the copy was made.
    public func verify(keys: JWKSet, anchors: Set<String> = []) throws(AuditFormatError) -> Shown {
        let signed = try SignedAuditCheckpoint(verifying: checkpoint, keys: keys)
        let fixed = signed.checkpoint
        guard fixed.node == node else {
            throw AuditFormatError(detail: "the checkpoint is of node `\(fixed.node)`, not `\(node)`")
        }
        let (end, overflow) = sequence.addingReportingOverflow(Int64(links.count))
        guard sequence > 0, !overflow, fixed.sequence == end else {
            throw AuditFormatError(
                detail: "the checkpoint fixes entry \(fixed.sequence), and the proof does not end there")
        }
        let own = ChainHash(
            node: node, sequence: sequence, recordedAt: recordedAt, previous: previous, bodyHash: ChainHash(of: body))
        var hash = own
        for (offset, link) in links.enumerated() {
            hash = ChainHash(
                node: node, sequence: sequence + Int64(offset) + 1, recordedAt: link.recordedAt, previous: hash,
                bodyHash: link.bodyHash)
        }
        guard hash == fixed.head else {
            throw AuditFormatError(detail: "it does not lead to what the checkpoint fixes: something in it was changed")
        }
        return Shown(
            statement: try AuditStatement(decoding: body), hash: own, checkpoint: fixed,
            isAnchored: anchors.contains(checkpoint))
    }
}

extension AuditInclusionProof {
    static let format = "chaperone-audit-proof-1"

    /// The proof as it is written into files.
    public var json: JSONValue {
        .object([
            .init("format", .string(Self.format)), .init("node", .string(node)), .init("sequence", .int(sequence)),
            .init("recordedAt", .int(recordedAt)), .init("previous", .string(previous.description)),
            // Entries are compact JSON: readable as they stand, and the same bytes when read again.
            .init("entry", .string(String(decoding: body, as: UTF8.self))),
            .init(
                "following",
                .array(links.map { .string("\($0.recordedAt) \($0.bodyHash)") })),
            .init("checkpoint", .string(checkpoint)),
        ])
    }

    /// The proof that a file holds.
    public init(json: JSONValue) throws(AuditFormatError) {
        let members = MemberReader(value: json)
        guard members.text("format") == Self.format else { throw AuditFormatError(detail: "it is no proof of ours") }
        node = try members.required("node")
        sequence = try members.requiredTime("sequence")
        recordedAt = try members.requiredTime("recordedAt")
        previous = try members.known("previous") { ChainHash(hexadecimal: $0) }
        body = Array(try members.required("entry").utf8)
        checkpoint = try members.required("checkpoint")
        guard let following = json["following"]?.array, following.count <= Self.longest else {
            throw AuditFormatError(detail: "`following` is missing or too long")
        }
        var links: [Link] = []
        for value in following {
            let words = (value.string ?? "").split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 2, let time = Int64(words[0]), let hash = ChainHash(hexadecimal: String(words[1]))
            else { throw AuditFormatError(detail: "`following` has an item that is no time and digest") }
            links.append(Link(recordedAt: time, bodyHash: hash))
        }
        self.links = links
    }
}
