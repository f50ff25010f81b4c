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

    static let isNightly = ProcessInfo.processInfo.environment["CHAPERONE_NIGHTLY"] != nil

    /// The resources in a folder of the data: plain files, and packed ones by way of `gzip`.
    static func resources(in name: String) throws -> [(name: String, bytes: [UInt8])] {
        guard let folder, let found = FileManager.default.enumerator(atPath: folder.appending(path: name).path) else {
            return []
        }
        let files = found.compactMap { $0 as? String }.sorted()
        return try files.filter { $0.hasSuffix(".json") || $0.hasSuffix(".json.gz") }.map { file in
            let path = folder.appending(path: name).appending(path: file)
            return (file, file.hasSuffix(".gz") ? try unpacked(path) : [UInt8](try Data(contentsOf: path)))
        }
    }

    private static func unpacked(_ file: URL) throws -> [UInt8] {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc", file.path]
        process.standardOutput = pipe
        try process.run()
        let bytes = [UInt8](pipe.fileHandleForReading.readDataToEndOfFile())
        process.waitUntilExit()
        return bytes
    }
}
