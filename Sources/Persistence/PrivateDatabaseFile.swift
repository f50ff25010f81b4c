#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The files of a database that only their owner may read: the database, its write-ahead log and its index.
enum PrivateDatabaseFile {
    /// The system refused.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Makes the file with mode 0600 if there is none, and takes the rights of all others from what is there.
    ///
    /// Before SQLite opens it: SQLite gives the log and the index the mode that the database has when it makes them.
    static func prepare(_ path: String) throws(Failure) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Failure(description: "opening `\(path)`: errno \(errno)") }
        let isClosed = fchmod(descriptor, 0o600) == 0
        let reason = errno
        close(descriptor)
        guard isClosed else { throw Failure(description: "mode of `\(path)`: errno \(reason)") }
        for companion in [path + "-wal", path + "-shm"] {
            guard chmod(companion, 0o600) == 0 || errno == ENOENT else {
                throw Failure(description: "mode of `\(companion)`: errno \(errno)")
            }
        }
    }
}
