internal import NIOCore

/// Something short-lived that may not take for ever: a call, a wait for the audit log, an unused connection.
protocol Timed: AnyObject {
    /// When it will have taken too long.
    var due: NIODeadline { get }
    /// Its place among what is watched; nil while it is not. Kept by ``DeadlineWatch``.
    var watchPlace: Int? { get set }
    /// It has taken too long.
    func isOverdue()
}

/// Watches over the time limits of everything under way on one event loop, with one timer for all.
///
/// A class because its timer comes back to it; confined to one event loop. `due` may move to a later moment at any time
/// without telling; the timer looks at it when it fires.
final class DeadlineWatch {
    private var watched: [any Timed] = []
    private lazy var deadline = LoopDeadline(on: eventLoop) { [weak self] in self?.look() }
    private var earliest: NIODeadline?
    private let eventLoop: any EventLoop

    init(on eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// The moment now, by the event loop's clock.
    var now: NIODeadline { eventLoop.now }

    /// Watches over something until it is let go or has taken too long.
    func add(_ item: any Timed) {
        guard item.watchPlace == nil else { return }
        item.watchPlace = watched.count
        watched.append(item)
        sharpen(to: item.due)
    }

    /// Looks at something anew whose limit has moved to an earlier moment.
    func sharpen(to due: NIODeadline) {
        if let earliest, earliest <= due { return }
        earliest = due
        deadline.set(due)
    }

    /// Lets something go.
    func remove(_ item: any Timed) {
        guard let place = item.watchPlace else { return }
        item.watchPlace = nil
        let last = watched.removeLast()
        guard last !== item else { return }
        watched[place] = last
        last.watchPlace = place
    }

    private func look() {
        earliest = nil
        let now = eventLoop.now
        for item in watched.filter({ $0.due <= now }) where item.watchPlace != nil {
            remove(item)
            item.isOverdue()
        }
        if let next = watched.map(\.due).min() { sharpen(to: next) }
    }
}
