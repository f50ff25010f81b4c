/// Looks over the bytes of an XML text before libxml2 sees them.
///
/// It knows just enough of XML to tell tags, comments and CDATA sections apart, and refuses what is never ours: another
/// encoding, a document type declaration, a processing instruction, characters outside XML, and shapes that make a
/// parser's work grow faster than the text (depth, many attributes). Everything else is left to the library, which
/// decides what is well-formed: what this reads wrongly is a text that the library refuses.
struct XMLGuard {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let limits: XMLLimits
    private var position = 0
    private var depth = 0

    /// Checks a text that begins at its first byte, without a byte order mark.
    static func check(_ bytes: [UInt8], limits: XMLLimits) throws(XMLConversionError) {
        guard bytes.count <= limits.maxBytes else { throw XMLConversionError(.tooLarge, offset: limits.maxBytes) }
        guard String(validating: bytes, as: UTF8.self) != nil else { throw XMLConversionError(.notUTF8, offset: 0) }
        let failure = bytes.withUnsafeBufferPointer { buffer -> XMLConversionError? in
            var check = XMLGuard(bytes: buffer, limits: limits)
            do throws(XMLConversionError) {
                try check.run()
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, limits: XMLLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    private mutating func run() throws(XMLConversionError) {
        // One byte order mark has been taken away; the library would take away another.
        guard !starts(with: "\u{FEFF}") else { throw failure(.malformedXML) }
        if starts(with: "<?xml"), bytes.count > 5, XMLText.isSpace(bytes[5]) {
            try declaration()
        }
        while position < bytes.count {
            guard bytes[position] == UInt8(ascii: "<") else {
                try checkCharacter()
                continue
            }
            switch position + 1 < bytes.count ? bytes[position + 1] : 0 {
            case UInt8(ascii: "?"): throw failure(.processingInstruction)
            case UInt8(ascii: "!"):
                if starts(with: "<!--") {
                    try skip(past: "-->", from: position + 4)
                } else if starts(with: "<![CDATA[") {
                    try skip(past: "]]>", from: position + 9)
                } else {
                    throw failure(.documentType)
                }
            default: try tag()
            }
        }
    }

    /// XML 1.0 §2.8, production XMLDecl, for version 1.0 and UTF-8. A declared encoding is what a parser goes by, so that
    /// the same bytes could mean something else to it.
    private mutating func declaration() throws(XMLConversionError) {
        try skip(past: "?>", from: 5)
        let text = String(decoding: bytes[5..<position - 2], as: UTF8.self)
        let words = text.split { $0.utf8.allSatisfy(XMLText.isSpace) || $0 == "=" || $0 == "'" || $0 == "\"" }
        guard words.count >= 2, words[0] == "version" else { throw XMLConversionError(.malformedXML, offset: 0) }
        guard words[1] == "1.0" else { throw XMLConversionError(.notUTF8, offset: 0) }
        if let place = words.firstIndex(of: "encoding") {
            guard place + 1 < words.count, words[place + 1].lowercased() == "utf-8" else {
                throw XMLConversionError(.notUTF8, offset: 0)
            }
        }
        // Whether it is well-formed beyond that is the library's to say.
    }

    /// Reads one tag, from its `<` past its `>`.
    private mutating func tag() throws(XMLConversionError) {
        let start = position
        let closes = position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "/")
        var attributes = 0
        var quote: UInt8?
        position += 1
        while position < bytes.count {
            let byte = bytes[position]
            if let open = quote {
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: ">") {
                let isEmpty = bytes[position - 1] == UInt8(ascii: "/")
                position += 1
                depth += closes ? -1 : isEmpty ? 0 : 1
                guard depth <= limits.maxDepth else { throw XMLConversionError(.tooDeep, offset: start) }
                return
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else if byte == UInt8(ascii: "=") {
                attributes += 1
                guard attributes <= limits.maxAttributes else { throw failure(.tooManyAttributes) }
            }
            guard byte != UInt8(ascii: "<") else { throw failure(.malformedXML) }
            try checkCharacter()
        }
        throw XMLConversionError(.malformedXML, offset: start)
    }

    /// Goes past the next occurrence of an end mark, checking the characters before it.
    private mutating func skip(past mark: StaticString, from start: Int) throws(XMLConversionError) {
        position = start
        while position < bytes.count {
            if starts(with: mark) {
                position += mark.utf8CodeUnitCount
                return
            }
            try checkCharacter()
        }
        throw failure(.malformedXML)
    }

    /// XML 1.0 §2.2, production Char, byte by byte of what is known to be UTF-8.
    private mutating func checkCharacter() throws(XMLConversionError) {
        let byte = bytes[position]
        if byte < 0x20 {
            guard XMLText.isSpace(byte) else { throw failure(.illegalCharacter) }
        } else if byte == 0xEF, position + 2 < bytes.count, bytes[position + 1] == 0xBF, bytes[position + 2] >= 0xBE {
            throw failure(.illegalCharacter)
        }
        position += 1
    }

    private func starts(with text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard position + count <= bytes.count else { return false }
        for offset in 0..<count where bytes[position + offset] != text.utf8Start[offset] { return false }
        return true
    }

    private func failure(_ code: XMLConversionError.Code) -> XMLConversionError {
        XMLConversionError(code, offset: position)
    }
}
