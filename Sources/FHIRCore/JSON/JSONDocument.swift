/// A validated JSON text and the flat tape of its values.
///
/// That one exists proves that its bytes are strict RFC 8259 JSON within the limits, that no object in it has two
/// members of one name, and that every string is well-formed Unicode.
public struct JSONDocument: Hashable, Sendable {
    /// Bytes and tape together. A class so that a node costs one reference count; nothing in it changes.
    final class Storage: Sendable {
        let bytes: [UInt8]
        let tape: [JSONScanner.Entry]
        let hasCodeUnitEscapes: Bool

        init(bytes: [UInt8], scan: JSONScanner.Scan) {
            self.bytes = bytes
            tape = scan.tape
            hasCodeUnitEscapes = scan.hasCodeUnitEscapes
        }
    }

    let storage: Storage

    /// Reads and checks a text.
    public init(_ bytes: [UInt8], limits: JSONLimits = .default) throws(JSONSyntaxError) {
        storage = Storage(bytes: bytes, scan: try JSONScanner.scan(bytes, limits: limits))
    }

    /// The text as it was given.
    public var bytes: [UInt8] { storage.bytes }

    /// Whether a character is spelt by its number (`\\u0041`) anywhere in the text; if not, what a string says stands in
    /// the bytes as it is, but for the few characters that have a short escape.
    public var hasCodeUnitEscapes: Bool { storage.hasCodeUnitEscapes }

    /// The outermost value.
    public var root: JSONNode { JSONNode(document: self, index: 0) }

    /// Two documents are equal when their bytes are.
    public static func == (left: JSONDocument, right: JSONDocument) -> Bool {
        left.storage === right.storage || left.bytes == right.bytes
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

extension JSONDocument.Storage {
    /// The place of what follows a value.
    @inline(__always)
    func next(_ place: Int) -> Int { Int(tape[place].next) }

    /// The place of the value of the member with this name; nil when there is none or this is no object.
    func member(named name: UnsafeBufferPointer<UInt8>, of object: Int) -> Int? {
        tape.withUnsafeBufferPointer { tape in
            bytes.withUnsafeBytes { bytes in
                let entry = tape[object]
                guard entry.kind == .object else { return nil }
                var position = object + 1
                for _ in 0..<entry.count {
                    if JSONDocument.isString(tape[position], name, in: bytes) { return position + 1 }
                    position = Int(tape[position + 1].next)
                }
                return nil
            }
        }
    }

    /// The place of the value of the member with this name, where the name is one of ours.
    @inline(__always)
    func member(ours name: StaticString, of object: Int) -> Int? {
        name.withUTF8Buffer { member(named: $0, of: object) }
    }

    /// The place of the value of the member with this name.
    func member(_ name: String, of object: Int) -> Int? {
        var name = name
        return name.withUTF8 { member(named: $0, of: object) }
    }

    /// Lends the UTF-8 of a string with its escapes undone; nil for any other value.
    func withText<Answer>(_ place: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Answer) -> Answer? {
        let entry = tape[place]
        guard entry.kind == .string else { return nil }
        return bytes.withUnsafeBufferPointer { bytes in
            let inside = UnsafeBufferPointer(rebasing: bytes[Int(entry.start) + 1..<Int(entry.end) - 1])
            guard entry.hasEscapes else { return body(inside) }
            return JSONText.unescaped(inside).withUnsafeBufferPointer(body)
        }
    }

    /// Whether a value is a string with exactly this text.
    func isString(_ place: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        bytes.withUnsafeBytes { bytes in
            tape[place].kind == .string && JSONDocument.isString(tape[place], text, in: bytes)
        }
    }
}

extension JSONDocument {
    /// Whether a string on the tape has exactly this text, compared after unescaping.
    @inline(__always)
    fileprivate static func isString(
        _ entry: JSONScanner.Entry, _ text: UnsafeBufferPointer<UInt8>, in bytes: UnsafeRawBufferPointer
    ) -> Bool {
        let length = Int(entry.end - entry.start) - 2
        if entry.hasEscapes {
            let inside = UnsafeRawBufferPointer(rebasing: bytes[Int(entry.start) + 1..<Int(entry.end) - 1])
            return JSONText.unescaped(inside).elementsEqual(text)
        }
        guard length == text.count else { return false }
        let start = Int(entry.start) + 1
        // From the end: names of one object often begin alike.
        var place = length
        while place > 0 {
            place -= 1
            guard bytes[start + place] == text[place] else { return false }
        }
        return true
    }
}
