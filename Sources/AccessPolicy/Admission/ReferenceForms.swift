internal import FHIRCore

/// Which spellings of a reference name a resource of the protected server (enforcer digest b.1).
struct ReferenceForms: Sendable {
    let publicBase: String
    let upstreamBase: String
    /// Which resources stand under which `urn:` in the document that the reference is in.
    var entries: [String: InstanceKey] = [:]

    /// The resource that a reference names when read; nil for every other spelling.
    func read(_ literal: LiteralReference?) -> InstanceKey? {
        switch literal {
        case .relative(let key, _): key
        case .absolute(let base, let key, _):
            base == publicBase || base == upstreamBase || mutated(.anyServersPatient) ? key : nil
        case .urn(let text): entries[text]
        case .fragment, .conditional, .other, nil: nil
        }
    }

    /// The resource that a reference in a body names; only the two canonical forms do.
    func written(_ literal: LiteralReference?) -> InstanceKey? {
        switch literal {
        case .relative(let key, nil): key
        case .absolute(let base, let key, nil): base == publicBase ? key : nil
        case .relative, .absolute, .fragment, .urn, .conditional, .other, nil: nil
        }
    }
}
