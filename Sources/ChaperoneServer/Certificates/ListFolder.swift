#if canImport(Glibc)
    internal import Glibc
#endif

/// What stands at a path that may be a folder.
enum ListFolder {
    /// Which folder it is.
    struct Identity: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64
    }

    /// What was found.
    enum Look: Hashable, Sendable {
        /// The names in it but for hidden ones.
        case folder(names: [String], Identity)
        /// Something is there, and it is none.
        case noFolder
        /// It cannot be opened or read to its end, or nothing is there: what the system says.
        case failed(String)
    }

    static func look(at path: String) -> Look {
        guard let folder = opendir(path) else {
            return errno == ENOTDIR && exists(path) ? .noFolder : .failed(reason("opening", errno))
        }
        defer { closedir(folder) }
        var status = stat()
        guard fstat(dirfd(folder), &status) == 0 else { return .failed(reason("looking at", errno)) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(folder) else {
                // A folder that is read in part is not known to lack anything.
                guard errno == 0 else { return .failed(reason("reading", errno)) }
                break
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { place in
                place.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return .folder(names: names, Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)))
    }

    /// Whether anything stands at a path; also where that cannot be found out.
    static func mayExist(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 || errno != ENOENT && errno != ENOTDIR
    }

    private static func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0
    }

    private static func reason(_ doing: String, _ error: Int32) -> String {
        error == ENOENT ? "there is no such file or folder" : "\(doing) it failed: \(String(cString: strerror(error)))"
    }
}
