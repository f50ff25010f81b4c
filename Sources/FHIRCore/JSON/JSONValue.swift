/// A small JSON tree of our own, for documents that we build or keep: tokens, metadata, audit events.
///
/// Patient data on its way through is never turned into one; it stays bytes with a ``JSONDocument`` over them.
public indirect enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    /// A number that is not a plain 64-bit integer, as written.
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    /// Members in their order.
    case object([JSONMemberValue])

    /// The tree of a validated value.
    public init(_ node: JSONNode) {
        switch node.kind {
        case .null: self = .null
        case .bool: self = .bool(node.bool ?? false)
        case .string: self = .string(node.string ?? "")
        case .number:
            let number = JSONNumber(node)
            if let number, Int64(number.text).map(String.init) != number.text {
                self = .number(number)
            } else {
                self = .int(number.flatMap { Int64($0.text) } ?? 0)
            }
        case .array: self = .array(node.elements.map { JSONValue($0) })
        case .object: self = .object(node.members.map { JSONMemberValue($0.name, JSONValue($0.value)) })
        }
    }

    /// Reads and checks a text.
    public init(parsing bytes: [UInt8], limits: JSONLimits = .default) throws(JSONSyntaxError) {
        self.init(try JSONDocument(bytes, limits: limits).root)
    }

    /// The member with this name; nil when there is none or this is no object.
    public subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The text of a string.
    public var string: String? { if case .string(let text) = self { text } else { nil } }
    /// The value of a plain integer.
    public var int: Int64? { if case .int(let value) = self { value } else { nil } }
    /// The value of a boolean.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The elements of an array.
    public var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    /// The members of an object.
    public var object: [JSONMemberValue]? { if case .object(let members) = self { members } else { nil } }
}

/// A member of a ``JSONValue/object(_:)``.
public struct JSONMemberValue: Hashable, Sendable {
    /// The name.
    public let name: String
    /// The value.
    public let value: JSONValue

    /// A member.
    public init(_ name: String, _ value: JSONValue) {
        self.name = name
        self.value = value
    }
}

extension JSONValue {
    /// The compact text, in UTF-8.
    public var serialized: [UInt8] {
        var result: [UInt8] = []
        append(to: &result)
        return result
    }

    /// The compact text.
    public var text: String { String(decoding: serialized, as: UTF8.self) }

    /// Appends the compact text.
    public func append(to result: inout [UInt8]) {
        switch self {
        case .null: result.append(contentsOf: "null".utf8)
        case .bool(let value): result.append(contentsOf: (value ? "true" : "false").utf8)
        case .int(let value): result.append(contentsOf: String(value).utf8)
        case .number(let number): result.append(contentsOf: number.text.utf8)
        case .string(let text): JSONText.appendQuoted(text, to: &result)
        case .array(let elements):
            result.append(UInt8(ascii: "["))
            var isFirst = true
            for element in elements {
                if !isFirst { result.append(UInt8(ascii: ",")) }
                isFirst = false
                element.append(to: &result)
            }
            result.append(UInt8(ascii: "]"))
        case .object(let members):
            result.append(UInt8(ascii: "{"))
            var isFirst = true
            for member in members {
                if !isFirst { result.append(UInt8(ascii: ",")) }
                isFirst = false
                JSONText.appendQuoted(member.name, to: &result)
                result.append(UInt8(ascii: ":"))
                member.value.append(to: &result)
            }
            result.append(UInt8(ascii: "}"))
        }
    }
}
