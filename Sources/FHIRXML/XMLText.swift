/// The characters of XML and of JSON strings, on bytes that are known to be UTF-8.
enum XMLText {
    /// XML 1.0 §2.3, production S.
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    /// Appends a text as it stands between the quotes of an attribute; what white space it has survives the
    /// normalisation that readers do (XML 1.0 §3.3.3).
    ///
    /// - Returns: false when a character cannot stand in XML.
    static func appendAttribute(_ text: ArraySlice<UInt8>, to result: inout [UInt8]) -> Bool {
        var plain = text.startIndex
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            let reference: StaticString? =
                switch byte {
                case UInt8(ascii: "&"): "&amp;"
                case UInt8(ascii: "<"): "&lt;"
                case UInt8(ascii: ">"): "&gt;"
                case UInt8(ascii: "\""): "&quot;"
                case 0x09: "&#9;"
                case 0x0A: "&#10;"
                case 0x0D: "&#13;"
                default: nil
                }
            if let reference {
                result.append(contentsOf: text[plain..<index])
                append(reference, to: &result)
                plain = index + 1
            } else if byte < 0x20 || byte == 0xEF && isNoncharacter(text, at: index) {
                return false
            }
            index += 1
        }
        result.append(contentsOf: text[plain...])
        return true
    }

    /// U+FFFE and U+FFFF, which XML 1.0 §2.2 leaves out.
    private static func isNoncharacter(_ text: ArraySlice<UInt8>, at index: Int) -> Bool {
        index + 2 < text.endIndex && text[index + 1] == 0xBF && text[index + 2] >= 0xBE
    }

    /// Appends a text as a JSON string with its quotes (RFC 8259 §7).
    static func appendString(_ text: ArraySlice<UInt8>, to result: inout [UInt8]) {
        result.append(UInt8(ascii: "\""))
        var plain = text.startIndex
        for index in text.indices {
            let escape: StaticString? =
                switch text[index] {
                case UInt8(ascii: "\""): "\\\""
                case UInt8(ascii: "\\"): "\\\\"
                case 0x09: "\\t"
                case 0x0A: "\\n"
                case 0x0D: "\\r"
                // INVARIANT: XML has no other control characters below U+0020.
                default: nil
                }
            guard let escape else { continue }
            result.append(contentsOf: text[plain..<index])
            append(escape, to: &result)
            plain = index + 1
        }
        result.append(contentsOf: text[plain...])
        result.append(UInt8(ascii: "\""))
    }

    /// Appends a constant text.
    static func append(_ text: StaticString, to result: inout [UInt8]) {
        result.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
