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
        let text = String(text)
        guard let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")),
            let type = ResourceType(rawValue: String(text[..<slash])),
            let id = ResourceID(text[text.utf8.index(after: slash)...])
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
