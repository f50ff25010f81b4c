internal import FHIRCore

// Binary by proven link (enforcer digest b.4 row 28). An id alone opens nothing: a Binary has no subject.

extension Decider {
    /// A read of a Binary: for whom every patient is inside, plainly; otherwise after a look at the documents that point
    /// at it, or by its own security context where the type itself is granted.
    func binaryPermit(_ key: InstanceKey) throws(Refused) -> Permit {
        let direct = grants.filter { $0.grants(.read, on: .binary, types: policy.types) }
        let linking = grants.filter { $0.grants(.read, on: .documentReference, types: policy.types) }
        let isFree = direct.contains { $0.isEveryone && $0.scope.constraint == nil }
        guard !isFree, !linking.isEmpty else { return try instancePermit(key, letter: .read) }
        try checkOptions(takesRawBinary: true)
        guard request.query.terms.isEmpty else {
            throw Refused(.parameterNotSupported, parameter: request.query.terms[0].fullName)
        }
        guard request.options.summary != .count else { throw Refused(.parameterInvalid, parameter: "_summary") }
        let links = try searches(.documentReference, by: linking, terms: linkQuery(key))
        var rule = ReleaseRule(grants: grants, deciding: direct, policy: policy)
        rule.pageSize = 1
        let read = Permit(
            request: request, access: access, determining: direct.map(\.held), upstreamInteraction: .read(key),
            upstreamQuery: nil, narrowingIsExact: false, precondition: nil, rule: rule)
        return try gathered(links + [read], kind: .binary, shown: ("/\(key)", SearchQuery()))
    }

    /// Documents that point at the Binary, in the spellings in which the upstream may have stored the address; all of
    /// the patient's documents where the upstream does not search by address.
    private func linkQuery(_ key: InstanceKey) -> SearchQuery {
        guard policy.searchParameter("location", for: .documentReference) != nil else { return SearchQuery() }
        let addresses = [key.description, "\(policy.upstreamBase)/\(key)"]
        return SearchQuery([SearchTerm(name: "location", rawValue: addresses.joined(separator: ","))])
    }
}
