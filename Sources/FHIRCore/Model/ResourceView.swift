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
    public let lastUpdated: String?

    /// Looks at an object as a resource. An unknown or missing type, an id or a `meta` of the wrong form throws.
    public init(_ node: JSONNode) throws(ResourceSyntaxError) {
        guard node.kind == .object else { throw ResourceSyntaxError(.notAnObject) }
        guard let name = node["resourceType"]?.string else { throw ResourceSyntaxError(.missingType) }
        guard let type = ResourceType(rawValue: name) else { throw ResourceSyntaxError(.unknownType) }
        self.node = node
        self.type = type
        id = try ResourceView.text(node["id"], orThrow: .invalidID).map { text throws(ResourceSyntaxError) in
            guard let id = ResourceID(text) else { throw ResourceSyntaxError(.invalidID) }
            return id
        }
        let meta = node["meta"]
        guard meta == nil || meta?.kind == .object else { throw ResourceSyntaxError(.invalidMeta) }
        versionID = try ResourceView.text(meta?["versionId"], orThrow: .invalidMeta)
            .map { text throws(ResourceSyntaxError) in
                guard let version = VersionID(text) else { throw ResourceSyntaxError(.invalidMeta) }
                return version
            }
        lastUpdated = try ResourceView.text(meta?["lastUpdated"], orThrow: .invalidMeta)
    }

    /// The text of a member that is a string if it is there at all.
    private static func text(
        _ node: JSONNode?, orThrow code: ResourceSyntaxError.Code
    ) throws(ResourceSyntaxError) -> String? {
        guard let node else { return nil }
        guard let text = node.string else { throw ResourceSyntaxError(code) }
        return text
    }

    /// The type and id, if there is an id.
    public var key: InstanceKey? { id.map { InstanceKey(type: type, id: $0) } }
}
