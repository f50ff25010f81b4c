internal import Audit

/// Walks over one part of the entries of a log in SQLite, with the patients beside them.
struct AuditSQLiteWalk {
    /// What a part has shown.
    struct Outcome: Sendable {
        let segment: AuditSegment
        let digest: AuditIndexDigest
        let findings: [AuditFinding]
        let rows: Int64
    }

    private let path: String
    private let ends: [String: [AuditChainEnd]]

    init(path: String, expecting ends: [String: [AuditChainEnd]]) {
        self.path = path
        self.ends = ends
    }

    /// Walks the entries with running numbers in the range.
    func walk(_ range: Range<Int64>) -> Outcome {
        var walk = AuditSegmentWalk(expecting: ends)
        var digest = AuditIndexDigest()
        var findings: [AuditFinding] = []
        var rows: Int64 = 0
        var position = range.lowerBound
        do {
            let database = try RawSQLite(path: path)
            let entries = try database.prepare(Self.entries)
            let patients = try database.prepare(Self.patients)
            let seek = try database.prepare("SELECT 1 FROM audit_entry WHERE position = ?")
            entries.start(range.lowerBound, range.upperBound)
            patients.start(range.lowerBound, range.upperBound)
            var view = AuditEntryView()
            var named = PatientColumn(patients)
            try named.advance()
            while try entries.step() {
                position = entries.integer(0) ?? 0
                rows += 1
                Self.fill(&view, from: entries)
                let texts = try named.take(upTo: position, recordedAt: view.recordedAt, into: &digest)
                texts.withPatients {
                    view.patients = $0; walk.take(view)
                }
                Self.add(view, at: position, to: &digest)
                seek.start(position)
                if try !seek.step() {
                    findings.append(
                        .init(.structure("audit_entry"), .changed, "row \(position) cannot be found by its number"))
                }
            }
            if named.strays > 0 {
                findings.append(.init(.structure("audit_patient"), .changed, "\(named.strays) rows belong to no entry"))
            }
        } catch {
            findings.append(.init(.structure("audit_entry"), .changed, "damaged after row \(position): \(error)"))
        }
        return Outcome(segment: walk.finish(), digest: digest, findings: findings, rows: rows)
    }

    private static let entries = """
        SELECT position, node, sequence, recorded_at, event_id, phase, closes, kind, interaction, resource_type,
            client_id, subject, grant_id, outcome, previous, hash, body
        FROM audit_entry WHERE position >= ? AND position < ? ORDER BY position
        """
    private static let patients = """
        SELECT position, place, patient, recorded_at FROM audit_patient INDEXED BY audit_patient_position
        WHERE position >= ? AND position < ? ORDER BY position, place
        """

    private static func fill(_ view: inout AuditEntryView, from row: RawSQLite.Statement) {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        view.node = row.text(1) ?? empty
        view.sequence = row.integer(2) ?? 0
        view.recordedAt = row.integer(3) ?? 0
        view.eventID = row.text(4) ?? empty
        view.phase = row.text(5) ?? empty
        view.closes = row.integer(6)
        view.kind = row.text(7) ?? empty
        view.interaction = row.text(8)
        view.resourceType = row.text(9)
        view.client = row.text(10)
        view.subject = row.text(11)
        view.grant = row.text(12)
        view.outcome = row.text(13) ?? empty
        view.previous = row.blob(14)
        view.hash = row.blob(15)
        view.body = row.blob(16)
    }

    private static func add(_ view: AuditEntryView, at position: Int64, to digest: inout AuditIndexDigest) {
        digest.add(0, view.node, view.sequence, position)
        if let closes = view.closes { digest.add(1, view.node, closes, position) }
        digest.add(2, nil, view.recordedAt, position)
        if let client = view.client { digest.add(3, client, view.recordedAt, position) }
        if let subject = view.subject { digest.add(4, subject, view.recordedAt, position) }
        if let grant = view.grant { digest.add(5, grant, view.recordedAt, position) }
        digest.add(6, view.eventID, position)
        if RareAuditKinds.lengths.contains(view.kind.count), RareAuditKinds.bytes.contains(Array(view.kind)) {
            digest.add(8, view.kind, view.recordedAt, position)
        }
        digest.add(9, view.hash, position)
    }
}

/// The patients of one entry, in one buffer that is used again for the next.
private struct PatientTexts {
    private var bytes: [UInt8] = []
    private var ranges: [Range<Int>] = []

    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        ranges.removeAll(keepingCapacity: true)
    }

    mutating func add(_ text: UnsafeRawBufferPointer) {
        let start = bytes.count
        bytes.append(contentsOf: text)
        ranges.append(start..<bytes.count)
    }

    func withPatients(_ work: ([UnsafeRawBufferPointer]) -> Void) {
        bytes.withUnsafeBytes { buffer in work(ranges.map { UnsafeRawBufferPointer(rebasing: buffer[$0]) }) }
    }
}

/// The rows of patients beside the rows of entries.
private struct PatientColumn {
    private let row: RawSQLite.Statement
    private var position: Int64?
    private var texts = PatientTexts()
    /// Rows whose entry is not there.
    private(set) var strays = 0

    init(_ row: RawSQLite.Statement) { self.row = row }

    mutating func advance() throws(RawSQLite.Failure) {
        position = try row.step() ? row.integer(0) ?? Int64.min : nil
    }

    /// The patients of the entry at a position. A row whose place or time is wrong gives a text that no patient has.
    mutating func take(upTo wanted: Int64, recordedAt: Int64, into digest: inout AuditIndexDigest)
        throws(RawSQLite.Failure) -> PatientTexts
    {
        texts.clear()
        var place: Int64 = 0
        while let found = position, found <= wanted {
            if found < wanted {
                strays += 1
            } else {
                let text = row.text(2) ?? UnsafeRawBufferPointer(start: nil, count: 0)
                let time = row.integer(3) ?? 0
                digest.add(7, text, time, found)
                let isInPlace = row.integer(1) == place && time == recordedAt
                texts.add(isInPlace ? text : UnsafeRawBufferPointer(start: nil, count: 0))
                place += 1
            }
            try advance()
        }
        return texts
    }
}
