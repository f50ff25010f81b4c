/// A place in a JSON document (RFC 6901).
public struct JSONPointer: Hashable, Sendable {
    /// The names and places on the way, unescaped; none is the whole document.
    public let tokens: [String]

    /// Reads `""` or `/a/b~1c/0`; nil when it is neither, or when a `~` is followed by anything but `0` or `1`.
    public init?(_ text: String) {
        guard !text.isEmpty else {
            tokens = []
            return
        }
        guard text.utf8.first == UInt8(ascii: "/") else { return nil }
        var tokens: [String] = []
        for part in text.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let token = JSONPointer.unescaped(part) else { return nil }
            tokens.append(token)
        }
        self.tokens = tokens
    }

    init(tokens: [String]) { self.tokens = tokens }

    /// RFC 6901 §4: `~1` is a slash and `~0` a tilde, decoded in one pass so that `~01` is `~1`.
    private static func unescaped(_ part: Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        var source = part.makeIterator()
        while let byte = source.next() {
            guard byte == UInt8(ascii: "~") else {
                bytes.append(byte)
                continue
            }
            switch source.next() {
            case UInt8(ascii: "0"): bytes.append(UInt8(ascii: "~"))
            case UInt8(ascii: "1"): bytes.append(UInt8(ascii: "/"))
            default: return nil
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether this place is above the other one, and not the same.
    public func isProperPrefix(of other: JSONPointer) -> Bool {
        tokens.count < other.tokens.count
            && zip(tokens, other.tokens).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
    }

    /// Two places are one when their tokens are, byte for byte.
    public static func == (left: JSONPointer, right: JSONPointer) -> Bool {
        left.tokens.count == right.tokens.count
            && zip(left.tokens, right.tokens).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
    }
}
