#if canImport(Glibc)
    internal import Glibc
#endif

/// Reads a file piece by piece, however large it is. A class because it owns the descriptor.
final class FilePieces {
    private let path: String
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 1 << 20)

    /// Opens the file.
    init(_ path: String) throws {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TextFile.Unreadable(path: path) }
    }

    deinit { close(descriptor) }

    /// The next piece; empty at the end.
    func next() throws -> [UInt8] {
        let count = read(descriptor, &buffer, buffer.count)
        guard count >= 0 else { throw TextFile.Unreadable(path: path) }
        return Array(buffer[..<count])
    }
}
