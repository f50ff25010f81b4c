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
        access.scopes.compactMap { held in
            let boundary: PatientPanel
            switch held.scope.level {
            case .patient: boundary = access.launch.patient.map { .patients([$0]) } ?? .none
            // A missing fhirUser must not switch the filter off (enforcer digest finding 8).
            case .user: boundary = access.launch.fhirUser == nil ? .none : userPanel
            case .system: boundary = systemPanel
            }
            return boundary == .none ? nil : EffectiveGrant(held: held, boundary: boundary)
        }
    }

    /// Whether this grant says anything about a letter on a type: named, inside the boundary's reach, enforceable.
    func grants(_ letter: Permissions, on type: ResourceType, types: TypeTable) -> Bool {
        scope.target.includes(type) && !scope.permissions.isDisjoint(with: letter)
            && reaches(type, letter: letter, types: types)
            && (scope.constraint?.isEnforceable(on: type) ?? true)
    }

    /// Whether the boundary can hold any resource of a type at all, for reading or writing.
    private func reaches(_ type: ResourceType, letter: Permissions, types: TypeTable) -> Bool {
        let rule = types[type]
        // What it holds is not looked into, so nobody could say what passes with it, whatever the boundary.
        guard !rule.wrapsOthers else { return false }
        let isWrite = letter.isDisjoint(with: [.read, .search])
        // Row 30: what decides about access is written by a client's own authority or not at all.
        if isWrite, rule.bearsPolicy {
            return rule.typeClass != .conformance && scope.level == .system && isEveryone
        }
        switch rule.typeClass {
        case .compartment: return true
        case .shared, .conformance: return !isWrite || isEveryone
        case .restricted: return isEveryone
        }
    }

    var isEveryone: Bool { boundary == .everyone }
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
