/// In which order of their times entries are given; of those of one moment the later stored one is the newer.
public enum AuditOrder: Hashable, Sendable {
    case newestFirst
    case oldestFirst
}

/// A place in the order of one search of one store, after which the next page begins.
public struct AuditCursor: Hashable, Sendable {
    /// When the entry at this place was written.
    public let recordedAt: Int64
    /// The store's own running number of the entry, unique in it.
    public let position: Int64
    /// The newest running number when the first page was read, to which all pages keep; nil for what the store has now.
    public let through: Int64?

    /// A cursor as a store gives it out.
    public init(recordedAt: Int64, position: Int64, through: Int64? = nil) {
        self.recordedAt = recordedAt
        self.position = position
        self.through = through
    }

    /// The place of an entry that a store found.
    public init(_ stored: StoredAuditEntry, through: Int64?) {
        self.init(recordedAt: stored.entry.recordedAt, position: stored.position, through: through)
    }

    /// `recordedAt.position.through`, for links.
    public var text: String { "\(recordedAt).\(position)" + (through.map { ".\($0)" } ?? "") }

    /// The cursor with that text; nil if it is none. One without a third number was given out by an older release.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { Int64($0) }
        guard (2...3).contains(parts.count), numbers.count == parts.count else { return nil }
        self.init(recordedAt: numbers[0], position: numbers[1], through: numbers.count > 2 ? numbers[2] : nil)
    }
}

/// One page of entries in the order that was asked for.
///
/// A store looks at a bounded number of entries for each page. Where few of many fit a query, a page is short, down to
/// empty, and `next` goes on where the looking ended.
public struct AuditPage: Hashable, Sendable {
    /// What was found, with its places in the store.
    public let stored: [StoredAuditEntry]
    /// Where the next page begins; nil when there is none.
    public let next: AuditCursor?
    /// How many entries were looked at.
    public let looked: Int
    /// The newest running number that counted.
    public let through: Int64

    /// The entries.
    public var entries: [AuditEntry] { stored.map(\.entry) }

    /// A page of nothing.
    public static let empty = AuditPage([], next: nil, looked: 0, through: 0)

    /// A page as a store found it.
    public init(_ stored: [StoredAuditEntry], next: AuditCursor?, looked: Int, through: Int64) {
        self.stored = stored
        self.next = next
        self.looked = looked
        self.through = through
    }
}
