#if canImport(Glibc)
    internal import Glibc
#endif

/// A file that is being written, for its owner only: what is exported is about patients.
///
/// A class because it owns the descriptor; it is used by one task.
final class OutputFile {
    private let path: String
    private var descriptor: Int32

    init(path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("opened") }
    }

    func write(_ text: String) throws {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure("written") }
            bytes = bytes.dropFirst(count)
        }
    }

    /// Makes it durable.
    func close() throws {
        guard fsync(descriptor) == 0 || errno == EINVAL, Glibc.close(descriptor) == 0 else { throw failure("written") }
        descriptor = -1
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    private func failure(_ what: String) -> CommandFailure {
        CommandFailure("`\(path)` cannot be \(what): \(String(cString: strerror(errno)))")
    }
}
