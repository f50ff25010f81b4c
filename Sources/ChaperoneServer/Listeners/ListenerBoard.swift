internal import Synchronization

/// Which listeners are up, and on which ports; others can wait until all are.
///
/// A class because listeners write it and waiters read it; the lock is `state`.
final class ListenerBoard: Sendable {
    private struct State {
        var ports: [String: Int] = [:]
        var ended = false
        var waiters: [CheckedContinuation<[String: Int]?, Never>] = []
    }

    private let expected: Set<String>
    private let state = Mutex(State())

    init(expected: Set<String>) { self.expected = expected }

    func isUp(_ name: String) -> Bool { state.withLock { $0.ports[name] != nil } }

    func up(_ name: String, port: Int) {
        let waiters = state.withLock { state -> [CheckedContinuation<[String: Int]?, Never>] in
            state.ports[name] = port
            guard expected.isSubset(of: state.ports.keys) else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        let ports = state.withLock { $0.ports }
        for waiter in waiters { waiter.resume(returning: ports) }
    }

    /// Nobody needs to wait any longer: the server has ended.
    func end() {
        let waiters = state.withLock { state in
            state.ended = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: nil) }
    }

    /// The ports by listener, when all are up; nil when the server ended before.
    func allUp() async -> [String: Int]? {
        await withCheckedContinuation { continuation in
            enum Answer { case up([String: Int]), ended, later }
            let answer = state.withLock { state -> Answer in
                if state.ended { return .ended }
                if expected.isSubset(of: state.ports.keys) { return .up(state.ports) }
                state.waiters.append(continuation)
                return .later
            }
            switch answer {
            case .up(let ports): continuation.resume(returning: ports)
            case .ended: continuation.resume(returning: nil)
            case .later: break
            }
        }
    }
}
