internal import OAuthCore

/// The key of this installation, under which every key in the database is sealed: 32 random bytes in a file that only
/// its owner can read.
enum InstallationKey {
    static let fileName = "installation.key"

    /// A key file that is there but cannot be used; a new one would make every stored key unreadable.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    /// Reads the key, and makes it when the installation is new.
    static func load(stateDirectory: String, random: RandomSource) throws -> [UInt8] {
        let path = "\(stateDirectory)/\(fileName)"
        if let bytes = try PrivateFile.read(path) {
            try PrivateFile.demandPrivate(path)
            let text = String(decoding: bytes, as: UTF8.self).prefix { $0 != "\n" }
            guard let key = Base64URL.decode(String(text)), key.count == 32 else {
                throw Unusable(description: "`\(path)` does not hold a key of 32 bytes in base64url")
            }
            return key
        }
        let key = random.bytes(32)
        try PrivateFile.write(Array((Base64URL.encode(key) + "\n").utf8), to: path)
        return key
    }
}
