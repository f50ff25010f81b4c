import Foundation

/// A folder of a test's own, which is gone after it.
enum ServerFolder {
    static func with<Value>(_ work: (String) async throws -> Value) async throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appending(path: "chaperone-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let result: Result<Value, any Error>
        do { result = .success(try await work(folder.path)) } catch { result = .failure(error) }
        try FileManager.default.removeItem(at: folder)
        return try result.get()
    }

    static func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: file) }
}
