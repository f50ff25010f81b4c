/// Why a JSON value is not a resource that can be judged.
public struct ResourceSyntaxError: Error, Hashable, Sendable {
    /// What was wrong.
    public enum Code: String, Hashable, Sendable {
        case notAnObject, missingType, unknownType, invalidID, invalidMeta
    }

    /// What was wrong.
    public let code: Code

    /// An error.
    public init(_ code: Code) { self.code = code }

    /// A text without any of the resource's content.
    public var summary: String { "not a resource of FHIR R4: \(code.rawValue)" }
}

/// A resource as it stands in a document: its type, its id, its version.
public struct ResourceView: Hashable, Sendable {
    /// The object.
    public let node: JSONNode
    /// The value of `resourceType`.
    public let type: ResourceType
    /// The value of `id`, if there is one.
    public let id: ResourceID?
    /// The value of `meta.versionId`, if there is one.
    public let versionID: VersionID?

    /// The text of `meta.lastUpdated`, if there is one.
    public var lastUpdated: String? { node["meta"]?["lastUpdated"]?.string }

    /// Looks at an object as a resource. An unknown or missing type, an id or a `meta` of the wrong form throws.
    public init(_ node: JSONNode) throws(ResourceSyntaxError) {
        guard node.kind == .object else { throw ResourceSyntaxError(.notAnObject) }
        // By places on the tape: a node for each would cost more than the look-up.
        let storage = node.document.storage
        guard let name = storage.member(ours: "resourceType", of: node.index),
            let known = storage.withText(name, { ResourceType(utf8: $0) })
        else { throw ResourceSyntaxError(.missingType) }
        guard let type = known else { throw ResourceSyntaxError(.unknownType) }
        self.node = node
        self.type = type
        id = try ResourceView.read(storage, storage.member(ours: "id", of: node.index), orThrow: .invalidID) {
            ResourceID(utf8: $0)
        }
        guard let meta = storage.member(ours: "meta", of: node.index) else {
            versionID = nil
            return
        }
        guard storage.tape[meta].kind == .object else { throw ResourceSyntaxError(.invalidMeta) }
        versionID = try ResourceView.read(storage, storage.member(ours: "versionId", of: meta), orThrow: .invalidMeta) {
            VersionID(utf8: $0)
        }
        if let updated = storage.member(ours: "lastUpdated", of: meta), storage.tape[updated].kind != .string {
            throw ResourceSyntaxError(.invalidMeta)
        }
    }

    /// The value of a member that is a string of a certain form if it is there at all.
    private static func read<Value>(
        _ storage: JSONDocument.Storage, _ place: Int?, orThrow code: ResourceSyntaxError.Code,
        as value: (UnsafeBufferPointer<UInt8>) -> Value?
    ) throws(ResourceSyntaxError) -> Value? {
        guard let place else { return nil }
        guard let text = storage.withText(place, value), let text else { throw ResourceSyntaxError(code) }
        return text
    }

    /// The type and id, if there is an id.
    public var key: InstanceKey? { id.map { InstanceKey(type: type, id: $0) } }
}
