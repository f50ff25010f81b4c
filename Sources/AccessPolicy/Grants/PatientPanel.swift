public import FHIRCore

/// Which patients' records a user or a client may reach, as the site's policy says.
public enum PatientPanel: Hashable, Sendable {
    /// No policy is configured or the context is missing: nothing at all.
    case none
    /// Exactly these patients; an empty set is a policy that currently names nobody.
    case patients(Set<ResourceID>)
    /// Every patient.
    case everyone

    /// Whether this patient's record is inside.
    public func contains(_ patient: ResourceID) -> Bool {
        switch self {
        case .none: false
        case .patients(let set): set.contains(patient)
        case .everyone: true
        }
    }
}
