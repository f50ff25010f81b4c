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
    public var range: Range<Int> { Int(entry.start)..<Int(entry.end) }

    /// The bytes of the value, copied.
    public var bytes: ArraySlice<UInt8> { document.storage.bytes[range] }

    /// How many members an object or elements an array has; 0 for anything else.
    public var count: Int { entry.count }

    /// The member of an object with this name, or nil.
    public subscript(_ name: String) -> JSONNode? {
        guard kind == .object else { return nil }
        var position = index + 1
        for _ in 0..<count {
            let isNamed = JSONNode(document: document, index: position).equals(name)
            let value = JSONNode(document: document, index: position + 1)
            if isNamed { return value }
            position = value.next
        }
        return nil
    }

    /// The element of an array at this place, or nil.
    public subscript(_ place: Int) -> JSONNode? {
        guard kind == .array, (0..<count).contains(place) else { return nil }
        var position = index + 1
        for _ in 0..<place { position = JSONNode(document: document, index: position).next }
        return JSONNode(document: document, index: position)
    }

    /// The members of an object in their order; none for anything else.
    public var members: [JSONMember] {
        guard kind == .object else { return [] }
        var result: [JSONMember] = []
        result.reserveCapacity(count)
        var position = index + 1
        for _ in 0..<count {
            let value = JSONNode(document: document, index: position + 1)
            result.append(JSONMember(nameNode: JSONNode(document: document, index: position), value: value))
            position = value.next
        }
        return result
    }

    /// Goes through an object's members, name and value, without building anything.
    func forEachMember(_ body: (_ name: JSONNode, _ value: JSONNode) -> Void) {
        guard kind == .object else { return }
        var position = index + 1
        for _ in 0..<count {
            let value = JSONNode(document: document, index: position + 1)
            body(JSONNode(document: document, index: position), value)
            position = value.next
        }
    }

    /// The elements of an array in their order; none for anything else.
    public var elements: [JSONNode] {
        guard kind == .array else { return [] }
        var result: [JSONNode] = []
        result.reserveCapacity(count)
        var position = index + 1
        for _ in 0..<count {
            let value = JSONNode(document: document, index: position)
            result.append(value)
            position = value.next
        }
        return result
    }

    /// The text of a string with its escapes undone; nil for anything else.
    public var string: String? {
        guard kind == .string else { return nil }
        return String(decoding: content, as: UTF8.self)
    }

    /// The UTF-8 of a string with its escapes undone; nil for anything else.
    public var utf8: ArraySlice<UInt8>? { kind == .string ? content : nil }

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
        guard kind == .string else { return false }
        if entry.hasEscapes { return content.elementsEqual(text.utf8) }
        let inside = range.dropFirst().dropLast()
        guard inside.count == text.utf8.count else { return false }
        return document.storage.bytes[inside].elementsEqual(text.utf8)
    }

    /// The UTF-8 inside a string's quotes, unescaped.
    private var content: ArraySlice<UInt8> {
        let inside = document.storage.bytes[range.dropFirst().dropLast()]
        return entry.hasEscapes ? JSONText.unescaped(inside)[...] : inside
    }

    /// The tape index of what follows this value.
    private var next: Int { Int(entry.next) }
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
