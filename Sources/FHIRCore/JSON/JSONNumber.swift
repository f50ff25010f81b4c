/// The text of a JSON number, as it was written.
///
/// It is written out as it stands, without quotes, so that a text that is something else would be more than a value in
/// the document around it. Hence there is no way to one but through the scanner (RFC 8259 §6).
public struct JSONNumber: Hashable, Sendable {
    /// The text.
    public let text: String

    /// The number that a text is, whole and without space around it; nil when it is none.
    public init?(_ text: String) {
        guard let document = try? JSONDocument(Array(text.utf8)), let number = JSONNumber(document.root),
            document.root.range == 0..<text.utf8.count
        else { return nil }
        self = number
    }

    /// The number at a place of a document; nil for any other value.
    public init?(_ node: JSONNode) {
        guard let text = node.numberText else { return nil }
        self.text = text
    }
}
