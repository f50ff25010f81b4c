public import FHIRCore

/// What must be looked at upstream before a permitted request may be forwarded.
public enum Precondition: Hashable, Sendable {
    /// The current version must be read and pass `admit` as `.stored`; a write is then tied to it with `If-Match`.
    case currentVersion(InstanceKey)

    /// The resource that must be read.
    public var instance: InstanceKey {
        switch self {
        case .currentVersion(let key): key
        }
    }
}
