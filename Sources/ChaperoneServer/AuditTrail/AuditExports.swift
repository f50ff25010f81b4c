internal import Audit
internal import AccessPolicy
internal import OAuthCore

/// Exports that are under way: each is fetched a piece at a time, and signed when its last piece was given out.
///
/// An actor: what an export has so far changes with each piece, and pieces are read from disk between.
actor AuditExports {
    /// An export under way.
    private struct Running {
        var export: AuditExport
        var query: AuditQuery
        let content: AuditContentFilter
        let asked: String
        let actor: String
        var touchedAt: Int64
        var isBusy = false
    }

    /// One piece of the file; `signature` comes with the last.
    struct Piece: Sendable {
        let text: String
        let entries: Int
        let signature: String?
    }

    /// At most so many at once; one that nobody fetches is forgotten after ten minutes.
    private static let capacity = 8
    private static let patience: Int64 = 600_000

    private var running: [String: Running] = [:]
    private let key: PrivateJWK
    private let system: AuditSystem
    private let clock: Clock
    private let random: RandomSource
    private let search: @Sendable (AuditQuery, AuditContentFilter) async throws -> AuditPage

    init(
        key: PrivateJWK, system: AuditSystem, clock: Clock, random: RandomSource,
        search: @escaping @Sendable (AuditQuery, AuditContentFilter) async throws -> AuditPage
    ) {
        self.key = key
        self.system = system
        self.clock = clock
        self.random = random
        self.search = search
    }

    /// Starts an export; nil when too many are under way.
    func begin(
        _ format: AuditExportFormat, _ query: AuditQuery, _ content: AuditContentFilter, asked: String, by actor: String
    ) -> String? {
        let now = clock.milliseconds()
        running = running.filter { now - $0.value.touchedAt < Self.patience }
        guard running.count < Self.capacity else { return nil }
        let id = random.identifier()
        var query = query
        query.limit = 500
        running[id] = Running(
            export: AuditExport(format: format, system: system), query: query, content: content, asked: asked,
            actor: actor, touchedAt: now)
        return id
    }

    /// The next piece; nil when there is no such export of this actor, or it is being fetched already.
    func next(_ id: String, by actor: String) async throws -> Piece? {
        guard var mine = running[id], mine.actor == actor, !mine.isBusy else { return nil }
        running[id]?.isBusy = true
        defer { running[id]?.isBusy = false }
        let isFirst = mine.export.entries == 0 && mine.query.after == nil
        var text = isFirst ? mine.export.open(at: clock.milliseconds()) : ""
        let page = try await search(mine.query, mine.content)
        text += try mine.export.add(page.entries)
        mine.query.after = page.next
        mine.touchedAt = clock.milliseconds()
        guard page.next == nil else {
            running[id] = mine
            return Piece(text: text, entries: mine.export.entries, signature: nil)
        }
        text += mine.export.close()
        running[id] = nil
        let signature = try mine.export.signature(
            by: actor, asked: mine.asked, at: clock.milliseconds(), with: key)
        return Piece(text: text, entries: mine.export.entries, signature: signature)
    }
}
