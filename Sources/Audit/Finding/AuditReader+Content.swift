extension AuditReader {
    /// How many entries are looked at for one page, at most; a page that ends for this is short and has a next one.
    static var scanLimit: Int { 50_000 }

    /// The page of entries that query and content filter ask for, newest first.
    ///
    /// A filter that few entries pass gives short pages, down to none, whose cursor goes on where the looking ended.
    public func search(_ query: AuditQuery, content: AuditContentFilter) throws -> AuditPage {
        guard !content.isEmpty else { return try search(query) }
        var asked = query
        asked.limit = AuditQuery.largestPage
        var found: [AuditEntry] = []
        var looked = 0
        while true {
            let page = try search(asked)
            looked += page.entries.count
            for (offset, entry) in page.entries.enumerated() where try content.matches(entry, of: query.patient) {
                found.append(entry)
                if found.count == query.limit {
                    let rest = offset + 1 < page.entries.count || page.next != nil
                    return AuditPage(entries: found, next: rest ? try cursor(after: entry, in: asked, at: offset) : nil)
                }
            }
            guard let next = page.next, looked < Self.scanLimit else {
                return AuditPage(entries: found, next: page.next)
            }
            asked.after = next
        }
    }

    /// The cursor behind the entry at an offset of the page that a query gives.
    private func cursor(after entry: AuditEntry, in query: AuditQuery, at offset: Int) throws -> AuditCursor? {
        var short = query
        short.limit = offset + 1
        return try search(short).next
    }

    /// How many entries query and filter find; nil when there are more than `most`.
    public func count(_ query: AuditQuery, content: AuditContentFilter, most: Int = 100_000) throws -> Int? {
        var asked = query
        asked.limit = AuditQuery.largestPage
        asked.after = nil
        var count = 0
        var looked = 0
        while true {
            let page = try search(asked)
            looked += page.entries.count
            for entry in page.entries where try content.matches(entry, of: query.patient) { count += 1 }
            guard let next = page.next else { return count }
            guard looked < most else { return nil }
            asked.after = next
        }
    }
}
