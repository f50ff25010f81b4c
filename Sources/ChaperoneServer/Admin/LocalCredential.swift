internal import FHIRCore
public import OAuthCore

#if canImport(Glibc)
    internal import Glibc
#endif

/// What lets the command line on the same machine speak to the running server: a file that only its owner can read
/// (decision 36).
public struct LocalCredential: Hashable, Sendable {
    /// The admin listener, such as `http://127.0.0.1:8081`.
    public let address: String
    /// A random text, sent as a bearer token.
    public let token: String

    public static let fileName = "admin.credential"

    /// A file that could not be written or read.
    public struct FileFailure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Makes a new one.
    public init(address: String, random: RandomSource) {
        self.address = address
        token = Base64URL.encode(random.bytes(32))
    }

    /// Reads the one that a server has left; nil when there is none.
    ///
    /// - Throws: when the file can be read by others: then it is no longer a secret and must not be trusted.
    public init?(stateDirectory: String) throws {
        let path = Self.path(stateDirectory)
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw FileFailure(description: "`\(path)` cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & 0o077 == 0 else {
            throw FileFailure(description: "`\(path)` can be read by others, so it is not trusted; delete it")
        }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0, let value = try? JSONValue(parsing: Array(buffer[..<count])),
            let address = value["address"]?.string, let token = value["token"]?.string, !token.isEmpty
        else { throw FileFailure(description: "`\(path)` does not hold a credential") }
        self.address = address
        self.token = token
    }

    static func path(_ stateDirectory: String) -> String { "\(stateDirectory)/\(fileName)" }

    /// Writes it for the owner only, replacing an older one.
    public func write(stateDirectory: String) throws {
        let path = Self.path(stateDirectory)
        let document: JSONValue = .object([
            .init("address", .string(address)), .init("token", .string(token)),
        ])
        try PrivateFile.write(document.serialized, to: path)
    }

    /// Removes it when the server stops.
    public static func remove(stateDirectory: String) {
        unlink(path(stateDirectory))
    }
}
