internal import FHIRCore

extension Decider {
    /// Row 17: a patch is an update of the version that it is computed from. What reads the stored version needs the
    /// letter for reading too; that the version itself may be read is judged when it is there.
    func patchPermit(_ key: InstanceKey) throws(Refused) -> Permit {
        let found = try reachable(key, try granting(.update, on: key.type))
        if case .patch(let patch) = request.body, patch.readsDocument, !mutated(.patchTestsWithoutLetter) {
            _ = try reachable(key, try granting(.read, on: key.type))
        }
        try refuseParameters()
        return writePermit(found, precondition: .currentVersion(key))
    }

    /// Rows 13, 16, 18 and 20: a condition is a search, permitted and narrowed as any other search of this token; the
    /// write that it leads to is decided again when it is known what it is about. Whoever may not write the type at all
    /// may not ask the condition either.
    ///
    /// - Returns: the permit of the search; of several, where no single one says the limits of the token's scopes.
    func conditionPermit(_ type: ResourceType, of letter: Permissions) throws(Refused) -> Permit {
        switch letter {
        case .create: _ = try creating(type)
        case .delete: _ = try deleting(type, try granting(.delete, on: type))
        default: _ = try granting(letter, on: type)
        }
        guard let search = request.conditionSearch else { throw Refused(.operationNotSupported) }
        try checkOptions()
        if !mutated(.conditionsNotVouchedFor) { try ConditionRule(policy).check(search.query, on: type) }
        var looking = self
        looking.request = search
        return try looking.searchPermit(type)
    }

    /// Rows 21 and 22: a batch or transaction has no letter of its own; each entry is decided alone. Under this permit
    /// nothing is asked and nothing released. A token that grants nothing at all gets none.
    func bundlePermit() throws(Refused) -> Permit {
        guard !grants.isEmpty else { throw Refused(.contextMissing) }
        return Permit(
            request: request, access: access, determining: [], upstreamInteraction: request.interaction,
            upstreamQuery: nil, narrowingIsExact: false, precondition: nil,
            rule: ReleaseRule(grants: grants, deciding: [], policy: policy))
    }
}
