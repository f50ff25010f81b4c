internal import FHIRCore

/// Turns judged resources into bytes and keeps count of them.
struct ReleaseBuilder {
    let permit: Permit
    private(set) var counts = ReleaseCounts()
    private(set) var patients: Set<ResourceID> = []
    private(set) var determining: Set<HeldScope> = []
    private(set) var securityEvents: [String] = []
    private let projection: Projection
    private let namesUpstream: Bool

    var rule: ReleaseRule { permit.rule }

    init(_ permit: Permit, document: JSONDocument?) {
        self.permit = permit
        projection = Projection(permit.request.options)
        namesUpstream = document.map { ReleaseBuilder.mayName(permit.rule.policy.upstreamBase, in: $0.bytes) } ?? false
    }

    /// The bytes of an admitted resource.
    mutating func release(
        _ resource: ResourceView, edits: [ByteEdit], by scopes: [HeldScope], isProjected: Bool
    ) -> [UInt8] {
        counts.add(resource.type, isRedacted: !edits.isEmpty)
        determining.formUnion(scopes)
        patients.formUnion(subjects(of: resource))
        var all = edits
        if isProjected {
            let cuts = projection.edits(resource)
            if !cuts.isEmpty {
                all += cuts
                // One mark is enough, and two would be two members of one name.
                if edits.isEmpty { all.append(resource.subsetMark) }
            }
        }
        return OutgoingResource(resource, rule, mayNameUpstream: namesUpstream).bytes(all)
    }

    mutating func withhold(_ reason: WithholdReason) { counts.withhold(reason) }

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

    /// Whether the base can stand anywhere in these bytes; a text with escapes may spell it in another way.
    private static func mayName(_ base: String, in bytes: [UInt8]) -> Bool {
        let host = Array(base.utf8.drop { $0 != UInt8(ascii: "/") }.drop { $0 == UInt8(ascii: "/") })
        guard let first = host.first else { return true }
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            if byte == first, bytes[index...].starts(with: host) { return true }
            if byte == UInt8(ascii: "\\"), index + 1 < bytes.endIndex,
                bytes[index + 1] == UInt8(ascii: "/") || bytes[index + 1] == UInt8(ascii: "u")
            {
                return true
            }
            index += 1
        }
        return false
    }
}
