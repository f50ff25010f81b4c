/// One `name=value` of a query string, percent escapes undone.
struct FormTerm: Hashable, Sendable {
    let name: String
    let value: String

    /// The terms of a raw query; an escape that is none is refused.
    static func parse(_ raw: String) throws(AuditEventSearch.Refusal) -> [FormTerm] {
        var terms: [FormTerm] = []
        for part in raw.split(separator: "&") {
            let equals = part.firstIndex(of: "=") ?? part.endIndex
            guard let name = decode(part[..<equals]), let value = decode(part[equals...].dropFirst()) else {
                throw AuditEventSearch.Refusal("the query is not encoded as it should be")
            }
            terms.append(FormTerm(name: name, value: value))
        }
        return terms
    }

    /// The term in a query string.
    var encoded: String { "\(Self.encode(name))=\(Self.encode(value))" }

    private static func decode(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy({ isHexDigit($0) }),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    private static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: ":"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
