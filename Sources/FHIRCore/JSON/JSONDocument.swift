/// A validated JSON text and the flat tape of its values.
///
/// That one exists proves that its bytes are strict RFC 8259 JSON within the limits, that no object in it has two
/// members of one name, and that every string is well-formed Unicode.
public struct JSONDocument: Hashable, Sendable {
    /// Bytes and tape together. A class so that a node costs one reference count; nothing in it changes.
    final class Storage: Sendable {
        let bytes: [UInt8]
        let tape: [JSONScanner.Entry]

        init(bytes: [UInt8], tape: [JSONScanner.Entry]) {
            self.bytes = bytes
            self.tape = tape
        }
    }

    let storage: Storage

    /// Reads and checks a text.
    public init(_ bytes: [UInt8], limits: JSONLimits = .default) throws(JSONSyntaxError) {
        let tape = try JSONScanner.tape(of: bytes, limits: limits)
        storage = Storage(bytes: bytes, tape: tape)
    }

    /// The text as it was given.
    public var bytes: [UInt8] { storage.bytes }

    /// The outermost value.
    public var root: JSONNode { JSONNode(document: self, index: 0) }

    /// Two documents are equal when their bytes are.
    public static func == (left: JSONDocument, right: JSONDocument) -> Bool {
        left.storage === right.storage || left.bytes == right.bytes
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}
