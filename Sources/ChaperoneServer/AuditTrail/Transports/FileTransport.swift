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
            let text = try AuditFeedMessage.lines(batch, system: system).map { $0 + "\n" }.joined()
            try append(Array(text.utf8))
        }
    }

    private func append(_ bytes: [UInt8]) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("opened") }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure("written") }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw failure("synchronised") }
    }

    private func failure(_ what: String) -> Failure {
        Failure(description: "`\(path)` cannot be \(what): \(String(cString: strerror(errno)))")
    }
}
