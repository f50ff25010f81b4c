/// The type and id that name one resource on its server.
public struct InstanceKey: Hashable, Sendable, CustomStringConvertible, Comparable {
    /// The resource's type.
    public let type: ResourceType
    /// The resource's id.
    public let id: ResourceID

    /// A key.
    public init(type: ResourceType, id: ResourceID) {
        self.type = type
        self.id = id
    }

    /// The key written as `Type/id`, and nothing else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let type = ResourceType(rawValue: String(parts[0])), let id = ResourceID(parts[1])
        else { return nil }
        self.init(type: type, id: id)
    }

    /// The relative reference, such as `Patient/p`.
    public var description: String { "\(type.rawValue)/\(id.text)" }

    /// Keys are ordered by type, then id.
    public static func < (left: InstanceKey, right: InstanceKey) -> Bool {
        left.type != right.type ? left.type < right.type : left.id < right.id
    }
}
