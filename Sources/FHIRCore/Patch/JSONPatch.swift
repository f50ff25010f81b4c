/// A JSON Patch (RFC 6902), read whole: its operations in their order.
///
/// That one exists proves that every operation is well formed. Whether it can be applied, only a document can tell.
public struct JSONPatch: Hashable, Sendable {
    /// One operation.
    public enum Operation: Hashable, Sendable {
        case add(JSONPointer, JSONValue)
        case remove(JSONPointer)
        case replace(JSONPointer, JSONValue)
        case move(from: JSONPointer, to: JSONPointer)
        case copy(from: JSONPointer, to: JSONPointer)
        case test(JSONPointer, JSONValue)
    }

    /// The operations in their order.
    public let operations: [Operation]

    /// Most operations in one patch.
    public static let maxOperations = 500

    /// A patch of these operations.
    public init(_ operations: [Operation]) { self.operations = operations }

    /// Reads the outermost value of a patch document. Members that RFC 6902 does not know are passed over (§4).
    public init(_ node: JSONNode) throws(JSONPatchError) {
        guard node.kind == .array else { throw .notAnArray }
        guard node.count <= JSONPatch.maxOperations else { throw .tooManyOperations }
        var operations: [Operation] = []
        operations.reserveCapacity(node.count)
        for (place, element) in node.elements.enumerated() {
            guard let operation = JSONPatch.operation(element) else { throw .malformedOperation(place) }
            operations.append(operation)
        }
        self.operations = operations
    }

    /// Whether the outcome, or whether there is one, tells what stands in the document: `test` says it outright, `copy`
    /// and `move` carry a value to where it may be seen, `remove` and `replace` say whether something is there, and so
    /// does `add` of the place that it adds to. Only what goes into any object alike tells nothing.
    public var readsDocument: Bool {
        operations.contains { operation in
            switch operation {
            case .test, .copy, .move, .remove: true
            case .add(let path, _): path.tokens.count > 1
            case .replace(let path, _): !path.tokens.isEmpty
            }
        }
    }

    private static func operation(_ node: JSONNode) -> Operation? {
        guard node.kind == .object, let name = node["op"]?.string, let path = pointer(node["path"]) else { return nil }
        switch name {
        case "add": return node["value"].map { .add(path, JSONValue($0)) }
        case "replace": return node["value"].map { .replace(path, JSONValue($0)) }
        case "test": return node["value"].map { .test(path, JSONValue($0)) }
        case "remove": return .remove(path)
        case "move":
            // RFC 6902 §4.4: nothing can be moved into itself.
            guard let from = pointer(node["from"]), !from.isProperPrefix(of: path) else { return nil }
            return .move(from: from, to: path)
        case "copy": return pointer(node["from"]).map { .copy(from: $0, to: path) }
        default: return nil
        }
    }

    private static func pointer(_ node: JSONNode?) -> JSONPointer? { node?.string.flatMap { JSONPointer($0) } }
}

/// Why a patch is none, or cannot be applied. The number is the operation's place, from 0.
public enum JSONPatchError: Error, Hashable, Sendable {
    /// The outermost value is no array.
    case notAnArray
    /// More operations than are taken.
    case tooManyOperations
    /// An operation without a member that it needs, with a path that is none, or of a kind that there is not.
    case malformedOperation(Int)
    /// A path of this operation leads nowhere.
    case noSuchPlace(Int)
    /// A `test` that does not hold.
    case testFailed(Int)
    /// What this operation makes is larger or deeper than a document may be.
    case tooLarge(Int)

    /// Whether the patch itself is at fault, whatever the document.
    public var isOfPatch: Bool {
        switch self {
        case .notAnArray, .tooManyOperations, .malformedOperation: true
        case .noSuchPlace, .testFailed, .tooLarge: false
        }
    }
}
