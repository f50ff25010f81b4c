public import FHIRCore

/// Where an operation is told of in a CapabilityStatement.
public enum OperationPlace: Hashable, Sendable {
    /// `rest.operation`.
    case system
    /// `rest.resource.operation`, for calls on the type and on its instances.
    case type(ResourceType)
}

extension OperationTable {
    /// Whether some token could have an operation let through at a place: it is described there, or is the bulk export,
    /// which has rules of its own.
    ///
    /// - Parameter name: without the `$`.
    public func offers(_ name: String, at place: OperationPlace) -> Bool {
        switch place {
        case .system: name == Self.export || descriptor(name, .system) != nil
        case .type(let type):
            name == Self.export && (type == .patient || type == .group)
                || descriptors.contains {
                    $0.name == name && $0.types.contains(type) && !$0.levels.isDisjoint(with: [.type, .instance])
                }
        }
    }

    private static let export = "export"
}
