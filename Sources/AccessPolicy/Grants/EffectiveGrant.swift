internal import FHIRCore

/// One held scope with the boundary that its own level gives it. Grants are never merged: letters, constraint and
/// boundary of one never reach into another.
struct EffectiveGrant: Hashable, Sendable {
    let held: HeldScope
    let boundary: PatientPanel

    var scope: ResourceScope { held.scope }

    /// The grants of a token, each inside its own boundary; what has no boundary is not among them.
    static func all(
        of access: GrantedAccess, userPanel: PatientPanel, systemPanel: PatientPanel
    ) -> [EffectiveGrant] {
        let patient =
            access.launch.patient.map { PatientPanel.patients([$0]) }
            ?? (mutated(.missingPatientIsEveryone) ? .everyone : .none)
        // A missing fhirUser must not switch the filter off (enforcer digest finding 8).
        let user = access.launch.fhirUser == nil && !mutated(.missingUserIgnored) ? .none : userPanel
        var grants: [EffectiveGrant] = []
        grants.reserveCapacity(access.scopes.count)
        for held in access.scopes {
            var boundary =
                switch held.scope.level {
                case .patient: mutated(.boundariesMerged) && user != .none ? user : patient
                case .user: user
                case .system: systemPanel
                }
            if mutated(.emptyPanelIsEveryone), boundary == .patients([]) { boundary = .everyone }
            if case .none = boundary { continue }
            grants.append(EffectiveGrant(held: held, boundary: boundary))
        }
        return grants
    }

    /// Whether this grant says anything about a letter on a type: named, inside the boundary's reach, enforceable.
    func grants(_ letter: Permissions, on type: ResourceType, types: TypeTable) -> Bool {
        var letter = letter
        if mutated(.readAndSearchSwapped), letter == .read || letter == .search {
            letter.formSymmetricDifference([.read, .search])
        }
        return (scope.target.includes(type) || mutated(.typeIgnored))
            && (!scope.permissions.isDisjoint(with: letter) || mutated(.letterIgnored))
            && reaches(type, letter: letter, types: types)
            && (scope.constraint?.isEnforceable(on: type) ?? true || mutated(.unevaluableIgnored))
    }

    /// Whether the boundary can hold any resource of a type at all, for reading or writing.
    private func reaches(_ type: ResourceType, letter: Permissions, types: TypeTable) -> Bool {
        let rule = types[type]
        // What it holds is not looked into, so nobody could say what passes with it, whatever the boundary.
        guard !rule.wrapsOthers || mutated(.wrappersReached) else { return false }
        let isWrite = letter.isDisjoint(with: [.read, .search])
        // Row 30: what decides about access is written by a client's own authority or not at all.
        if isWrite, rule.bearsPolicy, !mutated(.policyWritten) {
            return rule.typeClass != .conformance && scope.level == .system && isEveryone
        }
        // Whoever has a boundary does not draw anybody's, their own included (ADR 0069).
        if isWrite, !isEveryone, rule.panelRule == .resource { return false }
        switch rule.typeClass {
        case .compartment: return true
        case .shared, .conformance: return !isWrite || isEveryone || mutated(.sharedWritten)
        case .restricted: return isEveryone || mutated(.restrictedReached)
        }
    }

    var isEveryone: Bool { if case .everyone = boundary { true } else { false } }
}

extension PatientPanel {
    /// Whether every patient of the other panel is in this one.
    func includes(_ other: PatientPanel) -> Bool {
        switch (self, other) {
        case (.everyone, _), (_, .none): true
        case (.patients(let own), .patients(let inner)): inner.isSubset(of: own)
        case (.patients, .everyone), (.none, .patients), (.none, .everyone): false
        }
    }
}
