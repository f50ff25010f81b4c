internal import FHIRCore

/// Turns judged resources into bytes and keeps count of them.
struct ReleaseBuilder {
    let permit: Permit
    private(set) var counts = ReleaseCounts()
    private(set) var patients: Set<ResourceID> = []
    private(set) var determining: Set<HeldScope> = []
    /// The scopes that were counted last; those of the next resource are mostly the same.
    private var lastScopes: [HeldScope] = []
    private var lastPatient: ResourceID?
    private(set) var securityEvents: [String] = []
    private(set) var disobeyed: Set<ResourceType> = []
    private let projection: Projection
    private var addresses: AddressMap?

    var rule: ReleaseRule { permit.rule }

    init(_ permit: Permit, document: JSONDocument?) {
        self.permit = permit
        projection = Projection(permit.request.options)
        addresses = document.flatMap { AddressMap(permit.rule.policy, for: $0) }
    }

    /// The bytes of an admitted resource.
    mutating func release(
        _ resource: ResourceView, _ redaction: Redaction, by scopes: [HeldScope], isProjected: Bool
    ) -> [UInt8] {
        let subject = rule.forms.subject(of: resource, rule.policy.types[resource.type])
        let outgoing = outgoing(resource, subject, redaction, by: scopes)
        return outgoing.bytes(redaction, isProjected ? projection : .whole)
    }

    /// Appends the bytes of an admitted resource whose subject has been read already.
    mutating func release(
        _ resource: ResourceView, _ subject: SubjectValue, _ redaction: Redaction, by scopes: [HeldScope],
        isProjected: Bool, to bytes: inout [UInt8]
    ) {
        let outgoing = outgoing(resource, subject, redaction, by: scopes)
        outgoing.append(redaction, isProjected ? projection : .whole, to: &bytes)
    }

    private mutating func outgoing(
        _ resource: ResourceView, _ subject: SubjectValue, _ redaction: Redaction, by scopes: [HeldScope]
    ) -> OutgoingResource {
        counts.add(resource.type, isRedacted: !redaction.isEmpty)
        if scopes != lastScopes {
            determining.formUnion(scopes)
            lastScopes = scopes
        }
        for key in subject.keys where key.type == .patient && key.id != lastPatient {
            patients.insert(key.id)
            lastPatient = key.id
        }
        return OutgoingResource(resource, addresses, names: rule.operation?.names ?? [:])
    }

    mutating func withhold(_ reason: WithholdReason) { counts.withhold(reason) }

    /// Adds patients whose records what is released is a part of, without saying so itself.
    mutating func add(_ subjects: Set<ResourceID>) { patients.formUnion(subjects) }

    /// Takes over what was counted and noted before anything was released.
    mutating func adopt(_ counts: ReleaseCounts, _ events: [String], disobeyed: Set<ResourceType> = []) {
        self.counts = counts
        securityEvents = events
        self.disobeyed = disobeyed
    }

    /// The patients met since the last time, in order; what comes is counted anew.
    mutating func takePatients() -> [ResourceID] {
        var taken: Set<ResourceID> = []
        swap(&taken, &patients)
        lastPatient = nil
        return taken.sorted()
    }

    /// Goes on with resources of another document.
    mutating func turn(to document: JSONDocument) {
        addresses = AddressMap(rule.policy, for: document)
    }

    /// Notes something that an obedient upstream does not do; each kind once.
    mutating func note(_ event: String) {
        if !securityEvents.contains(event) { securityEvents.append(event) }
    }

    /// Notes that the upstream has ignored what an exact search said (enforcer digest b.6.7).
    mutating func noteDisobedience(on type: ResourceType) {
        disobeyed.insert(type)
        note("a match is outside the search that was asked for")
    }

    /// The answer, with what was counted on the way.
    func answer(
        status: Int = 200, bytes: [UInt8], etag: String? = nil, lastModified: String? = nil, location: String? = nil
    ) -> ReleasedAnswer {
        ReleasedAnswer(
            status: status, body: Released(bytes: bytes), etag: etag, lastModified: lastModified, location: location,
            counts: counts, patients: patients, determining: determining, securityEvents: securityEvents,
            disobeyed: disobeyed)
    }
}
