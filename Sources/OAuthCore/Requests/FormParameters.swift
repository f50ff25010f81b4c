/// The parameters of an `application/x-www-form-urlencoded` body or query, each known to have come once.
///
/// One decoder for every endpoint: `+` and `%20` are blanks, `&` alone separates, a malformed escape, invalid UTF-8, a
/// raw semicolon, blank, control character or byte above ASCII is refused. A parameter without a value counts as
/// omitted (RFC 6749 §3.1, §3.2).
public struct FormParameters: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    private let values: [String: String]
    /// Names that came more than once, in `.noted` mode; they have no value here.
    public let repeated: Set<String>

    /// What to do when a name comes twice (RFC 6749 §3.1: must not).
    public enum Repetition: Sendable {
        /// The whole form is refused.
        case refused
        /// The name loses its value and stands in `repeated`, for the authorization endpoint, which may have to answer
        /// by redirect and must know whether the redirect itself was the ambiguous part.
        case noted
    }

    /// How much is read.
    public struct Limits: Hashable, Sendable {
        /// The longest form in bytes.
        public var maxBytes = 256 << 10
        /// The most parameters.
        public var maxParameters = 64
        /// The longest decoded value in bytes.
        public var maxValueBytes = 32 << 10

        /// The usual limits.
        public init() {}
    }

    /// Decodes a form; throws `invalid_request` for what is not one.
    public init(
        parsing encoded: some Collection<UInt8>, repetition: Repetition = .refused, limits: Limits = Limits()
    ) throws(OAuthError) {
        guard encoded.count <= limits.maxBytes else { throw Self.malformed("the form is too large") }
        var values: [String: String] = [:]
        var repeated: Set<String> = []
        var count = 0
        for pair in encoded.split(separator: UInt8(ascii: "&")) {
            count += 1
            guard count <= limits.maxParameters else { throw Self.malformed("the form has too many parameters") }
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(parts[0]), !name.isEmpty, name.utf8.count <= 128,
                let value = parts.count == 2 ? Self.decode(parts[1]) : ""
            else { throw Self.malformed("a parameter is not well encoded") }
            guard value.utf8.count <= limits.maxValueBytes else { throw Self.malformed("a parameter is too long") }
            if values.updateValue(value, forKey: name) != nil { repeated.insert(name) }
        }
        if repetition == .refused, !repeated.isEmpty { throw Self.malformed("a parameter was sent more than once") }
        for name in repeated { values[name] = nil }
        self.values = values
        self.repeated = repeated
    }

    /// Decodes a form given as text, such as the raw query of a request.
    public init(parsing encoded: String, repetition: Repetition = .refused, limits: Limits = Limits())
        throws(OAuthError)
    {
        try self.init(parsing: Array(encoded.utf8), repetition: repetition, limits: limits)
    }

    /// The value of a parameter; nil when it is absent, empty or repeated.
    public subscript(_ name: String) -> String? {
        guard let value = values[name], !value.isEmpty else { return nil }
        return value
    }

    /// The names of all parameters that came, also the empty and the repeated ones.
    public var names: Set<String> { repeated.union(values.keys) }

    // Values may be codes, passwords and secrets: only the names are ever printed.
    public var description: String { "<form: \(names.sorted().joined(separator: ", "))>" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    private static func malformed(_ summary: String) -> OAuthError { OAuthError(.invalidRequest, summary) }

    /// Undoes the encoding of one name or value; nil when it is malformed. Also used for HTTP Basic (RFC 6749 §2.3.1).
    static func decode(_ encoded: some Collection<UInt8>) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(encoded.count)
        var iterator = encoded.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = iterator.next().flatMap(hexValue), let low = iterator.next().flatMap(hexValue) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            case 0x21...0x7E where byte != UInt8(ascii: ";"): bytes.append(byte)
            default: return nil
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// Percent-encodes everything but the unreserved characters (RFC 3986 §2.3), for queries that we build.
    public static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var output: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                output.append(byte)
            default: output += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
