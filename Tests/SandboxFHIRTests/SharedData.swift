import Foundation

/// The big data files, which live outside the repository and may not be there.
enum SharedData {
    /// The folder of a data set; `nil` when it is not there.
    static func folder(_ name: String) -> String? {
        let root =
            ProcessInfo.processInfo.environment["CHAPERONE_SHARED_DATA"]
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
                "../../../shared/data"
            )
            .standardizedFileURL.path
        let path = "\(root)/\(name)"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }
}
