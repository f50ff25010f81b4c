public import FHIRCore

/// What a resource scope names: one resource type, or all of them.
public enum ScopeTarget: Hashable, Sendable {
    /// `*`.
    case all
    /// One FHIR R4 type.
    case type(ResourceType)

    /// The text between the slash and the dot.
    public var text: String {
        switch self {
        case .all: "*"
        case .type(let type): type.rawValue
        }
    }

    /// Whether a scope for this target speaks about resources of a type.
    public func includes(_ type: ResourceType) -> Bool {
        switch self {
        case .all: true
        case .type(let own): own == type
        }
    }

    /// Whether everything the other target names is named by this one too.
    func covers(_ other: ScopeTarget) -> Bool { self == .all || self == other }

    /// What both targets name, or nil.
    func intersection(_ other: ScopeTarget) -> ScopeTarget? {
        if self == .all { return other }
        if other == .all || self == other { return self }
        return nil
    }
}
