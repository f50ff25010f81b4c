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
        guard let known = node["resourceType"]?.withText({ ResourceType(utf8: $0) }) else {
            throw ResourceSyntaxError(.missingType)
        }
        guard let type = known else { throw ResourceSyntaxError(.unknownType) }
        self.node = node
        self.type = type
        id = try ResourceView.read(node["id"], orThrow: .invalidID) { ResourceID(utf8: $0) }
        let meta = node["meta"]
        guard meta == nil || meta?.kind == .object else { throw ResourceSyntaxError(.invalidMeta) }
        versionID = try ResourceView.read(meta?["versionId"], orThrow: .invalidMeta) { VersionID(utf8: $0) }
        let lastUpdated = meta?["lastUpdated"]
        guard lastUpdated == nil || lastUpdated?.kind == .string else { throw ResourceSyntaxError(.invalidMeta) }
    }

    /// The value of a member that is a string of a certain form if it is there at all.
    private static func read<Value>(
        _ node: JSONNode?, orThrow code: ResourceSyntaxError.Code, as value: (UnsafeBufferPointer<UInt8>) -> Value?
    ) throws(ResourceSyntaxError) -> Value? {
        guard let node else { return nil }
        guard let text = node.withText(value), let text else { throw ResourceSyntaxError(code) }
        return text
    }

    /// The type and id, if there is an id.
    public var key: InstanceKey? { id.map { InstanceKey(type: type, id: $0) } }
}
