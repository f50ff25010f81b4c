/// The base64url encoding without padding (RFC 4648 §5, RFC 7515 §2), read strictly.
public enum Base64URL {
    /// The encoding of the bytes, without padding.
    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        Base64Codec.encode(bytes, alphabet: Base64Codec.urlSafe, padded: false)
    }

    /// The bytes that a text stands for, or nil unless the text is the one encoding of them: no padding, no white
    /// space, no character of another alphabet, no bits left over.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        decode(utf8: text.utf8)
    }

    static func decode(utf8 text: some Sequence<UInt8>) -> [UInt8]? {
        Base64Codec.decode(text, alphabet: Base64Codec.urlSafeValues)
    }
}

/// The ordinary base64 encoding with padding (RFC 4648 §4), read strictly; HTTP Basic and PEM use it.
public enum Base64 {
    /// The padded encoding of the bytes.
    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        Base64Codec.encode(bytes, alphabet: Base64Codec.standard, padded: true)
    }

    /// The bytes that a text stands for, or nil unless the text is the one padded encoding of them.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count % 4 == 0 else { return nil }
        let padding = characters.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        return Base64Codec.decode(characters.dropLast(padding), alphabet: Base64Codec.standardValues)
    }
}

/// What both alphabets share.
private enum Base64Codec {
    static let standard = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    static let urlSafe = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    static let standardValues = values(of: standard)
    static let urlSafeValues = values(of: urlSafe)
    /// Marks a byte that stands for nothing in an alphabet.
    private static let none: UInt8 = 0xFF

    private static func values(of alphabet: [UInt8]) -> [UInt8] {
        var table = [UInt8](repeating: none, count: 256)
        for (value, character) in alphabet.enumerated() { table[Int(character)] = UInt8(value) }
        return table
    }

    static func encode(_ bytes: some Sequence<UInt8>, alphabet: [UInt8], padded: Bool) -> String {
        var output: [UInt8] = []
        output.reserveCapacity((bytes.underestimatedCount * 4 + 2) / 3)
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = (buffer << 8 | UInt32(byte)) & 0xFFFF
            bits += 8
            while bits >= 6 {
                bits -= 6
                output.append(alphabet[Int(buffer >> UInt32(bits) & 0x3F)])
            }
        }
        if bits > 0 { output.append(alphabet[Int(buffer << UInt32(6 - bits) & 0x3F)]) }
        while padded && output.count % 4 != 0 { output.append(UInt8(ascii: "=")) }
        return String(decoding: output, as: UTF8.self)
    }

    static func decode(_ text: some Sequence<UInt8>, alphabet: [UInt8]) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(text.underestimatedCount * 3 / 4)
        var buffer: UInt32 = 0
        var bits = 0
        for character in text {
            let value = alphabet[Int(character)]
            guard value != none else { return nil }
            buffer = (buffer << 6 | UInt32(value)) & 0xFFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                output.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
            }
        }
        // Six bits left over are a lone character; other left-over bits must be zero, so that each value has one text.
        guard bits < 6, buffer & (1 << UInt32(bits) - 1) == 0 else { return nil }
        return output
    }
}
