internal import FHIRCore

/// What a permit says about which resource may come in which role.
struct Expectation {
    private let permit: Permit

    init(_ permit: Permit) { self.permit = permit }

    /// Whether a resource can be what the request is about.
    func allows(_ resource: ResourceView, as role: ResourceRole) -> Bool {
        switch role {
        case .include: return resource.id != nil
        case .match, .version, .stored, .answer, .submitted: break
        }
        switch permit.request.interaction {
        case .read(let key), .instanceHistory(let key), .update(let key), .patch(let key), .delete(let key):
            return resource.key == key || mutated(.anyInstanceTaken)
        case .vread(let key, let version):
            guard resource.key == key else { return false }
            // A version that does not say which it is cannot be told from another.
            return role == .stored || resource.versionID == version || mutated(.anyVersionTaken)
        case .search(let type), .searchCompartment(_, _, let type?):
            return resource.type == type && resource.id != nil
        case .create(let type):
            return resource.type == type && (role == .submitted || resource.id != nil)
        case .capabilities, .typeHistory, .systemHistory, .searchSystem, .searchCompartment, .conditionalCreate,
            .conditionalUpdate, .conditionalPatch, .conditionalDelete, .batch, .transaction, .operation, .page:
            return false
        }
    }
}

/// What an update may not change about whose a resource is: nothing, unless what is stored and what replaces it both
/// name the boundary's own patients and nobody else (enforcer digest row 14).
struct Replacement {
    private let rule: ReleaseRule
    private let body: ResourceView?

    init(_ permit: Permit) {
        rule = permit.rule
        if case .update = permit.request.interaction, case .resource(let view) = permit.request.body {
            body = view
        } else {
            body = nil
        }
    }

    /// Whether a body is there to replace the whole of the stored version.
    var replaces: Bool { body != nil }

    /// Whether the body names the same people as the stored version; true where nothing is replaced.
    func keepsIdentity(of stored: ResourceView) -> Bool {
        guard let body, !mutated(.recordsMoved) else { return true }
        // One and the same grant for every patient has to admit both sides.
        let isUnlimited = rule.deciding.contains { grant in
            grant.isEveryone && (grant.scope.constraint.map { $0.matches(stored) && $0.matches(body) } ?? true)
        }
        if isUnlimited { return true }
        // A file that the stored version does not point at is not opened by pointing at it.
        // Nor is one that it only mentions, or of which it names a version, by making that the address of a file.
        let opensNothing =
            body.pointedBinaries(rule.forms).isSubset(of: stored.pointedBinaries(rule.forms))
            && body.attachedBinaries(rule.forms).isSubset(of: stored.attachedBinaries(rule.forms))
        guard opensNothing || mutated(.filesOpenedByPointing) else { return false }
        guard let shown = shown(stored), keepsLabels(of: shown, in: body) else { return false }
        if stored.type == .patient {
            guard keepsPanels(of: stored, shown: shown, in: body) else { return false }
            // A changed link or identifier could make the record be taken for somebody else's.
            return ["link", "identifier"].allSatisfy {
                stored.node[$0].map { JSONValue($0) } == body.node[$0].map { JSONValue($0) }
            }
        }
        return rule.policy.types[stored.type].membership.allSatisfy { parameter in
            guard let before = people(stored, parameter), let after = people(body, parameter) else { return false }
            return before == after || (isOwn(before) && isOwn(after))
        }
    }

    /// The stored version as its reader has it, with our addresses in it.
    private func shown(_ stored: ResourceView) -> JSONValue? {
        let addresses = AddressMap(rule.policy, for: stored.node.document)
        return try? JSONValue(parsing: OutgoingResource(stored, addresses).bytes(.none))
    }

    /// Whether what hides a resource from others and what other rules hold for it by stays (row 17, ADR 0070).
    ///
    /// Security labels stand in the body as they are stored. Profiles may be left out, which changes nothing (FHIR R4
    /// resource.html, a server keeps them), but none is added or changed.
    private func keepsLabels(of shown: JSONValue, in body: ResourceView) -> Bool {
        let (old, new) = (shown["meta"], body.node["meta"].map { JSONValue($0) })
        guard (old?["security"] ?? []).isEqual(to: new?["security"] ?? []) else { return false }
        guard let profile = new?["profile"] else { return true }
        return (old?["profile"] ?? []).isEqual(to: profile)
    }

    /// Whether a patient's record goes on giving the patient to the same people, where it does (ADR 0069).
    private func keepsPanels(of stored: ResourceView, shown: JSONValue, in body: ResourceView) -> Bool {
        guard case .elements(let parameters) = rule.policy.types[stored.type].panelRule else { return true }
        // A record that says that it is not in use gives nobody anything.
        var names: Set<String> = ["active"]
        for resource in [stored, body] {
            for parameter in parameters {
                guard let values = resource.references(parameter) else { return false }
                for value in values {
                    let start = value.range.lowerBound
                    guard let member = resource.node.members.first(where: { $0.value.range.contains(start) }) else {
                        return false
                    }
                    names.insert(member.name)
                }
            }
        }
        let after = JSONValue(body.node)
        return names.allSatisfy { (shown[$0] ?? .null).isEqual(to: after[$0] ?? .null) }
    }

    private func people(_ resource: ResourceView, _ parameter: SearchParameter) -> Set<InstanceKey>? {
        resource.references(parameter).map { values in
            Set(values.compactMap { rule.forms.read($0.literal) }.filter { $0.type == .patient })
        }
    }

    private func isOwn(_ people: Set<InstanceKey>) -> Bool {
        people.allSatisfy { key in
            rule.deciding.contains { $0.boundary.contains(key.id) }
        }
    }
}
