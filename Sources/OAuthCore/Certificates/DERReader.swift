/// Reads the distinguished encoding of ASN.1 (X.690 §10), as far as certificates need it: definite lengths in their
/// shortest form, tags of one byte. Anything else is no value.
struct DERReader: Sendable {
    /// One value: its tag, what is in it, and all its bytes.
    struct Value: Sendable {
        let tag: UInt8
        let content: ArraySlice<UInt8>
        let whole: ArraySlice<UInt8>

        /// The values inside a constructed one.
        var inner: DERReader { DERReader(content) }
    }

    /// The bytes are not what they should be.
    struct Malformed: Error, Hashable {}

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    /// The tag of the next value; nil at the end.
    var nextTag: UInt8? { rest.first }

    mutating func read() throws(Malformed) -> Value {
        let start = rest
        // Tags above 30 take more than a byte and do not occur in certificates.
        guard let tag = rest.popFirst(), tag & 0x1F != 0x1F, let first = rest.popFirst() else { throw Malformed() }
        var length = Int(first)
        if first & 0x80 != 0 {
            let count = Int(first & 0x7F)
            guard (1...3).contains(count), rest.count >= count, rest.first != 0 else { throw Malformed() }
            length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(count)
            guard length >= 0x80, count == 1 || length >= 1 << (8 * (count - 1)) else { throw Malformed() }
        }
        guard rest.count >= length else { throw Malformed() }
        let content = rest.prefix(length)
        rest = rest.dropFirst(length)
        return Value(tag: tag, content: content, whole: start[start.startIndex..<rest.startIndex])
    }

    mutating func read(_ tag: UInt8) throws(Malformed) -> Value {
        let value = try read()
        guard value.tag == tag else { throw Malformed() }
        return value
    }

    /// All values until the end.
    mutating func readAll() throws(Malformed) -> [Value] {
        var values: [Value] = []
        while !isAtEnd { values.append(try read()) }
        return values
    }
}
