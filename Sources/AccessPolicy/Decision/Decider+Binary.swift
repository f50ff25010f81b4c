internal import FHIRCore

// Binary by proven link (enforcer digest b.4 row 28). An id alone opens nothing: a Binary has no subject.

extension Decider {
    /// A read of a Binary: for whom every patient is inside, plainly; otherwise after a look at the resources that point at
    /// it, or by its own security context where the type itself is granted.
    func binaryPermit(_ key: InstanceKey) throws(Refused) -> Permit {
        let direct = grants.filter { $0.grants(.read, on: .binary, types: policy.types) }
        let isFree = direct.contains { $0.isEveryone && $0.scope.constraint == nil }
        let pointing = FilePointers.types.filter { !linking($0).isEmpty }
        guard !isFree, !pointing.isEmpty else { return try instancePermit(key, letter: .read) }
        try checkOptions(takesRawBinary: true)
        guard request.query.terms.isEmpty else {
            throw Refused(.parameterNotSupported, parameter: request.query.terms[0].fullName)
        }
        guard request.options.summary != .count else { throw Refused(.parameterInvalid, parameter: "_summary") }
        let links = try linkSearches(key, pointing)
        var rule = ReleaseRule(grants: grants, deciding: direct, policy: policy)
        rule.pageSize = 1
        let read = Permit(
            request: request, access: access, determining: direct.map(\.held), upstreamInteraction: .read(key),
            upstreamQuery: nil, narrowingIsExact: false, precondition: nil, rule: rule)
        return try gathered(links + [read], kind: .binary, shown: ("/\(key)", SearchQuery()))
    }

    /// The grants under which a resource of a type proves a link.
    ///
    /// Where nothing finds the resources by the address, all of the boundary's are looked through; nobody looks through
    /// everybody's.
    private func linking(_ type: ResourceType) -> [EffectiveGrant] {
        grants.filter { grant in
            grant.grants(.read, on: type, types: policy.types)
                && (FilePointers.parameter(of: type) != nil || !grant.isEveryone)
        }
    }

    /// The searches of the resources that may point at a Binary. A type that no query can narrow to the boundary proves
    /// nothing where another type can.
    private func linkSearches(_ key: InstanceKey, _ types: [ResourceType]) throws(Refused) -> [Permit] {
        var searches: [Permit] = []
        var refusal: Refused?
        for type in types {
            do throws(Refused) {
                let some = try self.searches(type, by: linking(type), terms: linkQuery(key, type))
                // The read of the Binary itself is one more.
                if searches.count + some.count < policy.maxSearches { searches += some }
            } catch {
                refusal = refusal ?? error
            }
        }
        if searches.isEmpty, let refusal { throw refusal }
        return searches
    }

    /// Resources that point at the Binary, in the spellings in which the upstream may have stored the address; all of the
    /// patient's where the upstream does not search by address.
    private func linkQuery(_ key: InstanceKey, _ type: ResourceType) -> SearchQuery {
        guard let name = FilePointers.parameter(of: type), policy.searchParameter(name, for: type) != nil else {
            return SearchQuery()
        }
        let addresses = [key.description, "\(policy.upstreamBase)/\(key)"]
        return SearchQuery([SearchTerm(name: name, rawValue: addresses.joined(separator: ","))])
    }
}
