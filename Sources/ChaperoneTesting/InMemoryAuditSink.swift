public import AccessPolicy
public import Audit
internal import Synchronization

/// An audit log in memory that keeps the promises of `AuditSink` for as long as the process lives.
///
/// A test can tell it to fail, to fail after storing (as a disk can), or to hold appends back until it lets them go.
/// A class because recorder and test look at the same log; its fields stand behind one `Mutex`.
public final class InMemoryAuditSink: AuditSink {
    /// What an append does.
    public enum Behaviour: Hashable, Sendable {
        case works
        /// Stores nothing and throws.
        case fails
        /// Stores everything and throws all the same.
        case storesButThrows
    }

    /// The error that a failing append throws.
    public struct Broken: Error, Hashable, Sendable {
        public init() {}
    }

    /// What at most one entry may have: a place in a chain, or the closing of another entry.
    private enum Place: Hashable {
        case sequence(Int64, node: String)
        case closing(Int64, node: String)

        static func of(_ entry: AuditEntry) -> [Place] {
            let closing = entry.index.closes.map { Place.closing($0, node: entry.node) }
            return [.sequence(entry.sequence, node: entry.node)] + (closing.map { [$0] } ?? [])
        }
    }

    private struct State {
        var entries: [AuditEntry] = []
        var taken: Set<Place> = []
        var behaviour = Behaviour.works
        var batches: [Int] = []
        /// How many appends are left before they behave in another way.
        var later: [(left: Int, behaviour: Behaviour)] = []

        mutating func count() {
            for change in later where change.left == 0 { behaviour = change.behaviour }
            later = later.compactMap { $0.left > 0 ? ($0.left - 1, $0.behaviour) : nil }
        }
    }

    private let state: Mutex<State>
    private let gate: (@Sendable () -> Void)?

    /// An empty log; `gate`, if given, is called at the start of each append and may block.
    public init(gate: (@Sendable () -> Void)? = nil) {
        state = Mutex(State())
        self.gate = gate
    }

    /// What appends do from now on.
    public func behave(_ behaviour: Behaviour) { state.withLock { $0.behaviour = behaviour } }

    /// What appends do after so many more of them.
    public func behave(_ behaviour: Behaviour, after appends: Int) {
        state.withLock { $0.later.append((appends, behaviour)) }
    }

    /// Everything that is stored, in the order of storing.
    public var entries: [AuditEntry] { state.withLock { $0.entries } }

    /// The number of entries in each append that stored something.
    public var batches: [Int] { state.withLock { $0.batches } }

    /// Changes what is stored behind the recorder's back.
    public func tamper(_ change: (inout [AuditEntry]) -> Void) {
        state.withLock { state in
            change(&state.entries)
            state.taken = Set(state.entries.flatMap { Place.of($0) })
        }
    }

    public func append(_ batch: [AuditEntry]) throws {
        gate?()
        try state.withLock { state in
            state.count()
            guard state.behaviour != .fails else { throw Broken() }
            var taken = state.taken
            for entry in batch {
                let places = Place.of(entry)
                guard taken.isDisjoint(with: places) else {
                    throw AuditFailure.notWritten(detail: "sequence or closing is taken")
                }
                taken.formUnion(places)
            }
            state.taken = taken
            state.entries += batch
            state.batches.append(batch.count)
            guard state.behaviour != .storesButThrows else { throw Broken() }
        }
    }

    public func head(of node: String) -> AuditEntry? { entries.last { $0.node == node } }

    public func unfinished(on node: String, through sequence: Int64) -> [AuditEntry] {
        let own = entries.filter { $0.node == node }
        let closed = Set(own.compactMap(\.index.closes))
        return own.filter {
            $0.index.phase == .opening && $0.sequence <= sequence && !closed.contains($0.sequence)
        }
    }

    public func unfinishedNodes() -> [String] {
        nodes().filter { !unfinished(on: $0, through: .max).isEmpty }
    }

    public func contains(_ eventID: DecisionID) -> Bool { entries.contains { $0.index.eventID == eventID } }

    public func nodes() -> [String] { Set(entries.map(\.node)).sorted() }

    public func scan(_ node: String, after position: Int64, limit: Int) -> [StoredAuditEntry] {
        let stored = entries.enumerated().map { StoredAuditEntry(position: Int64($0.offset + 1), entry: $0.element) }
        return Array(stored.filter { $0.entry.node == node && $0.position > position }.prefix(limit))
    }

    public func search(_ query: AuditQuery) -> AuditPage {
        let (found, through) = found(query)
        let rest = found.filter { stored in
            guard let after = query.after else { return true }
            let (place, last) = ((stored.entry.recordedAt, stored.position), (after.recordedAt, after.position))
            return query.order == .newestFirst ? place < last : place > last
        }
        let page = Array(rest.prefix(query.limit))
        let next = rest.count > page.count ? page.last.map { AuditCursor($0, through: through) } : nil
        return AuditPage(page, next: next, looked: page.count, through: through)
    }

    public func count(_ query: AuditQuery, most: Int) -> Int? {
        let count = found(query).stored.count
        return count > most ? nil : count
    }

    /// Everything that a query finds, on whatever page, and how much of the log counts.
    private func found(_ query: AuditQuery) -> (stored: [StoredAuditEntry], through: Int64) {
        let all = entries
        let through = query.after?.through ?? query.through ?? Int64(all.count)
        let counted = all.prefix(Int(clamping: max(0, through)))
        var closed: [String: Set<Int64>] = [:]
        for entry in counted { entry.index.closes.map { _ = closed[entry.node, default: []].insert($0) } }
        let found = counted.enumerated().map { StoredAuditEntry(position: Int64($0.offset + 1), entry: $0.element) }
            .filter { stored in
                let entry = stored.entry
                return (query.includesClosedOpenings || closed[entry.node]?.contains(entry.sequence) != true)
                    && Self.matches(entry, query)
            }
            .sorted { ($0.entry.recordedAt, $0.position) < ($1.entry.recordedAt, $1.position) }
        return (query.order == .newestFirst ? found.reversed() : found, through)
    }

    private static func matches(_ entry: AuditEntry, _ query: AuditQuery) -> Bool {
        let index = entry.index
        return (query.hashes.isEmpty || query.hashes.contains(entry.hash))
            && (query.patient.map { index.patients.contains($0) } ?? true)
            && (query.clientID == nil || query.clientID == index.clientID)
            && (query.subject == nil || query.subject == index.subject)
            && (query.grantID == nil || query.grantID == index.grantID)
            && (query.eventID == nil || query.eventID == index.eventID)
            && (query.kinds.isEmpty || query.kinds.contains(index.kind))
            && (query.outcomes.isEmpty || query.outcomes.contains(index.outcome))
            && (query.resourceType == nil || query.resourceType == index.resourceType)
            && (query.interactions.isEmpty || index.interaction.map { query.interactions.contains($0) } ?? false)
            && (query.from.map { entry.recordedAt >= $0 } ?? true)
            && (query.to.map { entry.recordedAt < $0 } ?? true)
    }
}
