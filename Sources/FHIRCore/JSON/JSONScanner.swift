/// One pass over a JSON text that checks everything and writes a flat tape of its values.
///
/// Strict RFC 8259: UTF-8 without byte order mark, one value, no duplicate member names in any object, no lone
/// surrogate, a bounded depth. Containers are kept on a stack of our own, so that depth costs no call frames.
///
/// It reads and writes through pointers that live only inside `scan(_:limits:)`: every read is behind a comparison
/// with `count`, every write behind one with the room that is left.
struct JSONScanner {
    /// A value on the tape. An object's members follow it as name, value, name, value …; an array's elements as values.
    struct Entry {
        var start: UInt32
        var end: UInt32
        /// The index of the entry after this value and all that it holds.
        var next: UInt32
        /// Kind in the three low bits, then whether a string has escapes, then the count of members or elements.
        var word: UInt32

        static let escapeBit: UInt32 = 1 << 3
        static let countShift: UInt32 = 4

        var kind: JSONNode.Kind { JSONNode.Kind(code: word & 7) }
        var hasEscapes: Bool { word & Entry.escapeBit != 0 }
        var count: Int { Int(word >> Entry.countShift) }
    }

    /// A container that is still open.
    private struct Frame {
        var entry = 0
        var isObject = false
        var count: UInt32 = 0
        var firstName = 0
    }

    private let base: UnsafeRawPointer
    private let count: Int
    private let maxDepth: Int
    private var position = 0
    /// Room for the tape, lent by the array in the making.
    private var entries = UnsafeMutableBufferPointer<Entry>(start: nil, count: 0)
    private var used = 0
    /// The innermost open container, and those around it: as many as there are containers open, and behind them ones that
    /// were closed.
    private var frame = Frame()
    private var outer: [Frame]
    private var depth = 0
    private var names = JSONMemberNames()
    private var hasCodeUnitEscapes = false

    /// What a pass over a text has found.
    struct Scan {
        let tape: [Entry]
        /// Whether a character was spelt by its number.
        let hasCodeUnitEscapes: Bool
    }

    private init(_ buffer: UnsafeRawBufferPointer, base: UnsafeRawPointer, maxDepth: Int) {
        self.base = base
        self.count = buffer.count
        self.maxDepth = maxDepth
        outer = []
        outer.reserveCapacity(min(maxDepth, 32))
    }

    /// Reads a whole text.
    static func scan(_ bytes: [UInt8], limits: JSONLimits) throws(JSONSyntaxError) -> Scan {
        // Offsets are kept in 32 bits and counts in 28.
        guard bytes.count <= min(limits.maxBytes, 1 << 28) else {
            throw JSONSyntaxError(code: .tooLarge, offset: limits.maxBytes)
        }
        let result: Result<Scan, JSONSyntaxError> = bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else {
                return .failure(JSONSyntaxError(code: .unexpectedEnd, offset: 0))
            }
            var scanner = JSONScanner(buffer, base: base, maxDepth: limits.maxDepth)
            return scanner.scan()
        }
        return try result.get()
    }

    /// Fills arrays of growing size until one holds the whole tape; most texts fit into the first.
    private mutating func scan() -> Result<Scan, JSONSyntaxError> {
        var tape: [Entry] = []
        var room = count / 8 + 16
        while true {
            var outcome = Result<Bool, JSONSyntaxError>.success(false)
            let next = [Entry](unsafeUninitializedCapacity: room) { buffer, initialized in
                outcome = run(into: buffer, after: tape)
                initialized = used
            }
            switch outcome {
            case .success(true): return .success(Scan(tape: next, hasCodeUnitEscapes: hasCodeUnitEscapes))
            case .success(false): (tape, room) = (next, room * 2)
            case .failure(let error): return .failure(error)
            }
        }
    }

    /// Goes on with the scan in a larger room; true when the text has ended, false when the room has.
    private mutating func run(
        into buffer: UnsafeMutableBufferPointer<Entry>, after tape: [Entry]
    ) -> Result<Bool, JSONSyntaxError> {
        _ = buffer.initialize(fromContentsOf: tape)
        entries = buffer
        do throws(JSONSyntaxError) {
            if used == 0 { try scanValue() }
            while depth > 0 {
                // A turn of the loop writes a name and a value at most.
                guard used + 2 <= entries.count else { return .success(false) }
                if frame.isObject { try continueObject() } else { try continueArray() }
            }
            skipSpace()
            guard position == count else { throw failure(.trailingData) }
            return .success(true)
        } catch {
            return .failure(error)
        }
    }
}

// MARK: - structure

extension JSONScanner {
    @inline(__always)
    private func byte(_ offset: Int) -> UInt8 {
        base.load(fromByteOffset: offset, as: UInt8.self)
    }

    private func failure(_ code: JSONSyntaxError.Code) -> JSONSyntaxError {
        JSONSyntaxError(code: code, offset: position)
    }

    @inline(__always)
    private mutating func skipSpace() {
        guard position < count, byte(position) <= 0x20 else { return }
        skipMoreSpace()
    }

    private mutating func skipMoreSpace() {
        while position < count {
            // Indented texts are mostly spaces.
            while position + 8 <= count,
                base.loadUnaligned(fromByteOffset: position, as: UInt64.self) == 0x2020_2020_2020_2020
            {
                position += 8
            }
            guard position < count else { return }
            switch byte(position) {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    @inline(__always)
    private mutating func nextByte() throws(JSONSyntaxError) -> UInt8 {
        skipSpace()
        guard position < count else { throw failure(.unexpectedEnd) }
        return byte(position)
    }

    /// Reads a scalar whole, or the opening of a container.
    @inline(__always)
    private mutating func scanValue() throws(JSONSyntaxError) {
        let next = try nextByte()
        switch next {
        case UInt8(ascii: "\""):
            let start = position
            let hasEscapes = try scanString()
            append(.string, from: start, flags: hasEscapes ? Entry.escapeBit : 0)
        case UInt8(ascii: "{"): try open(isObject: true)
        case UInt8(ascii: "["): try open(isObject: false)
        case UInt8(ascii: "t"): try scanWord("true", as: .bool)
        case UInt8(ascii: "f"): try scanWord("false", as: .bool)
        case UInt8(ascii: "n"): try scanWord("null", as: .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let start = position
            try scanNumber()
            append(.number, from: start, flags: 0)
        default: throw failure(.unexpectedByte)
        }
    }

    @inline(__always)
    private mutating func append(_ kind: JSONNode.Kind, from start: Int, flags: UInt32) {
        // INVARIANT: `used < entries.count`; the loop in `run` has made sure.
        entries[used] = Entry(
            start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: position),
            next: UInt32(truncatingIfNeeded: used + 1), word: kind.code | flags)
        used += 1
    }

    private mutating func open(isObject: Bool) throws(JSONSyntaxError) {
        guard depth < maxDepth else { throw failure(.tooDeep) }
        // The outermost container has nothing around it; its place holds an empty frame.
        if depth < outer.count { outer[depth] = frame } else { outer.append(frame) }
        depth += 1
        frame = Frame(entry: used, isObject: isObject, count: 0, firstName: names.count)
        let start = position
        position += 1
        append(isObject ? .object : .array, from: start, flags: 0)
    }

    private mutating func closeFrame() throws(JSONSyntaxError) {
        position += 1
        entries[frame.entry].end = UInt32(truncatingIfNeeded: position)
        entries[frame.entry].next = UInt32(truncatingIfNeeded: used)
        entries[frame.entry].word |= frame.count << Entry.countShift
        if frame.isObject, let offset = names.close(from: frame.firstName, base: base) {
            throw JSONSyntaxError(code: .duplicateKey, offset: offset)
        }
        depth -= 1
        frame = outer[depth]
    }

    /// Between two members, or before the first: reads `}` or one name and the beginning of its value.
    @inline(__always)
    private mutating func continueObject() throws(JSONSyntaxError) {
        var next = try nextByte()
        if next == UInt8(ascii: "}") { return try closeFrame() }
        if frame.count > 0 {
            guard next == UInt8(ascii: ",") else { throw failure(.unexpectedByte) }
            position += 1
            next = try nextByte()
        }
        guard next == UInt8(ascii: "\"") else { throw failure(.unexpectedByte) }
        let start = position
        let hasEscapes = try scanString()
        append(.string, from: start, flags: hasEscapes ? Entry.escapeBit : 0)
        names.append(from: start + 1, to: position - 1, hasEscapes: hasEscapes, base: base)
        guard try nextByte() == UInt8(ascii: ":") else { throw failure(.unexpectedByte) }
        position += 1
        frame.count += 1
        try scanValue()
    }

    @inline(__always)
    private mutating func continueArray() throws(JSONSyntaxError) {
        let next = try nextByte()
        if next == UInt8(ascii: "]") { return try closeFrame() }
        if frame.count > 0 {
            guard next == UInt8(ascii: ",") else { throw failure(.unexpectedByte) }
            position += 1
        }
        frame.count += 1
        try scanValue()
    }
}

// MARK: - scalars

extension JSONScanner {
    private mutating func scanWord(_ word: StaticString, as kind: JSONNode.Kind) throws(JSONSyntaxError) {
        let start = position
        for index in 0..<word.utf8CodeUnitCount {
            guard position < count else { throw failure(.unexpectedEnd) }
            guard byte(position) == word.utf8Start[index] else { throw failure(.unexpectedByte) }
            position += 1
        }
        append(kind, from: start, flags: 0)
    }

    /// RFC 8259 §6: no leading zero, no bare point, no bare exponent.
    private mutating func scanNumber() throws(JSONSyntaxError) {
        if byte(position) == UInt8(ascii: "-") { position += 1 }
        if position < count, byte(position) == UInt8(ascii: "0") {
            position += 1
        } else {
            try scanDigits()
        }
        if position < count, byte(position) == UInt8(ascii: ".") {
            position += 1
            try scanDigits()
        }
        if position < count, byte(position) | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < count, byte(position) == UInt8(ascii: "+") || byte(position) == UInt8(ascii: "-") {
                position += 1
            }
            try scanDigits()
        }
        if position < count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte(position) { throw failure(.invalidNumber) }
    }

    private mutating func scanDigits() throws(JSONSyntaxError) {
        let start = position
        while position < count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte(position) { position += 1 }
        guard position > start else { throw failure(position < count ? .invalidNumber : .unexpectedEnd) }
    }

    /// Reads a string from its opening to its closing quote and says whether it has escapes.
    @inline(__always)
    private mutating func scanString() throws(JSONSyntaxError) -> Bool {
        position += 1
        skipPlainText()
        if position < count, byte(position) == UInt8(ascii: "\"") {
            position += 1
            return false
        }
        return try scanRestOfString()
    }

    private mutating func scanRestOfString() throws(JSONSyntaxError) -> Bool {
        var hasEscapes = false
        while true {
            guard position < count else { throw failure(.unexpectedEnd) }
            let next = byte(position)
            switch next {
            case UInt8(ascii: "\""):
                position += 1
                return hasEscapes
            case UInt8(ascii: "\\"):
                hasEscapes = true
                try scanEscape()
            case 0..<0x20: throw failure(.controlCharacter)
            case 0x20..<0x80: position += 1
            default: try scanMultibyte(next)
            }
            skipPlainText()
        }
    }

    /// Up to the first quote, backslash, control character or byte above ASCII, eight bytes at a time; less than eight
    /// bytes before the end of the text it may stop earlier.
    @inline(__always)
    private mutating func skipPlainText() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        while position + 8 <= count {
            let chunk = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            let quotes = chunk ^ (ones &* 0x22)
            let slashes = chunk ^ (ones &* 0x5C)
            // The classic "has a zero byte" and "has a byte below n" tests. A false alarm can only stand above a true
            // one, so the lowest mark is always right.
            let special =
                ((quotes &- ones) & ~quotes | (slashes &- ones) & ~slashes | (chunk &- ones &* 0x20) & ~chunk | chunk)
                & highs
            guard special == 0 else {
                position += special.trailingZeroBitCount >> 3
                return
            }
            position += 8
        }
    }

    private mutating func scanEscape() throws(JSONSyntaxError) {
        guard position + 1 < count else { throw failure(.unexpectedEnd) }
        switch byte(position + 1) {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"):
            hasCodeUnitEscapes = true
            let unit = try hexUnit()
            if unit & 0xFC00 == 0xDC00 { throw failure(.loneSurrogate) }
            guard unit & 0xFC00 == 0xD800 else {
                position += 6
                return
            }
            position += 6
            guard position < count else { throw failure(.unexpectedEnd) }
            guard byte(position) == UInt8(ascii: "\\") else { throw failure(.loneSurrogate) }
            guard position + 1 < count else { throw failure(.unexpectedEnd) }
            guard byte(position + 1) == UInt8(ascii: "u") else { throw failure(.loneSurrogate) }
            guard try hexUnit() & 0xFC00 == 0xDC00 else { throw failure(.loneSurrogate) }
            position += 6
        default: throw failure(.invalidEscape)
        }
    }

    private func hexUnit() throws(JSONSyntaxError) -> UInt32 {
        guard position + 6 <= count else { throw failure(.unexpectedEnd) }
        var unit: UInt32 = 0
        for offset in 2..<6 {
            guard let digit = JSONText.hexDigit(byte(position + offset)) else { throw failure(.invalidEscape) }
            unit = unit << 4 | digit
        }
        return unit
    }

    /// RFC 3629 §4, the table of well-formed sequences.
    private mutating func scanMultibyte(_ lead: UInt8) throws(JSONSyntaxError) {
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        case 0xF1...0xF3: length = 4
        default: throw failure(.invalidUTF8)
        }
        guard position + length <= count, second.contains(byte(position + 1)) else { throw failure(.invalidUTF8) }
        for offset in 2..<max(length, 2) {
            guard byte(position + offset) & 0xC0 == 0x80 else { throw failure(.invalidUTF8) }
        }
        position += length
    }
}
