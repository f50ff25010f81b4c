internal import CertificateTrust
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#endif

/// The files in which the operator keeps lists of withdrawn certificates, read again when they change.
///
/// A file that cannot be read any more leaves in force what it held, until that ends by itself; one that is gone from a
/// folder is gone. A class because the service that reads and the requests that ask share it; the lock is `state`.
final class CertificateListFiles: Sendable {
    private struct State {
        var files: [String: (mark: FileMark?, lists: [CertificateRevocationList])] = [:]
        var generation = 0
    }

    private let paths: [String]
    private let state = Mutex(State())

    /// The largest file, in bytes, and the most files of one folder.
    static let limit = 64 << 20
    static let mostFiles = 1000

    /// - Parameter paths: files with lists in PEM or DER, and folders of such files.
    init(_ paths: [String]) { self.paths = paths }

    /// Grows with every change.
    var generation: Int { state.withLock { $0.generation } }

    var lists: [CertificateRevocationList] { state.withLock { $0.files.values.flatMap(\.lists) } }

    /// Reads what has changed; what is wrong with a file or folder, by its path.
    func reload() -> [String: String] {
        var problems: [String: String] = [:]
        var present: Set<String> = []
        for path in paths {
            guard let names = Self.names(in: path) else {
                present.insert(path)
                problems[path] = read(path)
                continue
            }
            if names.count > Self.mostFiles { problems[path] = "it holds more than \(Self.mostFiles) files" }
            for name in names.sorted().prefix(Self.mostFiles) {
                let file = "\(path)/\(name)"
                present.insert(file)
                problems[file] = read(file)
            }
        }
        state.withLock { state in
            let gone = state.files.keys.filter { !present.contains($0) }
            for file in gone { state.files[file] = nil }
            if !gone.isEmpty { state.generation += 1 }
        }
        return problems
    }

    /// Reads a file unless it is the one that was read; what is wrong with it.
    private func read(_ file: String) -> String? {
        let mark = FileMark(file)
        guard let mark else { return "there is no such file" }
        if state.withLock({ $0.files[file]?.mark == mark }) { return nil }
        do {
            guard let bytes = try PrivateFile.read(file, limit: Self.limit) else { return "there is no such file" }
            let lists = try CertificateRevocationList.read(bytes)
            state.withLock { state in
                state.files[file] = (mark, lists)
                state.generation += 1
            }
            return nil
        } catch is CertificateRevocationList.Refused {
            return "it holds no certificate revocation lists in PEM or DER, or one of a kind that is not read"
        } catch {
            return "\(error)"
        }
    }

    /// The names in a folder but for hidden ones; nil when it is none.
    private static func names(in path: String) -> [String]? {
        guard let folder = opendir(path) else { return nil }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { place in
                place.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }
}
