/// The two directions of JSON string escapes (RFC 8259 §7), on bytes.
enum JSONText {
    /// The value of a hexadecimal digit, or nil.
    static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// The UTF-8 that the inside of a *validated* JSON string stands for.
    static func unescaped(_ text: some RandomAccessCollection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            text.formIndex(after: &index)
            guard byte == UInt8(ascii: "\\"), index < text.endIndex else {
                result.append(byte)
                continue
            }
            let escape = text[index]
            text.formIndex(after: &index)
            if escape == UInt8(ascii: "u") {
                var scalar = unit(text, &index)
                if scalar & 0xFC00 == 0xD800 {
                    // INVARIANT: the scanner has seen that `\u` and a low surrogate follow.
                    index = text.index(index, offsetBy: 2, limitedBy: text.endIndex) ?? text.endIndex
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + unit(text, &index) & 0x3FF
                }
                appendUTF8(scalar, to: &result)
            } else {
                result.append(single(escape))
            }
        }
        return result
    }

    private static func single(_ escape: UInt8) -> UInt8 {
        switch escape {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: escape
        }
    }

    private static func unit<C: RandomAccessCollection<UInt8>>(_ text: C, _ index: inout C.Index) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 where index < text.endIndex {
            value = value << 4 | (hexDigit(text[index]) ?? 0)
            text.formIndex(after: &index)
        }
        return value
    }

    private static func appendUTF8(_ value: UInt32, to result: inout [UInt8]) {
        let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
        result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    /// Appends a string as a JSON string, with its quotes.
    static func appendQuoted(_ text: String, to result: inout [UInt8]) {
        result.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { appendEscaped($0, to: &result) }
        result.append(UInt8(ascii: "\""))
    }

    /// Appends UTF-8 as it stands inside a JSON string: in one piece where nothing has to be escaped.
    private static func appendEscaped(_ text: UnsafeBufferPointer<UInt8>, to result: inout [UInt8]) {
        var copied = 0
        for place in text.indices where needsEscape(text[place]) {
            result.append(contentsOf: UnsafeBufferPointer(rebasing: text[copied..<place]))
            appendEscape(of: text[place], to: &result)
            copied = place + 1
        }
        result.append(contentsOf: UnsafeBufferPointer(rebasing: text[copied...]))
    }

    @inline(__always)
    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private static func appendEscape(of byte: UInt8, to result: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""): result.append(contentsOf: #"\""#.utf8)
        case UInt8(ascii: "\\"): result.append(contentsOf: #"\\"#.utf8)
        case 0x0A: result.append(contentsOf: #"\n"#.utf8)
        case 0x0D: result.append(contentsOf: #"\r"#.utf8)
        case 0x09: result.append(contentsOf: #"\t"#.utf8)
        default:
            result.append(contentsOf: #"\u00"#.utf8)
            result.append(hexDigit(of: byte >> 4))
            result.append(hexDigit(of: byte & 15))
        }
    }

    private static func hexDigit(of value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

extension [UInt8] {
    /// Appends a text as a JSON string, with its quotes.
    package mutating func appendJSONString(_ text: String) { JSONText.appendQuoted(text, to: &self) }
}
