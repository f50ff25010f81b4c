internal import CertificateTrust
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#endif

/// The files in which the operator keeps lists of withdrawn certificates, read again when they change.
///
/// A file or folder that cannot be read any more leaves in force what it held, until that ends by itself; only a file that
/// is gone from a folder that can be read is gone. A class because the service that reads and the requests that ask share
/// it; the lock is `state`.
final class CertificateListFiles: Sendable {
    private struct State {
        var files: [String: (mark: FileMark?, lists: [CertificateRevocationList])] = [:]
        /// The folders among the paths, as they were last read.
        var folders: [String: ListFolder.Identity] = [:]
        var lists: [CertificateRevocationList] = []
        var problems: [String: String] = [:]
        var generation = 0

        mutating func set(_ file: String, _ entry: (mark: FileMark?, lists: [CertificateRevocationList])?) {
            files[file] = entry
            lists = files.values.flatMap(\.lists)
            generation += 1
        }
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

    var lists: [CertificateRevocationList] { state.withLock { $0.lists } }

    /// What was wrong with files and folders when they were last looked at, by their paths.
    var problems: [String: String] { state.withLock { $0.problems } }

    /// Reads what has changed; what is wrong with a file or folder, by its path.
    @discardableResult func reload() -> [String: String] {
        var problems: [String: String] = [:]
        var present: Set<String> = []
        for path in paths {
            let held = held(in: path)
            switch ListFolder.look(at: path) {
            case .folder(let names, let identity):
                let before = state.withLock { $0.folders[path] }
                // A file system that is not mounted leaves an empty folder behind, which is another one.
                if names.isEmpty, !held.isEmpty, before != identity {
                    problems[path] = "another folder stands there, which is empty; what it held before counts on"
                    present.formUnion(held)
                    continue
                }
                state.withLock { $0.folders[path] = identity }
                present.formUnion(names.map { "\(path)/\($0)" })
                if names.count > Self.mostFiles { problems[path] = "it holds more than \(Self.mostFiles) files" }
                for name in names.sorted().prefix(Self.mostFiles) {
                    problems["\(path)/\(name)"] = read("\(path)/\(name)")
                }
            case .noFolder where held.isEmpty:
                present.insert(path)
                problems[path] = read(path)
            case .noFolder:
                problems[path] = "it is no folder any more; what it held counts on"
                present.formUnion(held)
            case .failed(let reason):
                let isHeld = !held.isEmpty || state.withLock { $0.files[path] != nil }
                problems[path] = isHeld ? "\(reason); what it held counts on" : reason
                present.insert(path)
                present.formUnion(held)
            }
        }
        state.withLock { state in
            for file in state.files.keys where !present.contains(file) { state.set(file, nil) }
            state.problems = problems
        }
        return problems
    }

    /// The files of a folder whose lists are held; none where the path was never one.
    private func held(in path: String) -> [String] {
        state.withLock { state in
            guard state.folders[path] != nil else { return [] }
            return state.files.keys.filter { file in
                file.hasPrefix("\(path)/") && !file.dropFirst(path.utf8.count + 1).contains("/")
            }
        }
    }

    /// Reads a file unless it is the one that was read; what is wrong with it.
    private func read(_ file: String) -> String? {
        let mark = FileMark(file)
        guard let mark else { return "there is no such file, or it cannot be looked at" }
        if state.withLock({ $0.files[file]?.mark == mark }) { return nil }
        do {
            guard let bytes = try PrivateFile.read(file, limit: Self.limit) else { return "there is no such file" }
            let lists = try CertificateRevocationList.read(bytes)
            state.withLock { $0.set(file, (mark, lists)) }
            return nil
        } catch is CertificateRevocationList.Refused {
            return "it holds no certificate revocation lists in PEM or DER, or one of a kind that is not read"
        } catch {
            return "\(error)"
        }
    }
}
