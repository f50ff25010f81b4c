internal import OAuthCore

#if canImport(Glibc)
    internal import Glibc
#endif

/// The root keys of this installation, under which every key in the database is sealed: 32 random bytes each, in a file
/// that only its owner can read, or in the environment. The first one seals, all open, so that a new one is put before
/// the old one, and the old one taken away after the next start.
enum InstallationKey {
    static let fileName = "installation.key"
    /// The variable that holds the keys when no file is to hold them, with blanks or commas between.
    static let variable = "CHAPERONE_ROOT_KEYS"

    /// Keys that are there but cannot be used; a new one would make every stored key unreadable.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    /// The process's environment, as far as it is looked at here.
    static func environment() -> [String: String] {
        getenv(variable).map { [variable: String(cString: $0)] } ?? [:]
    }

    /// Reads the keys, and makes the first one when the installation is new.
    ///
    /// - Parameters:
    ///   - file: the file that the configuration names; nil for the one in the state directory.
    ///   - environment: the process's.
    static func load(
        stateDirectory: String, file: String? = nil, environment: [String: String] = [:], random: RandomSource
    ) throws -> [[UInt8]] {
        if let text = environment[variable] { return try keys(in: text, from: "the variable \(variable)") }
        let path = file ?? "\(stateDirectory)/\(fileName)"
        if let bytes = try PrivateFile.read(path) {
            try PrivateFile.demandPrivate(path)
            return try keys(in: String(decoding: bytes, as: UTF8.self), from: "`\(path)`")
        }
        // A file that was named is somebody else's to make.
        guard file == nil else { throw Unusable(description: "there is no file `\(path)`") }
        let key = random.bytes(32)
        try PrivateFile.write(Array((Base64URL.encode(key) + "\n").utf8), to: path)
        return [key]
    }

    private static func keys(in text: String, from place: String) throws -> [[UInt8]] {
        let words = text.split { $0.isWhitespace || $0 == "," }
        let keys = words.compactMap { Base64URL.decode(String($0)) }.filter { $0.count == 32 }
        guard !words.isEmpty, keys.count == words.count, Set(keys).count == keys.count else {
            throw Unusable(description: "\(place) does not hold keys of 32 bytes in base64url, each once")
        }
        return keys
    }
}
