internal import Audit

#if canImport(Glibc)
    internal import Glibc
#endif

/// Appends lines to a file and makes them durable; the file may lie on another machine's disk.
struct FileTransport: Sendable {
    let path: String
    let system: AuditSystem

    /// What the system said.
    struct Failure: Error, CustomStringConvertible { let description: String }

    var transport: AuditFeedTransport {
        AuditFeedTransport { batch in
            let text = AuditFeedMessage.lines(batch, system: system).map { $0 + "\n" }.joined()
            try append(Array(text.utf8))
        }
    }

    private func append(_ bytes: [UInt8]) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("opened") }
        defer { close(descriptor) }
        var rest = (try endsInsideLine(descriptor) ? [UInt8(ascii: "\n")] : [])[...] + bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure("written") }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw failure("synchronised") }
    }

    /// Whether an earlier attempt was cut off within a line. What follows must not become a part of it: the whole batch
    /// is sent again.
    private func endsInsideLine(_ descriptor: Int32) throws -> Bool {
        let length = lseek(descriptor, 0, SEEK_END)
        // A pipe or device cannot be looked at, and has no line to be inside of.
        guard length > 0 else { return false }
        var last: UInt8 = 0
        guard pread(descriptor, &last, 1, length - 1) == 1 else { throw failure("read") }
        return last != UInt8(ascii: "\n")
    }

    private func failure(_ what: String) -> Failure {
        Failure(description: "`\(path)` cannot be \(what): \(String(cString: strerror(errno)))")
    }
}
