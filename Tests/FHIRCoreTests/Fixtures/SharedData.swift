import Foundation

/// The folder of published definitions and examples, which is not kept in the repository.
enum SharedData {
    static let packageRoot = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static let folder: URL? = {
        let named = ProcessInfo.processInfo.environment["CHAPERONE_SHARED_DATA"].map { URL(filePath: $0) }
        let beside = packageRoot.deletingLastPathComponent().appending(path: "shared/data")
        let folder = named ?? beside
        return FileManager.default.fileExists(atPath: folder.appending(path: "r4-definitions").path) ? folder : nil
    }()

    static var isThere: Bool { folder != nil }

    static func bytes(_ path: String) throws -> [UInt8] {
        guard let folder else { throw CocoaError(.fileNoSuchFile) }
        return [UInt8](try Data(contentsOf: folder.appending(path: path)))
    }

    /// All JSON files below a folder of the data, as paths for ``bytes(_:)``.
    static func jsonFiles(_ path: String) -> [String] {
        guard let folder, let found = FileManager.default.enumerator(atPath: folder.appending(path: path).path) else {
            return []
        }
        return found.compactMap { $0 as? String }.filter { $0.hasSuffix(".json") }.sorted().map { "\(path)/\($0)" }
    }
}
