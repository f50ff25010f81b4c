internal import FHIRCore

// Searches that name more than one type, or a compartment (enforcer digest b.4 rows 8 to 11).

extension Decider {
    // MARK: - compartments

    /// Rows 10 and 11: the compartment of an encounter that may be read, or of somebody whom the site's rule covers.
    func associationPermit(
        _ kind: CompartmentKind, _ id: ResourceID, _ type: ResourceType
    ) throws(Refused) -> Permit {
        let searching = try covering(kind, id, try granting(.search, on: type))
        let key = InstanceKey(type: kind.resourceType, id: id)
        try checkOptions()
        let proof = kind == .encounter && !mutated(.encounterUnproven) ? try readPermit(key) : nil
        var parts: [Permit] = []
        let parameters = associations(kind, type)
        let terms = try unsorted(request.query, searches: parameters.count)
        for parameter in parameters {
            parts += try searches(
                type, by: searching, terms: terms,
                association: RowLimit.Association(parameter: parameter, key: key))
        }
        guard let first = parts.first else { throw Refused(.operationNotSupported) }
        return try gathered(
            parts, proof: proof, shown: ("/\(key)/\(type.rawValue)", first.rule.clientQuery))
    }

    /// The grants that may search through a compartment that is no patient's.
    ///
    /// A user's own compartment, or any where the boundary is everyone; an encounter is proven by reading it.
    private func covering(
        _ kind: CompartmentKind, _ id: ResourceID, _ searching: [EffectiveGrant]
    ) throws(Refused) -> [EffectiveGrant] {
        guard kind != .encounter, !mutated(.associationsOpen) else { return searching }
        let own = access.launch.fhirUser == InstanceKey(type: kind.resourceType, id: id)
        let covering = searching.filter { grant in
            grant.isEveryone || (grant.scope.level == .user && own)
        }
        guard !covering.isEmpty else { throw Refused(.contextRefused) }
        return covering
    }

    /// The parameters that put resources of a type into the compartment, as published and as the upstream knows them.
    private func associations(_ kind: CompartmentKind, _ type: ResourceType) -> [SearchParameter] {
        R4.compartmentParameters(kind, type).compactMap { code in
            guard let parameter = policy.searchParameter(code, for: type), parameter.kind == .reference else {
                return nil
            }
            return parameter
        }
    }

    /// The decision on reading something, for this very token.
    private func readPermit(_ key: InstanceKey) throws(Refused) -> Permit {
        guard let read = try? CanonicalRequest(FHIRRequest(method: .get, path: "/\(key)")) else {
            throw Refused(.notFound)
        }
        return try Decider(read, of: self).permit()
    }

    /// Row 9 with `*`: every type of the patient's compartment that may be searched.
    func wholeCompartmentPermit(_ kind: CompartmentKind, _ id: ResourceID) throws(Refused) -> Permit {
        guard kind == .patient else { throw Refused(.contextRefused) }
        guard grants.contains(where: { $0.boundary.contains(id) }) else { throw Refused(.otherPatientNamed) }
        try checkOptions()
        let types = try namedTypes(in: request.query) { type in
            let rule = policy.types[type]
            return rule.typeClass == .compartment && rule.narrowingParameter != nil
        }
        var parts: [Permit] = []
        let terms = try unsorted(types.rest, searches: types.list.count)
        for type in types.list {
            parts += try searches(
                type, by: try granting(.search, on: type), terms: terms, compartment: id)
        }
        return try gathered(parts, shown: ("/Patient/\(id.text)/*", shownQuery(types, parts)))
    }

    /// The query without an order that several searches could not keep; refused where nobody allows that to be dropped.
    private func unsorted(_ query: SearchQuery, searches: Int) throws(Refused) -> SearchQuery {
        guard searches > 1, query.terms.contains(where: { $0.name == "_sort" }) else { return query }
        guard isLenient else { throw Refused(.parameterNotSupported, parameter: "_sort") }
        return SearchQuery(query.terms.filter { $0.name != "_sort" })
    }

    // MARK: - the whole server

    /// Row 8: the named types, or those that are granted, each searched as if it had been asked for alone.
    func systemSearchPermit() throws(Refused) -> Permit {
        try checkOptions()
        let types = try namedTypes(in: request.query) { type in !policy.types[type].wrapsOthers }
        var parts: [Permit] = []
        let terms = try unsorted(types.rest, searches: types.list.count)
        for type in types.list {
            parts += try searches(type, by: try granting(.search, on: type), terms: terms)
        }
        return try gathered(parts, shown: ("", shownQuery(types, parts)))
    }

    /// The types that a request names with `_type`, and its other parameters.
    private struct NamedTypes {
        var list: [ResourceType] = []
        var rest = SearchQuery()
        var term: SearchTerm?
    }

    /// Each named type has to be granted; where none is named, all are taken that are granted and that a test admits,
    /// unless that would be more than one request may cost.
    private func namedTypes(
        in query: SearchQuery, where isReachable: (ResourceType) -> Bool
    ) throws(Refused) -> NamedTypes {
        let naming = query.terms(named: "_type")
        var types = NamedTypes(rest: SearchQuery(query.terms.filter { $0.name != "_type" }), term: naming.first)
        guard let term = types.term else {
            types.list = ResourceType.allCases.filter { type in
                isReachable(type) && grants.contains { $0.grants(.search, on: type, types: policy.types) }
            }
            guard !types.list.isEmpty else { throw Refused(.typeNotGranted) }
            guard types.list.count <= policy.maxTypesPerSearch else { throw Refused(.operationNotSupported) }
            return types
        }
        guard naming.count == 1, term.modifier == nil, term.chain.isEmpty else {
            throw Refused(.parameterInvalid, parameter: "_type")
        }
        for name in term.values {
            guard let type = ResourceType(rawValue: name) else { throw Refused(.parameterInvalid, parameter: "_type") }
            _ = try granting(.search, on: type)
            guard isReachable(type) else { throw Refused(.operationNotSupported) }
            if !types.list.contains(type) { types.list.append(type) }
        }
        guard types.list.count <= policy.maxTypesPerSearch else { throw Refused(.operationNotSupported) }
        return types
    }

    private func shownQuery(_ types: NamedTypes, _ parts: [Permit]) -> SearchQuery {
        SearchQuery([types.term].compactMap { $0 } + (parts.first?.rule.clientQuery.terms ?? []))
    }

    // MARK: - histories

    /// Row 4: versions of everything of a type, each judged on its own.
    func typeHistoryPermit(_ type: ResourceType) throws(Refused) -> Permit {
        let found = try granting(.search, on: type)
            .filter { $0.scope.level != .patient || mutated(.typeHistoryForPatients) }
        guard !found.isEmpty else { throw Refused(.contextRefused) }
        return try historyPermit(found, path: "/\(type.rawValue)/_history")
    }

    /// Row 5: for clients of the whole server only; a user gets the history of a type.
    func systemHistoryPermit() throws(Refused) -> Permit {
        let found = grants.filter { $0.scope.level == .system && $0.scope.permissions.contains(.search) }
        guard !found.isEmpty else { throw Refused(.contextRefused) }
        return try historyPermit(found, path: "/_history")
    }

    private func historyPermit(_ found: [EffectiveGrant], path: String) throws(Refused) -> Permit {
        try checkOptions()
        let query = try instanceQuery() ?? SearchQuery()
        var rule = ReleaseRule(grants: grants, deciding: found, policy: policy, publicQuery: query)
        rule.pageSize = query.terms(named: "_count").first.flatMap { Int($0.rawValue) }
        let part = Permit(
            request: request, access: access, determining: found.map(\.held),
            upstreamInteraction: request.interaction, upstreamQuery: query, narrowingIsExact: false,
            precondition: nil, rule: rule)
        return try gathered([part], kind: .history, shown: (path, query))
    }
}
