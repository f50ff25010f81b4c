extension ScopeSet {
    /// Everything in either set, this one's scopes first.
    public func union(_ other: ScopeSet) -> ScopeSet { ScopeSet(scopes + other.scopes) }

    /// Whether every scope of the other set is permitted by the scopes of this one together.
    public func covers(_ other: ScopeSet) -> Bool { other.scopes.allSatisfy(covers) }

    /// Whether what a scope permits is permitted by the scopes of this set together.
    ///
    /// What is not a resource scope is covered only by itself, and what is malformed or unknown by nothing.
    public func covers(_ scope: Scope) -> Bool {
        switch scope {
        case .resource(let resource):
            let pieces = resource.constraint.map { $0.singleAlternatives.map(Optional.some) } ?? [nil]
            return resource.permissions.elements.allSatisfy { letter in
                pieces.allSatisfy { constraint in
                    let atom = ResourceScope(
                        level: resource.level, target: resource.target, permissions: letter, constraint: constraint)
                    return resourceScopes.contains { $0.covers(atom) }
                }
            }
        case .launch, .launchContext, .openid, .fhirUser, .profile, .offlineAccess, .onlineAccess, .extension:
            return scopes.contains(scope)
        case .unrecognised, .malformed:
            return false
        }
    }

    /// What of this request a ceiling approves, in the order and the dialect of the request.
    ///
    /// A wildcard becomes the ceiling's own explicit types. A version 1 scope is granted for whole types in version 1
    /// words, or not at all. What is malformed or unknown is never in the result, and the result never permits more
    /// than either set.
    public func intersection(_ approved: ScopeSet) -> ScopeSet {
        ScopeSet(
            scopes.flatMap { asked -> [Scope] in
                guard case .resource(let resource) = asked else {
                    return approved.covers(asked) ? [asked] : []
                }
                return resource.intersection(approved.resourceScopes).map(Scope.resource)
            })
    }

    /// The set in its one canonical form: version 2 letters, shortest factoring, sorted, nothing that is implied.
    ///
    /// Two sets that permit the same by the rules of ``ResourceScope/covers(_:)`` have equal canonical texts.
    public var canonical: ScopeSet {
        let others = Set(scopes.filter { $0.resourceScope == nil }).sorted { $0.text < $1.text }
        return ScopeSet(ResourceScope.shortest(resourceScopes).map(Scope.resource) + others)
    }
}

extension ResourceScope {
    /// What of this scope a ceiling approves.
    fileprivate func intersection(_ approved: [ResourceScope]) -> [ResourceScope] {
        let parts = approved.compactMap(intersection)
        switch dialect {
        case .v2:
            return ResourceScope.merged(parts)
        case .v1:
            // A client that speaks version 1 cannot be told of a constraint (decision 21).
            return ResourceScope.merged(parts.filter { $0.constraint == nil }).compactMap { part in
                part.permissions.narrowedToVersion1.map { part.with(permissions: $0, dialect: .v1) }
            }
        }
    }

    private func intersection(_ approved: ResourceScope) -> ResourceScope? {
        let letters = permissions.intersection(approved.permissions)
        guard level == approved.level, !letters.isEmpty, let common = target.intersection(approved.target) else {
            return nil
        }
        let limit: SearchConstraint?
        switch (constraint, approved.constraint) {
        case (nil, nil): limit = nil
        case (let only?, nil), (nil, let only?): limit = only
        case (let asked?, let ceiling?):
            guard let both = asked.intersection(ceiling) else { return nil }
            limit = both
        }
        return ResourceScope(level: level, target: common, permissions: letters, constraint: limit)
    }

    /// Joins the letters of scopes that differ in nothing else, and drops what another one covers; keeps the order.
    fileprivate static func merged(_ scopes: [ResourceScope]) -> [ResourceScope] {
        var result: [ResourceScope] = []
        for scope in scopes {
            let same = result.firstIndex {
                $0.level == scope.level && $0.target == scope.target
                    && $0.constraint?.canonical == scope.constraint?.canonical
            }
            if let same {
                result[same] = result[same].with(permissions: result[same].permissions.union(scope.permissions))
            } else {
                result.append(scope)
            }
        }
        return result.enumerated().filter { index, scope in
            !result.enumerated().contains { other, wider in
                other != index && wider.covers(scope) && (!scope.covers(wider) || other < index)
            }
        }.map(\.element)
    }

    /// The shortest sorted list of version 2 scopes that permits the same.
    fileprivate static func shortest(_ scopes: [ResourceScope]) -> [ResourceScope] {
        let atoms = Set(
            scopes.flatMap { scope in
                scope.permissions.elements.map {
                    ResourceScope(
                        level: scope.level, target: scope.target, permissions: $0,
                        constraint: scope.constraint?.canonical)
                }
            }
        ).sorted { $0.text < $1.text }
        // Of two atoms that cover each other the one with the smaller text stays.
        let needed = atoms.enumerated().filter { index, atom in
            !atoms.enumerated().contains { other, wider in
                other != index && wider.covers(atom) && (!atom.covers(wider) || other < index)
            }
        }.map(\.element)
        var groups: [Key: Permissions] = [:]
        for atom in needed {
            groups[Key(level: atom.level, target: atom.target, constraint: atom.constraint), default: []]
                .formUnion(atom.permissions)
        }
        return groups.map { key, letters in
            ResourceScope(level: key.level, target: key.target, permissions: letters, constraint: key.constraint)
        }.sorted { ($0.level, $0.text) < ($1.level, $1.text) }
    }

    private struct Key: Hashable {
        let level: ScopeLevel
        let target: ScopeTarget
        let constraint: SearchConstraint?
    }
}
