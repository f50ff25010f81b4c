internal import AccessPolicy
internal import FHIRCore

extension ServerPolicy {
    /// The patients whose resource this is, for the record of a write.
    func patients(of resource: ResourceView) -> [ResourceID] {
        switch types[resource.type].subject {
        case .ownID: resource.id.map { [$0] } ?? []
        case .parameter(let parameter):
            (resource.references(parameter) ?? []).compactMap { patient($0.literal) }
        case .securityContext:
            resource.node["securityContext"]?["reference"]?.string.flatMap { patient(LiteralReference($0)) }
                .map { [$0] } ?? []
        case nil: []
        }
    }

    private func patient(_ literal: LiteralReference?) -> ResourceID? {
        switch literal {
        case .relative(let key, _): key.type == .patient ? key.id : nil
        case .absolute(let base, let key, _):
            key.type == .patient && (base == publicBase || base == upstreamBase) ? key.id : nil
        case .fragment, .urn, .conditional, .other, nil: nil
        }
    }
}
