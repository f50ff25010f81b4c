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
        guard let databaseLock = try PrivateFile.Lock(database: "\(path)/chaperone.db") else {
            throw Refused(description: "another chaperone is running on the database in `\(path)`")
        }
        let names = ["chaperone.db", "audit.db", "sandbox.db", InstallationKey.fileName, LocalCredential.fileName]
        for name in names {
            for suffix in ["", "-wal", "-shm", "-journal", ".writer", ".new"] {
                guard unlink("\(path)/\(name)\(suffix)") == 0 || errno == ENOENT else {
                    throw PrivateFile.Failure("removing", "\(path)/\(name)\(suffix)")
                }
            }
        }
        for name in try contents(of: path) where KeptRoster.isName(name) {
            guard unlink("\(path)/\(name)") == 0 || errno == ENOENT else {
                throw PrivateFile.Failure("removing", "\(path)/\(name)")
            }
        }
        try wipeLists("\(path)/\(KeptLists.folderName)")
        databaseLock.release()
        lock.release()
    }

    /// Removes the lists of withdrawn certificates that were kept, and their folder when nothing else stands in it.
    private static func wipeLists(_ path: String) throws {
        guard access(path, F_OK) == 0 else { return }
        for name in try contents(of: path) where KeptLists.isName(name) {
            guard unlink("\(path)/\(name)") == 0 || errno == ENOENT else {
                throw PrivateFile.Failure("removing", "\(path)/\(name)")
            }
        }
        guard rmdir(path) == 0 || errno == ENOTEMPTY || errno == EEXIST else {
            throw PrivateFile.Failure("removing", path)
        }
    }

    private static func contents(of path: String) throws -> [String] {
        guard let folder = opendir(path) else { throw PrivateFile.Failure("reading", path) }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        return names
    }
}
