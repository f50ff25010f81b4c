/// The indexes through which answers are found, and a digest of what must stand in each.
///
/// The rows of a table are walked once; each adds the hash of its key to the digest of every index that must hold it.
/// Walking the index itself must give the same sum, in ascending order. The hash is Swift's, whose secret is drawn anew
/// in each process, so nobody can make a wrong index with the right sum. A sum, because the two walks meet the rows in
/// different orders.
enum AuditIndexShape: String, CaseIterable, Sendable {
    case place = "sqlite_autoindex_audit_entry_1"
    case closes = "audit_entry_closes"
    case time = "audit_entry_time"
    case client = "audit_entry_client"
    case subject = "audit_entry_subject"
    case grant = "audit_entry_grant"
    case event = "audit_entry_event"
    /// The table of patients itself, in the order of its key.
    case patients = "sqlite_autoindex_audit_patient_1"
    case rare = "audit_entry_rare"
    case hash = "audit_entry_hash"

    /// Those that the first release of the log did not make.
    static let later: Set<AuditIndexShape> = [.rare, .hash]

    /// The columns in the order of the index, with the running number last.
    private var columns: [String] {
        switch self {
        case .place: ["node", "sequence", "position"]
        case .closes: ["node", "closes", "position"]
        case .time: ["recorded_at", "position"]
        case .client: ["client_id", "recorded_at", "position"]
        case .subject: ["subject", "recorded_at", "position"]
        case .grant: ["grant_id", "recorded_at", "position"]
        case .event: ["event_id", "position"]
        case .rare: ["kind", "recorded_at", "position"]
        case .hash: ["hash", "position"]
        case .patients: ["patient", "recorded_at", "position"]
        }
    }

    private var condition: String {
        switch self {
        case .closes: " WHERE closes IS NOT NULL"
        case .client: " WHERE client_id IS NOT NULL"
        case .subject: " WHERE subject IS NOT NULL"
        case .grant: " WHERE grant_id IS NOT NULL"
        case .rare: " WHERE \(RareAuditKinds.condition)"
        case .place, .time, .event, .patients, .hash: ""
        }
    }

    /// Walks the index in its order: how many bytes of text and which numbers each entry has.
    var walk: String {
        let list = columns.joined(separator: ", ")
        let table = self == .patients ? "audit_patient" : "audit_entry INDEXED BY \(rawValue)"
        return "SELECT \(list) FROM \(table)\(condition) ORDER BY \(list)"
    }

    /// Whether the first column is bytes.
    var beginsWithBytes: Bool { self == .hash }
    /// Whether the first column is text, or bytes.
    var beginsWithText: Bool { self != .time }
    /// How many numbers follow.
    var numbers: Int { columns.count - (beginsWithText ? 1 : 0) }
}

/// The sums of one walk, by index.
struct AuditIndexDigest: Equatable, Sendable {
    private(set) var sums: [UInt64] = Array(repeating: 0, count: AuditIndexShape.allCases.count)

    mutating func add(_ place: Int, _ text: UnsafeRawBufferPointer?, _ first: Int64, _ second: Int64 = 0) {
        var hasher = Hasher()
        if let text { hasher.combine(bytes: text) }
        hasher.combine(first)
        hasher.combine(second)
        sums[place] &+= UInt64(bitPattern: Int64(hasher.finalize()))
    }

    mutating func add(_ other: AuditIndexDigest) {
        for place in sums.indices { sums[place] &+= other.sums[place] }
    }
}
