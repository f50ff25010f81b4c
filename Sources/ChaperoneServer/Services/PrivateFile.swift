internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#endif

/// Files that only their owner may read: keys, credentials, databases' folder.
enum PrivateFile {
    /// What the system said.
    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ doing: String, _ path: String) {
            description = "\(doing) `\(path)` failed: \(String(cString: strerror(errno)))"
        }
    }

    /// Writes a file whole or not at all: a new file of mode 0600 beside it, made durable, then renamed over it.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let temporary = "\(path).new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure("creating", temporary) }
        var isOpen = true
        defer { if isOpen { close(descriptor) } }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            guard count > 0 else { throw Failure("writing", temporary) }
            written += count
        }
        guard fsync(descriptor) == 0 else { throw Failure("syncing", temporary) }
        close(descriptor)
        isOpen = false
        guard rename(temporary, path) == 0 else { throw Failure("renaming", temporary) }
    }

    /// Reads a file; nil when there is none.
    static func read(_ path: String, limit: Int = 1 << 20) throws -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Failure("opening", path)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw Failure("reading", path) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            if bytes.count > limit {
                errno = EFBIG
                throw Failure("reading", path)
            }
        }
    }

    /// Refuses a file or folder that somebody else than its owner can read or change, or that is somebody else's.
    static func demandPrivate(_ path: String) throws {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Failure("looking at", path) }
        guard status.st_uid == geteuid() else {
            throw Exposed(
                description: "`\(path)` belongs to user \(status.st_uid), the server runs as user \(geteuid()): "
                    + "run `chown \(geteuid()) '\(path)'`, or the server as its owner")
        }
        guard status.st_mode & 0o077 == 0 else {
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            throw Exposed(
                description:
                    "`\(path)` has mode \(String(status.st_mode & 0o777, radix: 8)), so others can reach what is "
                    + "in it: run `chmod \(isFolder ? "700" : "600") '\(path)'`"
                    + (isFolder ? "" : "; if others had access to the machine, make the installation anew"))
        }
    }

    /// Something secret lies open.
    struct Exposed: Error, CustomStringConvertible {
        let description: String
    }

    /// Makes a folder and its parents; the last one for the owner only.
    static func makeDirectory(_ path: String) throws {
        var made = path.hasPrefix("/") ? "/" : ""
        let parts = path.split(separator: "/")
        for (index, part) in parts.enumerated() {
            made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
            if mkdir(made, index == parts.count - 1 ? 0o700 : 0o755) != 0, errno != EEXIST {
                throw Failure("making", made)
            }
        }
    }

    /// A lock that one process holds on a state directory, or on a database, until it lets go or ends.
    ///
    /// A class because several owners share one lock; the descriptor stands behind `held`.
    final class Lock: Sendable {
        private let held: Mutex<Int32?>

        /// Takes the lock of a state directory; nil when another process holds it.
        convenience init?(directory: String) throws { try self.init(file: "\(directory)/serve.lock") }

        /// Takes the lock of a database, by whatever path it is reached; nil when another process holds it.
        convenience init?(database path: String) throws {
            let resolved = realpath(path, nil)
            defer { free(resolved) }
            try self.init(file: "\(resolved.map { String(cString: $0) } ?? path).lock")
        }

        /// Takes the lock that a file stands for; nil when another process holds it.
        init?(file path: String) throws {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw Failure("opening", path) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let isHeld = errno == EWOULDBLOCK
                close(descriptor)
                if isHeld { return nil }
                throw Failure("locking", path)
            }
            held = Mutex(descriptor)
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
}
