internal import FHIRCore

extension Decider {
    /// More look-ups than these are not made for one call.
    private static let maxProofs = 16

    /// What is handed in must be the patients' own, unless every patient is inside.
    ///
    /// - Returns: the reads of the records that it refers to, or whose place it would take, and that have to be shown to
    ///   be within reach; and what must admit those whose place it would take.
    func judge(
        _ input: OperationInput, _ found: [EffectiveGrant], _ inContext: [EffectiveGrant]
    ) throws(Refused) -> (proofs: [Permit], holds: [OperationHold]) {
        guard !input.resources.isEmpty else {
            if case .submission = input.descriptor.binding { throw Refused(.bodyInvalid) }
            return ([], [])
        }
        switch input.descriptor.binding {
        // The descriptor itself says that it is about people beyond any boundary.
        case .population: return ([], [])
        case .nobody, .patient, .instance, .parameter, .search, .submission: break
        }
        let held = found.compactMap { grant in
            SubmittedRecords(
                policy: policy, boundary: grant.boundary, isStored: input.descriptor.changesState
            ).needs(of: input.resources).map { (needs: $0, boundary: grant.boundary) }
        }
        if held.isEmpty, mutated(.submittedRecordsUnjudged) { return ([], []) }
        guard let (needed, boundary) = held.min(by: { $0.needs.all.count < $1.needs.all.count }) else {
            throw Refused(.bodyOutsideBoundary)
        }
        guard needed.all.count <= Self.maxProofs else { throw Refused(.referenceNotVisible) }
        let proofs = try needed.all.sorted().map { (key: InstanceKey) throws(Refused) -> Permit in
            guard let proof = proof(of: key, inContext) else { throw Refused(.referenceNotVisible) }
            return proof
        }
        return (proofs, try updating(needed.replaced, within: boundary, inContext))
    }

    /// What is put in the place of a record is an update of it: by a grant that may update any of that type within the
    /// same boundary.
    private func updating(
        _ keys: Set<InstanceKey>, within boundary: PatientPanel, _ inContext: [EffectiveGrant]
    ) throws(Refused) -> [OperationHold] {
        if mutated(.submittedReplacesUnasked) { return [] }
        return try keys.sorted().map { (key: InstanceKey) throws(Refused) -> OperationHold in
            let updating = try granting(.update, on: key.type).filter { grant in
                grant.scope.constraint == nil && grant.boundary == boundary
                    && inContext.contains { $0.held == grant.held }
            }
            guard !updating.isEmpty else { throw Refused(.bodyOutsideBoundary) }
            return OperationHold(key: key, letter: .update, grants: updating)
        }
    }

    /// What is changed in a body before it goes on, when it may be stored; nothing of a grant's that reaches everybody.
    func unprovenIdentities(_ input: OperationInput, _ found: [EffectiveGrant], _ names: inout EntryNames) -> [ByteEdit]
    {
        guard input.descriptor.changesState, input.descriptor.binding != .population,
            !found.contains(where: { $0.boundary == .everyone })
        else { return [] }
        return SubmittedRecords(policy: policy, boundary: .none, isStored: true)
            .unprovenIdentities(in: input.resources, &names)
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
