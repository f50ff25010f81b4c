internal import FHIRCore

/// A JSON Pointer (RFC 6901): the way to a place in a document.
struct JSONPointer: Hashable, Sendable {
    /// The names and indexes from the root, without their escapes; none for the root itself.
    let tokens: [String]

    init(tokens: [String]) { self.tokens = tokens }

    /// Reads the text of a pointer, which is empty or begins with `/`.
    init?(_ text: String) {
        guard !text.isEmpty else {
            tokens = []
            return
        }
        guard text.hasPrefix("/") else { return nil }
        var tokens: [String] = []
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let token = JSONPointer.unescaped(part) else { return nil }
            tokens.append(token)
        }
        self.tokens = tokens
    }

    /// `~1` is a slash and `~0` a tilde; a tilde with anything else behind it is no pointer (RFC 6901 §3).
    private static func unescaped(_ part: Substring) -> String? {
        var result = ""
        var rest = part
        while let character = rest.popFirst() {
            guard character == "~" else {
                result.append(character)
                continue
            }
            switch rest.popFirst() {
            case "0": result.append("~")
            case "1": result.append("/")
            default: return nil
            }
        }
        return result
    }

    /// Whether `other` lies inside what this points at.
    func isProperPrefix(of other: JSONPointer) -> Bool {
        tokens.count < other.tokens.count && Array(other.tokens.prefix(tokens.count)) == tokens
    }

    /// The index that a token names in an array of a length: digits without leading zeros (RFC 6901 §4).
    static func index(_ token: String, below length: Int) -> Int? {
        guard let first = token.utf8.first, token.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            token.utf8.count == 1 || first != 0x30, let index = Int(token), index < length
        else { return nil }
        return index
    }

    /// The value that the pointer leads to; `nil` when there is none.
    func value(in document: JSONValue) -> JSONValue? {
        var value = document
        for token in tokens {
            switch value {
            case .object:
                guard let member = value[token] else { return nil }
                value = member
            case .array(let elements):
                guard let index = JSONPointer.index(token, below: elements.count) else { return nil }
                value = elements[index]
            default: return nil
            }
        }
        return value
    }

    /// The pointer as text.
    var text: String {
        tokens.map { "/" + $0.replacing("~", with: "~0").replacing("/", with: "~1") }.joined()
    }
}
