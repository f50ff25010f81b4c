internal import FHIRCore
internal import Foundation

/// Loads Bundles and NDJSON, packed with gzip or not, into a store.
///
/// Ids are kept where a resource has one. References between the entries of a Bundle are resolved; conditional ones
/// (`Practitioner?identifier=…`) may find what a later file brings. What cannot be loaded is in the report.
public struct SandboxImporter {
    private let store: SandboxStore

    /// An importer into this store.
    public init(_ store: SandboxStore) { self.store = store }

    /// Loads files, and folders with all below them; a file that cannot be read does not stop the others.
    public func importPaths(_ paths: [String], progress: ((ImportProgress) -> Void)? = nil) throws -> ImportReport {
        var session = ImportSession(store: store)
        var files: [String] = []
        for path in paths { files += expand(path, &session) }
        // Synthea writes what all its patients refer to into files of their own: those first.
        let shared = files.filter(SandboxImporter.isShared)
        files = shared + files.filter { !SandboxImporter.isShared($0) }
        for (index, file) in files.enumerated() {
            try load(file, &session)
            progress?(
                ImportProgress(
                    file: file, fileNumber: index + 1, fileCount: files.count, resources: session.report.total))
        }
        return try session.finish()
    }

    /// Loads one document that is in memory already; `name` stands for its file in the report.
    public func importDocument(_ json: [UInt8], name: String) throws -> ImportReport {
        var session = ImportSession(store: store)
        try session.loadJSON(json, file: name)
        return try session.finish()
    }

    private static func isShared(_ file: String) -> Bool {
        let name = file.split(separator: "/").last ?? ""
        return name.hasPrefix("hospitalInformation") || name.hasPrefix("practitionerInformation")
    }

    /// The files that a path means, in the order of their names.
    private func expand(_ path: String, _ session: inout ImportSession) -> [String] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            session.problem(path, nil, "there is no such file")
            return []
        }
        guard isFolder.boolValue else { return [path] }
        guard let found = FileManager.default.enumerator(atPath: path) else {
            session.problem(path, nil, "the folder cannot be read")
            return []
        }
        var files: [String] = []
        for name in found.compactMap({ $0 as? String }).sorted() {
            let file = path.hasSuffix("/") ? path + name : "\(path)/\(name)"
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: file, isDirectory: &isFolder), !isFolder.boolValue {
                files.append(file)
            }
        }
        return files
    }

    private func load(_ file: String, _ session: inout ImportSession) throws {
        let lines: Bool
        switch file.lowercased() {
        case let name where name.hasSuffix(".json") || name.hasSuffix(".json.gz"): lines = false
        case let name where name.hasSuffix(".ndjson") || name.hasSuffix(".ndjson.gz"): lines = true
        default: return session.problem(file, nil, "the name ends neither in .json nor in .ndjson, with or without .gz")
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            return session.problem(file, nil, "the file cannot be read")
        }
        var bytes = Array(data)
        if Gunzip.isGzip(bytes) {
            do { bytes = try Gunzip.unpack(bytes) } catch { return session.problem(file, nil, "\(error)") }
        } else if file.lowercased().hasSuffix(".gz") {
            return session.problem(file, nil, "the file is named .gz and is not gzip")
        }
        if lines { try session.loadLines(bytes, file: file) } else { try session.loadJSON(bytes, file: file) }
    }
}
