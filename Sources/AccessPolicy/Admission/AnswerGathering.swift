public import FHIRCore

/// Where a page of a gathered answer begins: in which of its parts, on which upstream page, after how many visible rows.
///
/// It counts visible rows only, so it is the same whatever stands hidden between them.
public struct GatheringPosition: Hashable, Sendable {
    /// Which of the permit's parts.
    public let part: Int
    /// The upstream's own address of the page; nil for the first of the part.
    public let page: String?
    /// Visible rows of that page that stand on earlier pages of ours.
    public let skip: Int

    /// A position; it is checked against the permit when it is used.
    public init(part: Int, page: String?, skip: Int) {
        self.part = part
        self.page = page
        self.skip = skip
    }

    static let start = GatheringPosition(part: 0, page: nil, skip: 0)
}

/// An answer that is put together from several upstream answers, as a value that performs nothing.
///
/// Ask ``next`` upstream, give the answer to ``take(_:)``, until there is nothing more to ask; then ``finished(pageLink:)``.
public protocol AnswerGathering: Sendable {
    /// The permit of the upstream request to make now; nil when nothing more is needed. Its `continuation` is set where a
    /// further page of the upstream is wanted.
    var next: Permit? { get }
    /// Judges the answer to what was asked; a refusal ends the whole.
    mutating func take(_ answer: UpstreamAnswer) -> Denial?
    /// Types on which the upstream was seen, whatever comes of the whole, to pass over what a narrowed search said.
    var disobeyed: Set<ResourceType> { get }
    /// The answer as far as it was gathered.
    ///
    /// - Parameter pageLink: turns the position of the next page into an address of ours, or nil.
    func finished(pageLink: (GatheringPosition) -> String?) -> AnswerAdmission
}

extension Permit {
    /// The gathering of a page of the answer; nil when the permit is for one upstream request, or when a position does
    /// not belong to it.
    public func gathering(from position: GatheringPosition?) -> (any AnswerGathering)? {
        guard let gathering else { return nil }
        let start = position ?? .start
        guard gathering.parts.indices.contains(start.part), start.skip >= 0, start.skip <= 100_000 else { return nil }
        if let page = start.page, gathering.parts[start.part].continuing(at: page) == nil { return nil }
        switch gathering.kind {
        case .search: return SearchGathering(self, gathering, from: start)
        case .history: return HistoryGathering(self, gathering, from: start)
        case .operation: return OperationGathering(self, gathering, from: start)
        // It has one page, which begins at the beginning.
        case .binary: return position == nil ? BinaryGathering(self, gathering, from: start) : nil
        }
    }
}

/// How far a page has been filled, and where the next one begins.
struct GatheringProgress: Sendable {
    let start: GatheringPosition
    /// What is asked now.
    private(set) var position: GatheringPosition
    /// Where the first row of the next page stands; nil when there is none, or none has been looked for yet.
    private(set) var nextPage: GatheringPosition?
    /// Whether the page is as it will be.
    private(set) var isOver = false
    /// Whether it ended because it had cost enough.
    private(set) var isExhausted = false
    private var calls = 0
    private let maxCalls: Int
    /// Bytes of the resources on the page. Only of those that may be seen, so that hidden ones change no page.
    private var bytes = 0
    private let maxBytes: Int

    init(from start: GatheringPosition, _ policy: ServerPolicy) {
        self.start = start
        position = start
        maxCalls = policy.maxCallsPerPage
        maxBytes = policy.maxPageBytes
    }

    /// Whether a resource still goes onto the page; the first one does whatever its size.
    func hasRoom(for resource: ResourceView?) -> Bool {
        bytes == 0 || bytes + (resource?.node.range.count ?? 0) <= maxBytes
    }

    /// Counts a resource that is on the page.
    mutating func fill(_ resource: ResourceView?) { bytes += resource?.node.range.count ?? 0 }

    /// Counts a call that is about more than the page at hand; false when there may be no further one.
    mutating func spend() -> Bool {
        calls += 1
        return calls < maxCalls
    }

    /// Counts look-ups about the upstream's page at hand; false when there may not be so many.
    mutating func spend(lookups: Int) -> Bool {
        calls += lookups
        return calls <= maxCalls
    }

    /// A row beyond the page was found: there the next one begins.
    mutating func found(next: GatheringPosition) {
        nextPage = next
        isOver = true
    }

    /// Goes on to a later part, when there is nothing more to learn from those before it.
    mutating func leap(toPart part: Int) {
        guard part > position.part else { return }
        position = GatheringPosition(part: part - 1, page: nil, skip: 0)
        advance(to: nil, parts: part + 1)
    }

    /// Goes on to the upstream's next page, or to the next part.
    ///
    /// - Parameter next: the upstream's address of its next page.
    mutating func advance(to next: String?, parts: Int) {
        let further =
            next.map { GatheringPosition(part: position.part, page: $0, skip: 0) }
            ?? GatheringPosition(part: position.part + 1, page: nil, skip: 0)
        position = further
        if further.part >= parts {
            isOver = true
        } else if !spend() {
            isExhausted = true
            isOver = true
            nextPage = further
        }
    }
}
