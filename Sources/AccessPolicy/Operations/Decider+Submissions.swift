internal import FHIRCore

extension Decider {
    /// More look-ups than these are not made for one call.
    private static let maxProofs = 16

    /// What is handed in must be the patients' own, unless every patient is inside.
    ///
    /// - Returns: the reads of the records that it refers to and that have to be shown to be within reach.
    func judge(
        _ input: OperationInput, _ found: [EffectiveGrant], _ inContext: [EffectiveGrant]
    ) throws(Refused) -> [Permit] {
        guard !input.resources.isEmpty else {
            if case .submission = input.descriptor.binding { throw Refused(.bodyInvalid) }
            return []
        }
        switch input.descriptor.binding {
        // The descriptor itself says that it is about people beyond any boundary.
        case .population: return []
        case .nobody, .patient, .instance, .parameter, .search, .submission: break
        }
        let held = found.compactMap { grant in
            SubmittedRecords(
                policy: policy, boundary: grant.boundary, isStored: input.descriptor.changesState
            ).references(in: input.resources)
        }
        if held.isEmpty, mutated(.submittedRecordsUnjudged) { return [] }
        guard let needed = held.min(by: { $0.count < $1.count }) else { throw Refused(.bodyOutsideBoundary) }
        guard needed.count <= Self.maxProofs else { throw Refused(.referenceNotVisible) }
        return try needed.sorted().map { (key: InstanceKey) throws(Refused) -> Permit in
            guard let proof = proof(of: key, inContext) else { throw Refused(.referenceNotVisible) }
            return proof
        }
    }

    /// What is taken out of a body before it goes on, when it may be stored; nothing of a grant's that reaches everybody.
    func unprovenIdentities(_ input: OperationInput, _ found: [EffectiveGrant]) -> [ByteEdit] {
        guard input.descriptor.changesState, input.descriptor.binding != .population,
            !found.contains(where: { $0.boundary == .everyone })
        else { return [] }
        return SubmittedRecords(policy: policy, boundary: .none, isStored: true)
            .unprovenIdentities(in: input.resources)
    }

    /// The permit of a read that a call hangs on, by the grants that may carry the call.
    func proof(of key: InstanceKey, _ inContext: [EffectiveGrant]) -> Permit? {
        guard let read = try? CanonicalRequest(FHIRRequest(method: .get, path: "/\(key)")),
            // What is put together from several answers is no proof by one of them.
            let proof = try? Decider(read, of: self, grants: inContext).permit(), !proof.isGathered
        else { return nil }
        return proof
    }
}
