public import AccessPolicy
public import FHIRCore

/// In which form `fhirContext` is told, which the versions of SMART do differently.
public enum LaunchContextForm: String, CaseIterable, Hashable, Sendable {
    /// Objects, as since SMART 2.1.
    case objects
    /// Texts with a relative reference, as in SMART 2.0; what has no reference cannot be told.
    case references
    /// Not at all, as in SMART 1.0.
    case absent
}

extension LaunchContext {
    /// The launch context parameters (SMART 2.2 scopes), which the token response and introspection share.
    public func responseMembers(_ form: LaunchContextForm) -> [(name: String, value: JSONValue?)] {
        let further = context(in: form)
        return [
            ("patient", patient.map { .string($0.text) }),
            ("encounter", encounter.map { .string($0.text) }),
            ("need_patient_banner", needPatientBanner.map { .bool($0) }),
            ("intent", intent.map { .string($0) }),
            ("fhirContext", further.isEmpty ? nil : .array(further)),
            ("smart_style_url", smartStyleURL.map { .string($0) }),
            ("tenant", form == .absent ? nil : tenant.map { .string($0) }),
        ]
    }

    private func context(in form: LaunchContextForm) -> [JSONValue] {
        switch form {
        case .objects: fhirContext
        case .references: fhirContext.compactMap { $0["reference"] }
        case .absent: []
        }
    }
}
