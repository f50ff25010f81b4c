/// A value at its place in a ``JSONDocument``.
public struct JSONNode: Hashable, Sendable {
    /// What a JSON value can be.
    public enum Kind: Hashable, Sendable, CaseIterable {
        case object, array, string, number, bool, null
    }

    /// The document that the value stands in.
    public let document: JSONDocument
    let index: Int

    private var entry: JSONScanner.Entry { document.storage.tape[index] }

    /// What the value is.
    public var kind: Kind { entry.kind }

    /// The bytes of the value, from its first to past its last; a string's include the quotes.
    public var range: Range<Int> {
        let entry = entry
        return Int(entry.start)..<Int(entry.end)
    }

    /// The bytes of the value, copied.
    public var bytes: ArraySlice<UInt8> { document.storage.bytes[range] }

    /// How many members an object or elements an array has; 0 for anything else.
    public var count: Int { entry.count }

    /// The member of an object with this name, or nil.
    public subscript(_ name: String) -> JSONNode? {
        var name = name
        return name.withUTF8 { name in
            document.storage.member(named: name, of: index).map { JSONNode(document: document, index: $0) }
        }
    }

    /// The element of an array at this place, or nil.
    public subscript(_ place: Int) -> JSONNode? {
        guard kind == .array, (0..<count).contains(place) else { return nil }
        var position = index + 1
        for _ in 0..<place { position = document.storage.next(position) }
        return JSONNode(document: document, index: position)
    }

    /// The members of an object in their order; none for anything else.
    public var members: [JSONMember] {
        guard kind == .object else { return [] }
        var result: [JSONMember] = []
        result.reserveCapacity(count)
        forEachMember { name, value in result.append(JSONMember(nameNode: name, value: value)) }
        return result
    }

    /// Goes through an object's members, name and value, without building anything.
    func forEachMember(_ body: (_ name: JSONNode, _ value: JSONNode) -> Void) {
        let entry = entry
        guard entry.kind == .object else { return }
        var position = index + 1
        for _ in 0..<entry.count {
            body(JSONNode(document: document, index: position), JSONNode(document: document, index: position + 1))
            position = document.storage.next(position + 1)
        }
    }

    /// Goes through an array's elements without building anything.
    func forEachElement(_ body: (JSONNode) -> Void) {
        let entry = entry
        guard entry.kind == .array else { return }
        var position = index + 1
        for _ in 0..<entry.count {
            body(JSONNode(document: document, index: position))
            position = document.storage.next(position)
        }
    }

    /// The elements of an array in their order; none for anything else.
    public var elements: [JSONNode] {
        guard kind == .array else { return [] }
        var result: [JSONNode] = []
        result.reserveCapacity(count)
        forEachElement { result.append($0) }
        return result
    }

    /// The text of a string with its escapes undone; nil for anything else.
    public var string: String? { withText { String(decoding: $0, as: UTF8.self) } }

    /// Lends the UTF-8 of a string with its escapes undone; nil for anything else. Copies nothing where nothing is
    /// escaped.
    public func withText<Answer>(_ body: (UnsafeBufferPointer<UInt8>) -> Answer) -> Answer? {
        document.storage.withText(index, body)
    }

    /// The UTF-8 of a string with its escapes undone; nil for anything else.
    public var utf8: ArraySlice<UInt8>? { withText { Array($0)[...] } }

    /// The value of `true` or `false`; nil for anything else.
    public var bool: Bool? {
        kind == .bool ? document.storage.bytes[Int(entry.start)] == UInt8(ascii: "t") : nil
    }

    /// The text of a number as written; nil for anything else.
    public var numberText: String? {
        kind == .number ? String(decoding: bytes, as: UTF8.self) : nil
    }

    /// The value of a number written as a plain integer that fits; nil for anything else.
    public var int: Int? { numberText.flatMap { Int($0) } }

    /// Whether this is a string with exactly these bytes (after unescaping); builds no string.
    public func equals(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { document.storage.isString(index, $0) }
    }
}

/// A member of an object: its name, its value and where both stand.
public struct JSONMember: Sendable {
    let nameNode: JSONNode
    /// The value.
    public let value: JSONNode

    /// The name with its escapes undone.
    public var name: String { nameNode.string ?? "" }
    /// The bytes of the name with its quotes.
    public var nameRange: Range<Int> { nameNode.range }
    /// The bytes from the name through the value.
    public var range: Range<Int> { nameRange.lowerBound..<value.range.upperBound }
    /// Whether the member has this name; builds no string.
    public func isNamed(_ text: String) -> Bool { nameNode.equals(text) }
}

extension JSONNode.Kind {
    @inline(__always)
    init(code: UInt32) {
        switch code {
        case 0: self = .object
        case 1: self = .array
        case 2: self = .string
        case 3: self = .number
        case 4: self = .bool
        default: self = .null
        }
    }

    @inline(__always)
    var code: UInt32 {
        switch self {
        case .object: 0
        case .array: 1
        case .string: 2
        case .number: 3
        case .bool: 4
        case .null: 5
        }
    }
}
