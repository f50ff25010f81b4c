/// Base64 as RFC 4648 §4 has it, read strictly.
enum Base64Text {
    /// The bytes, or nil when the text is anything but full groups with padding where it belongs.
    ///
    /// FHIR R4 allows white space in a `base64Binary`; here it is skipped.
    static func decoded(_ text: String) -> [UInt8]? {
        let symbols = text.utf8.filter { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }
        guard symbols.count % 4 == 0 else { return nil }
        let padding = symbols.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(symbols.count / 4 * 3)
        var group: UInt32 = 0
        for (place, symbol) in symbols.dropLast(padding).enumerated() {
            guard let value = value(symbol) else { return nil }
            group = group << 6 | value
            if place % 4 == 3 {
                result += [UInt8(group >> 16 & 0xFF), UInt8(group >> 8 & 0xFF), UInt8(group & 0xFF)]
                group = 0
            }
        }
        // Bits behind the last byte have to be zero, or two texts would mean the same bytes.
        switch padding {
        case 1:
            guard group & 0b11 == 0 else { return nil }
            result += [UInt8(group >> 10 & 0xFF), UInt8(group >> 2 & 0xFF)]
        case 2:
            guard group & 0b1111 == 0 else { return nil }
            result.append(UInt8(group >> 4 & 0xFF))
        default: break
        }
        return result
    }

    private static func value(_ symbol: UInt8) -> UInt32? {
        switch symbol {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(symbol - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(symbol - UInt8(ascii: "a") + 26)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(symbol - UInt8(ascii: "0") + 52)
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
