internal import NIOCore

/// One time limit that is moved by storing it, because scheduling and cancelling a timer for every request costs more
/// than the request's own time limits are worth.
///
/// Moving the limit to a later moment than the one that the timer is armed for schedules nothing: a timer that fires too
/// early is armed again for the rest. A class because its timer comes back to it; confined to one event loop.
final class LoopDeadline {
    private let eventLoop: any EventLoop
    private let passed: () -> Void
    private var due: NIODeadline?
    private var armedFor: NIODeadline?
    private var timer: Scheduled<Void>?

    /// A limit that is not set yet; `passed` is called on the event loop when it has passed.
    init(on eventLoop: any EventLoop, passed: @escaping () -> Void) {
        self.eventLoop = eventLoop
        self.passed = passed
    }

    /// Sets the limit to a time from now.
    func set(in delay: TimeAmount) { set(eventLoop.now + delay) }

    /// Sets the limit to a moment.
    func set(_ moment: NIODeadline) {
        due = moment
        if let armedFor, armedFor <= moment { return }
        timer?.cancel()
        arm(for: moment)
    }

    /// Lifts the limit.
    func clear() { due = nil }

    /// Lifts the limit for good.
    func end() {
        due = nil
        armedFor = nil
        timer?.cancel()
        timer = nil
    }

    private func arm(for moment: NIODeadline) {
        armedFor = moment
        let loopBound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(deadline: moment) { loopBound.value.fire() }
    }

    private func fire() {
        timer = nil
        armedFor = nil
        guard let due else { return }
        guard eventLoop.now >= due else { return arm(for: due) }
        self.due = nil
        passed()
    }
}
