internal import Foundation

/// Percent-decoding by splitting at each `%` (RFC 3986 §2.1). Foundation's own puts a replacement character where the
/// bytes are not UTF-8, which no strict reader may.
enum SlowPercentDecoding {
    /// The text with each escape undone once; nil for a broken escape or bytes that are not UTF-8.
    static func decoded(_ text: String) -> String? {
        let parts = text.components(separatedBy: "%")
        var bytes = Array(parts[0].utf8)
        for part in parts.dropFirst() {
            let digits = part.utf8.prefix(2)
            guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let byte = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(byte)
            bytes += part.utf8.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
