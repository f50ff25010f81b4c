internal import AccessPolicy
internal import Crypto

/// An entry as it lies in a store's own memory; valid only while the store says so.
///
/// The bytes are looked at where they are, so that a log of millions can be verified in a minute.
public struct AuditEntryView {
    /// The place in the chain.
    public var sequence: Int64 = 0
    /// When it was written.
    public var recordedAt: Int64 = 0
    /// The earlier entry that it ends, as the store has it.
    public var closes: Int64?
    /// Whose chain it is in.
    public var node = UnsafeRawBufferPointer(start: nil, count: 0)
    // The columns by which the store finds it, as UTF-8; nil where there is none.
    /// The decision or step.
    public var eventID = UnsafeRawBufferPointer(start: nil, count: 0)
    /// The phase.
    public var phase = UnsafeRawBufferPointer(start: nil, count: 0)
    /// The kind.
    public var kind = UnsafeRawBufferPointer(start: nil, count: 0)
    /// The interaction.
    public var interaction: UnsafeRawBufferPointer?
    /// The FHIR type.
    public var resourceType: UnsafeRawBufferPointer?
    /// The client.
    public var client: UnsafeRawBufferPointer?
    /// The subject.
    public var subject: UnsafeRawBufferPointer?
    /// The grant.
    public var grant: UnsafeRawBufferPointer?
    /// The outcome.
    public var outcome = UnsafeRawBufferPointer(start: nil, count: 0)
    /// The hash of the entry before it.
    public var previous = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Its own hash.
    public var hash = UnsafeRawBufferPointer(start: nil, count: 0)
    /// The statement's bytes.
    public var body = UnsafeRawBufferPointer(start: nil, count: 0)
    /// The patients by which the store finds it, in their order.
    public var patients: [UnsafeRawBufferPointer] = []

    /// An empty view, to be filled.
    public init() {}
}

/// Judges entries one by one: does each have the hash that it ought to have, and is it found by what its body says?
///
/// It keeps its buffers, so one of them serves one thread.
struct AuditEntryJudge {
    /// What an entry turned out to be.
    struct Verdict {
        /// The hash that its fields give.
        let expected: ChainHash
        /// What is wrong with the entry by itself; nil when nothing is.
        let fault: String?
    }

    private var scan = EntryBodyScan()
    private var preimage: [UInt8] = []
    private var node: [UInt8] = []
    private var prefix = 0

    mutating func judge(_ view: AuditEntryView) -> Verdict {
        let expected = expectedHash(view)
        guard view.previous.count == 32, view.hash.count == 32 else {
            return Verdict(expected: expected, fault: "its hashes are not hashes")
        }
        guard expected.bytes.elementsEqual(view.hash) else {
            return Verdict(expected: expected, fault: "its hash does not fit it")
        }
        guard isFoundByItsBody(view) else {
            return Verdict(expected: expected, fault: "what it is found by differs from its body")
        }
        return Verdict(expected: expected, fault: nil)
    }

    /// As `ChainHash.init(node:sequence:recordedAt:previous:bodyHash:)`, without building anything new.
    private mutating func expectedHash(_ view: AuditEntryView) -> ChainHash {
        if prefix == 0 || !node.elementsEqual(view.node) {
            node = Array(view.node)
            preimage = Array("chaperone-audit-1".utf8)
            Self.append(UInt64(node.count), to: &preimage)
            preimage += node
            prefix = preimage.count
        }
        preimage.removeSubrange(prefix...)
        Self.append(UInt64(bitPattern: view.sequence), to: &preimage)
        Self.append(UInt64(bitPattern: view.recordedAt), to: &preimage)
        preimage.append(contentsOf: view.previous)
        var body = SHA256()
        body.update(bufferPointer: view.body)
        body.finalize().withUnsafeBytes { preimage.append(contentsOf: $0) }
        var whole = SHA256()
        preimage.withUnsafeBytes { whole.update(bufferPointer: $0) }
        // INVARIANT: SHA-256 has 32 bytes.
        return whole.finalize().withUnsafeBytes { ChainHash(bytes: $0) } ?? .origin
    }

    private static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    private mutating func isFoundByItsBody(_ view: AuditEntryView) -> Bool {
        if scan.read(view.body), matches(view) { return true }
        return Self.matchesInFull(view)
    }

    private func matches(_ view: AuditEntryView) -> Bool {
        func same(_ range: Range<Int>?, _ column: UnsafeRawBufferPointer?) -> Bool {
            guard let range, let column else { return range == nil && column == nil }
            return UnsafeRawBufferPointer(rebasing: view.body[range]).elementsEqual(column)
        }
        guard same(scan.phase, view.phase), scan.closes == view.closes, same(scan.eventID, view.eventID),
            same(scan.interaction, view.interaction), same(scan.resourceType, view.resourceType),
            same(scan.client, view.client), same(scan.subject, view.subject), same(scan.grant, view.grant),
            same(scan.outcome, view.outcome), scan.patients.count == view.patients.count
        else { return false }
        if let kind = scan.kind {
            guard same(kind, view.kind) else { return false }
        } else if !view.kind.elementsEqual(AuditIndex.accessKind.utf8) {
            return false
        }
        for (range, patient) in zip(scan.patients, view.patients) where !same(range, patient) { return false }
        return true
    }

    /// The slow way, which knows everything that a body can be.
    private static func matchesInFull(_ view: AuditEntryView) -> Bool {
        var isText = true
        func text(_ bytes: UnsafeRawBufferPointer?) -> String? {
            guard let bytes else { return nil }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                isText = false
                return nil
            }
            return text
        }
        guard let statement = try? AuditStatement(decoding: Array(view.body)),
            let phase = text(view.phase).flatMap({ AuditPhase(rawValue: $0) }), let eventID = text(view.eventID),
            let kind = text(view.kind), let outcome = text(view.outcome)
        else { return false }
        let (interaction, resourceType) = (text(view.interaction), text(view.resourceType))
        let (client, subject, grant) = (text(view.client), text(view.subject), text(view.grant))
        guard isText else { return false }
        let patients = view.patients.compactMap { String(validating: $0, as: UTF8.self) }
        guard patients.count == view.patients.count else { return false }
        let index = AuditIndex(
            eventID: DecisionID(eventID), phase: phase, closes: view.closes, kind: kind, interaction: interaction,
            resourceType: resourceType, clientID: client.map { ClientID($0) }, subject: subject.map { SubjectID($0) },
            grantID: grant.map { GrantID($0) }, patients: patients, outcome: outcome)
        let expected = AuditIndex(statement)
        return index == expected && index.isSameBytes(as: expected)
    }
}

extension AuditIndex {
    /// Whether the texts are the same byte for byte; `==` of texts holds for canonically equivalent ones too.
    fileprivate func isSameBytes(as other: AuditIndex) -> Bool {
        func same(_ left: String?, _ right: String?) -> Bool {
            guard let left, let right else { return left == nil && right == nil }
            return left.utf8.elementsEqual(right.utf8)
        }
        return same(eventID.text, other.eventID.text) && same(kind, other.kind)
            && same(interaction, other.interaction) && same(resourceType, other.resourceType)
            && same(clientID?.text, other.clientID?.text) && same(subject?.text, other.subject?.text)
            && same(grantID?.text, other.grantID?.text) && same(outcome, other.outcome)
            && patients.count == other.patients.count && zip(patients, other.patients).allSatisfy { same($0, $1) }
    }
}
