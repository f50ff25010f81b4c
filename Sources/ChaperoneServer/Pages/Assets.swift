internal import CAssets

/// The files carried inside the binary.
enum Assets {
    /// The bytes of one file by its path below `Sources/CAssets`; nil when there is no such file.
    static func bytes(_ path: String) -> [UInt8]? {
        all.first { $0.path == path }?.bytes
    }

    /// Text of one file.
    static func text(_ path: String) -> String? {
        bytes(path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// All files, in the order of the table.
    static let all: [(path: String, bytes: [UInt8])] = {
        var files: [(path: String, bytes: [UInt8])] = []
        // The C table is constant and ends with an entry without a path.
        guard var entry = chaperone_assets else { return files }
        while let path = entry.pointee.path {
            let bytes = UnsafeBufferPointer(start: entry.pointee.bytes, count: entry.pointee.length)
            files.append((String(cString: path), Array(bytes)))
            entry += 1
        }
        return files
    }()
}
