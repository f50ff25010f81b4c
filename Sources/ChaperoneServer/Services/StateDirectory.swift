#if canImport(Glibc)
    internal import Glibc
#endif

/// The folder in which a server keeps everything: databases, keys, credentials.
public enum StateDirectory {
    /// What keeps a folder from being wiped.
    public struct Refused: Error, CustomStringConvertible {
        public let description: String
    }

    /// Makes it for its owner only.
    public static func make(_ path: String) throws { try PrivateFile.makeDirectory(path) }

    /// Writes a file into it.
    public static func write(_ bytes: [UInt8], to path: String) throws { try PrivateFile.write(bytes, to: path) }

    /// Removes the files that a server makes, by their names, and nothing else.
    ///
    /// - Throws: when a server holds the folder.
    public static func wipe(_ path: String) throws {
        guard access(path, F_OK) == 0 else { return }
        guard let lock = try PrivateFile.Lock(directory: path) else {
            throw Refused(description: "another chaperone is running on `\(path)`")
        }
        let names = ["chaperone.db", "audit.db", "sandbox.db", InstallationKey.fileName, LocalCredential.fileName]
        for name in names {
            for suffix in ["", "-wal", "-shm", "-journal", ".writer", ".new"] {
                guard unlink("\(path)/\(name)\(suffix)") == 0 || errno == ENOENT else {
                    throw PrivateFile.Failure("removing", "\(path)/\(name)\(suffix)")
                }
            }
        }
        lock.release()
    }
}
