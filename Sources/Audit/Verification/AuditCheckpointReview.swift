public import OAuthCore

/// What the checkpoints of a log are worth: each one's signature, their links, and how they compare with copies that
/// were kept outside.
public struct AuditCheckpointReview: Sendable {
    /// The places that each node's chain must have, ascending.
    public let ends: [String: [AuditChainEnd]]
    /// Checkpoints whose signature holds.
    public let verified: Int
    /// Copies from outside whose signature holds.
    public let anchors: Int
    /// Up to which entry copies from outside fix each node's chain.
    public let anchored: [String: Int64]
    private let faults: [AuditFinding]
    private let digests: [String: [Int64: ChainHash]]

    /// A stored checkpoint with what its signature said.
    private struct Checked: Sendable {
        let stored: StoredAuditCheckpoint
        let signed: Result<SignedAuditCheckpoint, AuditFormatError>
    }

    /// Reviews stored checkpoints, in the order of storing, against copies from outside (compact JWS, one a line).
    public init(_ stored: [StoredAuditCheckpoint], anchors: [String], keys: JWKSet) {
        let checked = SideBySide.map(stored) { one in
            Checked(stored: one, signed: Self.read(one.compact, keys))
        }
        var builder = Builder()
        for node in Set(stored.map(\.node)).sorted() {
            builder.follow(node, checked.filter { $0.stored.node == node })
        }
        builder.crossLinks(checked)
        builder.compare(anchors, keys)
        ends = builder.ends.mapValues { $0.sorted { $0.sequence < $1.sequence } }
        verified = builder.verified
        self.anchors = builder.anchors
        anchored = builder.anchored
        faults = builder.faults
        digests = builder.digests
    }

    /// Everything that is wrong with the checkpoints, also by what entries of the chain say about them.
    func findings(namedBy marks: [(node: String, sequence: Int64, mark: AuditCheckpointMark)]) -> [AuditFinding] {
        faults
            + marks.compactMap { node, sequence, mark in
                let place = AuditFinding.Place.checkpoint(node: node, number: mark.number)
                guard let digest = digests[node]?[mark.number] else {
                    return AuditFinding(place, .missing, "entry \(sequence) names it")
                }
                return digest == mark.digest
                    ? nil : AuditFinding(place, .forged, "entry \(sequence) names another one")
            }
    }

    private static func read(_ compact: String, _ keys: JWKSet) -> Result<SignedAuditCheckpoint, AuditFormatError> {
        do throws(AuditFormatError) {
            return .success(try SignedAuditCheckpoint(verifying: compact, keys: keys))
        } catch {
            return .failure(error)
        }
    }

    private struct Builder {
        var ends: [String: [AuditChainEnd]] = [:]
        var digests: [String: [Int64: ChainHash]] = [:]
        var faults: [AuditFinding] = []
        var verified = 0
        var anchors = 0
        var anchored: [String: Int64] = [:]

        mutating func find(_ node: String, _ number: Int64, _ fault: AuditFinding.Fault, _ detail: String) {
            faults.append(AuditFinding(.checkpoint(node: node, number: number), fault, detail))
        }

        /// One node's checkpoints: numbers without gaps, each naming the one before, each further than it.
        mutating func follow(_ node: String, _ list: [Checked]) {
            var due: Int64 = 1
            var before: (digest: ChainHash, sequence: Int64, isTrusted: Bool) = (.origin, 0, true)
            for one in list {
                let number = one.stored.number
                let digest = ChainHash.digest(of: one.stored.compact)
                digests[node, default: [:]][number] = digest
                let follows = number == due
                if !follows { find(node, due, .missing, "\(number) stands in its place") }
                due = number.following
                switch one.signed {
                case .failure(let failure):
                    find(node, number, .forged, failure.detail)
                    before = (digest, one.stored.sequence, false)
                case .success(let signed):
                    let checkpoint = signed.checkpoint
                    verified += 1
                    ends[checkpoint.node, default: []].append(checkpoint.end)
                    if checkpoint.node != node || checkpoint.number != number
                        || checkpoint.sequence != one.stored.sequence
                    {
                        find(node, number, .changed, "what it is found by differs from what was signed")
                    }
                    if follows, before.isTrusted, checkpoint.previous != before.digest {
                        find(node, max(number, 2) - 1, .forged, "the one after it names another")
                    } else if before.isTrusted, checkpoint.sequence <= before.sequence {
                        find(node, number, .changed, "it is not further than the one before it")
                    }
                    before = (digest, checkpoint.sequence, true)
                }
            }
        }

        mutating func crossLinks(_ list: [Checked]) {
            for one in list {
                guard case .success(let signed) = one.signed else { continue }
                for sighting in signed.checkpoint.seen {
                    guard let digest = digests[sighting.node]?[sighting.number] else {
                        find(sighting.node, sighting.number, .missing, "node `\(one.stored.node)` saw it")
                        continue
                    }
                    if digest != sighting.digest {
                        find(sighting.node, sighting.number, .forged, "node `\(one.stored.node)` saw another one")
                    }
                }
            }
        }

        mutating func compare(_ copies: [String], _ keys: JWKSet) {
            for (offset, result) in SideBySide.map(copies, { AuditCheckpointReview.read($0, keys) }).enumerated() {
                switch result {
                case .failure(let failure):
                    faults.append(
                        AuditFinding(.structure("copy from outside, line \(offset + 1)"), .forged, failure.detail))
                case .success(let signed):
                    let checkpoint = signed.checkpoint
                    anchors += 1
                    anchored[checkpoint.node] = max(anchored[checkpoint.node] ?? 0, checkpoint.sequence)
                    ends[checkpoint.node, default: []].append(checkpoint.end)
                    guard let digest = digests[checkpoint.node]?[checkpoint.number] else {
                        find(checkpoint.node, checkpoint.number, .missing, "it was sent outside")
                        continue
                    }
                    if digest != signed.digest {
                        find(checkpoint.node, checkpoint.number, .forged, "another one was sent outside")
                    }
                }
            }
        }
    }
}
