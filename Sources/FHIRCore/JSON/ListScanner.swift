/// Reads one JSON object as its bytes come, and takes the elements of one list in it apart.
///
/// It follows strings and nesting and nothing else: whoever gets an element, or what stands around the list, reads it as
/// a ``JSONDocument`` and so as strictly as the whole would have been. What it holds is one element, and everything that
/// stands around the list.
public struct ListScanner: Sendable {
    /// Why the object cannot be read on.
    public enum Fault: Error, Hashable, Sendable {
        /// It is no JSON object with such a list.
        case malformed
        /// An element, or what stands around the list, is too large.
        case tooLarge
    }

    private enum State {
        case start, afterName, beforeValue, afterValue, afterElement, end
        case beforeName(isFirst: Bool)
        case beforeElement(isFirst: Bool)
        case name, value, element
    }

    private let list: String
    private let limit: Int
    private var state = State.start
    /// The name, value or element that is coming in.
    private var piece: [UInt8] = []
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    /// The object as far as it has come, with the list emptied and without its last brace.
    private var around: [UInt8] = [UInt8(ascii: "{")]
    /// How much of that is whole members: a name whose value has not come yet is none.
    private var wholeMembers = 1
    private var isListNext = false
    /// Whether the list has begun.
    public private(set) var hasList = false

    /// - Parameters:
    ///   - list: the name of the member that is the list.
    ///   - limit: the most bytes of one element, and of what stands around the list.
    public init(list: String, limit: Int) {
        self.list = list
        self.limit = limit
    }

    /// The object of the members that have come whole, with the list emptied; all of it once ``finish()`` has returned.
    public var document: [UInt8] { around[..<wholeMembers] + [UInt8(ascii: "}")] }

    /// Takes the next bytes; returns the elements that they complete.
    public mutating func take(_ bytes: ArraySlice<UInt8>) throws(Fault) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var place = bytes.startIndex
        while place < bytes.endIndex {
            switch state {
            case .name, .value, .element:
                let (end, isWhole) = pieceEnd(in: bytes[place...])
                guard piece.count + (end - place) <= limit else { throw .tooLarge }
                piece.append(contentsOf: bytes[place..<end])
                place = end
                if isWhole { try finishPiece(&found) }
            case .start, .afterName, .beforeValue, .afterValue, .afterElement, .end, .beforeName, .beforeElement:
                let byte = bytes[place]
                // A byte that begins a piece is looked at again as a part of it.
                var isUsed = Self.isSpace(byte)
                if !isUsed { isUsed = try step(byte) }
                if isUsed { place += 1 }
            }
        }
        return found
    }

    /// Says that there is no more.
    public func finish() throws(Fault) {
        guard case .end = state else { throw .malformed }
    }

    /// Goes on over one byte that is no space; returns whether it is used up.
    private mutating func step(_ byte: UInt8) throws(Fault) -> Bool {
        switch (state, byte) {
        case (.start, UInt8(ascii: "{")): state = .beforeName(isFirst: true)
        case (.beforeName(isFirst: true), UInt8(ascii: "}")), (.afterValue, UInt8(ascii: "}")): state = .end
        case (.beforeName, UInt8(ascii: "\"")):
            state = .name
            return false
        case (.afterName, UInt8(ascii: ":")): state = .beforeValue
        case (.beforeValue, UInt8(ascii: "[")) where isListNext:
            hasList = true
            around += Array("[]".utf8)
            wholeMembers = around.count
            state = .beforeElement(isFirst: true)
        case (.beforeValue, _) where !isListNext:
            state = .value
            return false
        case (.afterValue, UInt8(ascii: ",")): state = .beforeName(isFirst: false)
        case (.beforeElement(isFirst: true), UInt8(ascii: "]")), (.afterElement, UInt8(ascii: "]")):
            state = .afterValue
        case (.beforeElement, _):
            state = .element
            return false
        case (.afterElement, UInt8(ascii: ",")): state = .beforeElement(isFirst: false)
        default: throw .malformed
        }
        return true
    }

    private mutating func finishPiece(_ found: inout [[UInt8]]) throws(Fault) {
        guard !piece.isEmpty else { throw .malformed }
        switch state {
        case .name:
            isListNext = try name() == list
            guard !isListNext || !hasList else { throw .malformed }
            if around.count > 1 { around.append(UInt8(ascii: ",")) }
            around += piece + [UInt8(ascii: ":")]
            state = .afterName
        case .value:
            around += piece
            wholeMembers = around.count
            state = .afterValue
        case .element:
            found.append(piece)
            state = .afterElement
        case .start, .afterName, .beforeValue, .afterValue, .afterElement, .end, .beforeName, .beforeElement:
            throw .malformed
        }
        guard around.count <= limit else { throw .tooLarge }
        piece = []
    }

    /// The name that has come in, as the one reader of JSON reads it.
    private func name() throws(Fault) -> String? {
        guard let document = try? JSONDocument([UInt8(ascii: "[")] + piece + [UInt8(ascii: "]")]) else {
            throw .malformed
        }
        return document.root.elements.first?.string
    }

    /// Where the piece that is coming in ends, and whether it does within these bytes.
    private mutating func pieceEnd(in bytes: ArraySlice<UInt8>) -> (end: Int, isWhole: Bool) {
        let isAtStart = piece.isEmpty
        return bytes.withUnsafeBytes { raw in
            for place in 0..<raw.count {
                let byte = raw[place]
                if isInString {
                    if isEscaped {
                        isEscaped = false
                    } else if byte == UInt8(ascii: "\\") {
                        isEscaped = true
                    } else if byte == UInt8(ascii: "\"") {
                        isInString = false
                        if depth == 0 { return (bytes.startIndex + place + 1, true) }
                    }
                    continue
                }
                switch byte {
                case UInt8(ascii: "\""):
                    // Behind a number no string begins; what reads the piece refuses it.
                    isInString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    // Of what stands around a value that is no list and no object.
                    guard depth > 0 else { return (bytes.startIndex + place, true) }
                    depth -= 1
                    if depth == 0 { return (bytes.startIndex + place + 1, true) }
                case UInt8(ascii: ","):
                    if depth == 0 { return (bytes.startIndex + place, true) }
                default:
                    if depth == 0, Self.isSpace(byte), place > 0 || !isAtStart {
                        return (bytes.startIndex + place, true)
                    }
                }
            }
            return (bytes.endIndex, false)
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }
}
