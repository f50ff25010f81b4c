extension AuditReader {
    /// How many entries are looked at for one page, at most; a page that ends for this is short and has a next one.
    static var scanLimit: Int { 50_000 }

    /// The page of entries that query and content filter ask for.
    ///
    /// A filter that few entries pass gives short pages, down to none, whose cursor goes on where the looking ended.
    public func search(_ query: AuditQuery, content: AuditContentFilter) throws -> AuditPage {
        guard !content.isEmpty else { return try search(query) }
        var asked = query
        asked.limit = AuditQuery.largestPage
        var found: [StoredAuditEntry] = []
        var looked = 0
        while true {
            let page = try search(asked)
            looked += page.looked
            for (offset, stored) in page.stored.enumerated()
            where try content.matches(stored.entry, of: query.patient) {
                found.append(stored)
                if found.count == query.limit {
                    let isLast = offset + 1 == page.stored.count && page.next == nil
                    return AuditPage(
                        found, next: isLast ? nil : AuditCursor(stored, through: page.through), looked: looked,
                        through: page.through)
                }
            }
            guard let next = page.next, looked < Self.scanLimit else {
                return AuditPage(found, next: page.next, looked: looked, through: page.through)
            }
            asked.after = next
        }
    }

    /// How many entries query and filter find; nil when more than `most` would have to be looked at.
    public func count(_ query: AuditQuery, content: AuditContentFilter, most: Int = 100_000) throws -> Int? {
        guard !content.isEmpty else { return try count(query, most: most) }
        var asked = query
        asked.limit = AuditQuery.largestPage
        asked.through = query.after?.through ?? query.through
        asked.after = nil
        var count = 0
        var looked = 0
        while true {
            let page = try search(asked)
            looked += page.looked
            for entry in page.entries where try content.matches(entry, of: query.patient) { count += 1 }
            guard let next = page.next else { return looked > most ? nil : count }
            guard looked < most else { return nil }
            asked.after = next
        }
    }
}
