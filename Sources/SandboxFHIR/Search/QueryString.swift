/// The parameters of a query or a form, decoded, in their order.
struct QueryString: Hashable, Sendable {
    struct Pair: Hashable, Sendable {
        let name: String
        let value: String
    }

    var pairs: [Pair]

    init(_ pairs: [Pair] = []) { self.pairs = pairs }

    /// Reads `application/x-www-form-urlencoded` text.
    init(parsing text: String) throws(SandboxFailure) {
        pairs = []
        for part in text.split(separator: "&") {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = try QueryString.decode(sides[0], plusIsSpace: true)
            let value = sides.count > 1 ? try QueryString.decode(sides[1], plusIsSpace: true) : ""
            pairs.append(Pair(name: name, value: value))
        }
    }

    /// Undoes percent-encoding; what does not decode to UTF-8 is refused.
    static func decode(_ text: Substring, plusIsSpace: Bool) throws(SandboxFailure) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                    rest.prefix(2).allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") })
                else { throw .invalid("`\(text)` is not percent-encoded well") }
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw .invalid("`\(text)` does not decode to UTF-8")
        }
        return decoded
    }

    /// The pairs as text for a link.
    var encoded: String {
        pairs.map { "\(QueryString.encode($0.name))=\(QueryString.encode($0.value))" }.joined(separator: "&")
    }

    private static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "*"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                result += hex.count == 1 ? "%0\(hex)" : "%\(hex)"
            }
        }
        return result
    }

    /// The values of a parameter.
    func values(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }
}
