internal import FHIRCore

/// Turns judged resources into bytes and keeps count of them.
struct ReleaseBuilder {
    let permit: Permit
    private(set) var counts = ReleaseCounts()
    private(set) var patients: Set<ResourceID> = []
    private(set) var determining: Set<HeldScope> = []
    private(set) var securityEvents: [String] = []
    private let projection: Projection
    private var addresses: AddressMap?

    var rule: ReleaseRule { permit.rule }

    init(_ permit: Permit, document: JSONDocument?) {
        self.permit = permit
        projection = Projection(permit.request.options)
        addresses = document.flatMap { AddressMap(permit.rule.policy, for: $0.bytes) }
    }

    /// The bytes of an admitted resource.
    mutating func release(
        _ resource: ResourceView, _ redaction: Redaction, by scopes: [HeldScope], isProjected: Bool
    ) -> [UInt8] {
        counts.add(resource.type, isRedacted: !redaction.isEmpty)
        determining.formUnion(scopes)
        patients.formUnion(subjects(of: resource))
        return OutgoingResource(resource, addresses).bytes(redaction, isProjected ? projection : .whole)
    }

    mutating func withhold(_ reason: WithholdReason) { counts.withhold(reason) }

    /// Takes over what was counted and noted before anything was released.
    mutating func adopt(_ counts: ReleaseCounts, _ events: [String]) {
        self.counts = counts
        securityEvents = events
    }

    /// Goes on with resources of another document.
    mutating func turn(to document: JSONDocument) {
        addresses = AddressMap(rule.policy, for: document.bytes)
    }

    /// Notes something that an obedient upstream does not do; each kind once.
    mutating func note(_ event: String) {
        if !securityEvents.contains(event) { securityEvents.append(event) }
    }

    /// The answer, with what was counted on the way.
    func answer(
        status: Int = 200, bytes: [UInt8], etag: String? = nil, lastModified: String? = nil, location: String? = nil
    ) -> ReleasedAnswer {
        ReleasedAnswer(
            status: status, body: Released(bytes: bytes), etag: etag, lastModified: lastModified, location: location,
            counts: counts, patients: patients, determining: determining, securityEvents: securityEvents)
    }

    private func subjects(of resource: ResourceView) -> [ResourceID] {
        switch rule.policy.types[resource.type].subject {
        case .ownID: return resource.id.map { [$0] } ?? []
        case .parameter(let parameter):
            return (resource.references(parameter) ?? []).compactMap { rule.forms.read($0.literal) }
                .filter { $0.type == .patient }.map(\.id)
        case .securityContext, nil: return []
        }
    }
}
