internal import Synchronization

/// How far a long work is, on one line of the error stream; silent where nobody is watching.
///
/// A class because the threads of the work share it; the lock is `shown`.
final class ProgressLine: Sendable {
    private let what: String
    private let isWatched = StandardError.isTerminal
    private let shown = Mutex<Int64>(-1)

    init(what: String) { self.what = what }

    func show(_ done: Int64, of all: Int64) {
        guard isWatched, all > 0 else { return }
        let percent = done * 100 / all
        let isNew = shown.withLock { shown in
            guard percent > shown else { return false }
            shown = percent
            return true
        }
        if isNew { StandardError.write("\r\(done) of \(all) \(what), \(percent) %") }
    }

    /// Where nobody knows how long it will be.
    func show(_ done: Int64) {
        if isWatched { StandardError.write("\r\(done) \(what)") }
    }

    func end() { if isWatched { StandardError.write("\r\u{1B}[K") } }
}
