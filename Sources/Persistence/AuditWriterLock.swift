internal import Audit
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The right to write one audit log, held through a lock file beside it.
///
/// The system gives the lock up when the process ends, however it ends. A class because the lock lives exactly as long
/// as the descriptor is open.
final class AuditWriterLock: Sendable {
    private let held: Mutex<Int32?>

    /// Takes the lock, or throws `heldElsewhere` when another process, or another sink of this one, has it.
    init(path: String) throws(AuditFailure) {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .notWritten(detail: "lock file `\(path)`: errno \(errno)") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            close(file)
            guard reason == EWOULDBLOCK else { throw .notWritten(detail: "lock file `\(path)`: errno \(reason)") }
            throw .heldElsewhere(detail: "`\(path)` is locked")
        }
        held = Mutex(file)
    }

    /// Lets go; the second time does nothing.
    func release() {
        held.withLock { descriptor in
            if let open = descriptor { close(open) }
            descriptor = nil
        }
    }

    deinit { release() }
}
