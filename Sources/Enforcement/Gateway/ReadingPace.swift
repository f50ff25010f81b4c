internal import NIOCore

/// How fast a client takes what it is sent, counted over the time in which we wait for it.
///
/// Only waiting counts: a client is not slow because the protected server is. Whenever a window's worth of waiting has
/// come together, however it was scattered, the client must have taken a least amount meanwhile.
struct ReadingPace {
    private let window: TimeAmount
    private let least: Int
    private var waited = TimeAmount.zero
    private var since: NIODeadline?
    private var taken = 0

    /// - Parameters:
    ///   - milliseconds: how much waiting is looked at together.
    ///   - bytesPerSecond: the least that a client takes in a second of it.
    init(milliseconds: Int64, bytesPerSecond: Int) {
        window = .milliseconds(milliseconds)
        // At least something, however low the pace: a client that takes nothing is not reading.
        least = max(1, Int(Double(milliseconds) / 1_000 * Double(bytesPerSecond)))
    }

    /// When the window is full; nil while nobody waits.
    var due: NIODeadline? { since.map { $0 + (window - waited) } }

    /// The client has taken something.
    mutating func took(_ bytes: Int) { taken += bytes }

    /// From now on we wait for the client.
    mutating func wait(at now: NIODeadline) {
        guard since == nil else { return }
        // What it took before it was first waited for says nothing.
        if waited == .zero { taken = 0 }
        since = now
    }

    /// We wait no longer.
    mutating func goOn(at now: NIODeadline) {
        guard let since else { return }
        waited = waited + (now - since)
        self.since = nil
    }

    /// Whether a window is full in which the client has taken too little; a full one is followed by a new one.
    mutating func isTooSlow(at now: NIODeadline) -> Bool {
        let isWaiting = since != nil
        goOn(at: now)
        defer { if isWaiting { since = now } }
        guard waited >= window else { return false }
        defer { (waited, taken) = (.zero, 0) }
        return taken < least
    }
}
