/// Percent-encoding of query names and values (RFC 3986 §2.1), with `+` for a space as forms have it.
enum PercentCoding {
    /// Decodes once. Malformed escapes, bytes that are not UTF-8, control characters and characters that may not
    /// stand raw in a query give nil.
    static func decoded(_ text: Substring) -> String? {
        if text.utf8.allSatisfy({ $0 != UInt8(ascii: "%") && $0 != UInt8(ascii: "+") && mayStandRaw($0) }) {
            return String(text)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var source = text.utf8.makeIterator()
        while let byte = source.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = source.next().flatMap(JSONText.hexDigit),
                    let low = source.next().flatMap(JSONText.hexDigit)
                else { return nil }
                bytes.append(UInt8(high << 4 | low))
            case UInt8(ascii: "+"): bytes.append(0x20)
            default:
                guard mayStandRaw(byte) else { return nil }
                bytes.append(byte)
            }
        }
        guard let result = String(validating: bytes, as: UTF8.self) else { return nil }
        return result.unicodeScalars.contains(where: isControl) ? nil : result
    }

    /// Characters that clients send unencoded although some should not be; the rest is read differently by
    /// different servers (`;` as a separator, `[]` as an array, `#` as the end).
    private static func mayStandRaw(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: ";"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "#"), UInt8(ascii: "\""),
            UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "}"):
            false
        default: (0x21...0x7E).contains(byte)
        }
    }

    static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
    }

    /// Encodes everything but what every reader leaves alone in a query value.
    static func encoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            if isPlain(byte) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(digits[Int(byte >> 4)])
                bytes.append(digits[Int(byte & 15)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let digits = Array("0123456789ABCDEF".utf8)

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"), UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "/"):
            true
        default: false
        }
    }
}
