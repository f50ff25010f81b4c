/// The legal holds as the records of a log placed and lifted them, to be compared with those that a store has in force.
///
/// A store's holds say what retention must keep. Whoever can write to the store could lift one, or make one name somebody
/// else; the records of the chain cannot be changed unnoticed, so they are what counts.
public struct LegalHoldLedger: Sendable {
    /// What one record said, and where it stands.
    private struct Said {
        let place: String
        let record: AuthorizationRecord
    }
    private struct Course {
        var placed: Said
        var lifted: Said?
    }

    private var courses: [String: Course] = [:]
    /// Liftings of names that no record had placed until then: they count when the placing is adopted later.
    private var early: [String: Said] = [:]

    /// A ledger of nothing.
    public init() {}

    /// Takes what entries say, in the order of storing.
    public init(_ entries: [AuditEntry]) throws(AuditFormatError) {
        for entry in entries {
            guard case .authorization(let record) = try entry.statement().event else { continue }
            take(record, at: "\(entry.node)/\(entry.sequence)")
        }
    }

    /// Takes the next record; one that is about no hold changes nothing. The first record that places a name counts, and
    /// the first after it that lifts it, as in the store.
    mutating func take(_ record: AuthorizationRecord, at place: String) {
        guard record.outcome == .succeeded, let id = record.hold?.id ?? Self.oldName(record) else { return }
        let said = Said(place: place, record: record)
        if record.kind == .holdPlaced, courses[id] == nil {
            courses[id] = Course(placed: said, lifted: record.hold?.doneAt == nil ? nil : early[id])
        } else if record.kind == .holdLifted, courses[id] == nil, early[id] == nil {
            early[id] = said
        } else if record.kind == .holdLifted, courses[id] != nil, courses[id]?.lifted == nil {
            courses[id]?.lifted = said
        }
    }

    /// Whether no record places a hold, and whether none lifts such a one that is lifted.
    ///
    /// Where a record places it, nothing is lacking: no release ever lifted a hold before the record of that was written, so
    /// a lifting that nobody recorded is somebody else's.
    func lacks(_ stored: StoredLegalHold) -> (placing: Bool, lifting: Bool) {
        let id = stored.hold.id
        guard courses[id] == nil else { return (false, false) }
        return (true, stored.liftedAt != nil && early[id] == nil)
    }

    /// What is in the store and not in the records, or the other way round, or differs: by name of the hold.
    public func findings(comparing stored: [StoredLegalHold]) -> [AuditFinding] {
        let rows = Dictionary(stored.map { ($0.hold.id, $0) }, uniquingKeysWith: { first, _ in first })
        return Set(rows.keys).union(courses.keys).sorted().compactMap { id in
            guard let course = courses[id] else { return AuditFinding(.hold(id), .forged, "no record placed it") }
            guard let row = rows[id] else {
                return AuditFinding(.hold(id), .missing, "entry \(course.placed.place) placed it")
            }
            return Self.difference(row, course).map { AuditFinding(.hold(id), .changed, $0) }
        }
    }

    private static func difference(_ row: StoredLegalHold, _ course: Course) -> String? {
        if let fault = difference(row.hold, course.placed) { return fault }
        guard let lifted = course.lifted else {
            return row.liftedAt == nil ? nil : "it was lifted, and no record says so"
        }
        guard row.liftedAt != nil else { return "entry \(lifted.place) lifted it, and it is in force" }
        let isAsSaid =
            lifted.record.hold == nil
            ? lifted.record.detail == "hold \(row.hold.id) lifted by \(row.liftedBy ?? "")"
            : (lifted.record.hold?.doneBy ?? lifted.record.actor) == row.liftedBy
                && (lifted.record.hold?.doneAt ?? lifted.record.at) == row.liftedAt
        return isAsSaid ? nil : "entry \(lifted.place) says otherwise who lifted it, or when"
    }

    private static func difference(_ row: LegalHold, _ said: Said) -> String? {
        guard let hold = said.record.placedHold else {
            // Before records had its parts they had its words.
            let words = AuthorizationRecord(placing: row, id: said.record.id, sourceAddress: nil, traceID: nil)
            return words.bounded().detail == said.record.detail ? nil : "entry \(said.place) has other words"
        }
        // What was adopted stood before it was in any record, and that has it within the bounds of records.
        let row = said.record.hold?.doneAt == nil ? row : row.bounded()
        let parts = [
            ("patient", row.patient == hold.patient), ("client", row.client == hold.client),
            ("reporting entity", row.reportingEntity == hold.reportingEntity), ("reason", row.reason == hold.reason),
            ("account that placed it", row.placedBy == hold.placedBy), ("time", row.placedAt == hold.placedAt),
        ].filter { !$0.1 }.map { $0.0 }
        return parts.isEmpty ? nil : "entry \(said.place) has another \(parts.joined(separator: ", "))"
    }

    /// The name in the words `hold NAME by …` and `hold NAME lifted by …`.
    private static func oldName(_ record: AuthorizationRecord) -> String? {
        guard record.kind == .holdPlaced || record.kind == .holdLifted else { return nil }
        let words = (record.detail ?? "").split(separator: " ")
        return words.count > 2 && words[0] == "hold" ? String(words[1]) : nil
    }
}
