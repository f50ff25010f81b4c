internal import FHIRCore

/// Decides, from values alone, whether a request may be forwarded and in what form.
///
/// Total: every interaction has an answer, and what is not built is refused. It does not verify the token, look at
/// any stored data, or check what the upstream answers; the last is `admit`'s work, under the permit made here.
public func decide(_ request: AccessRequest) -> AccessDecision {
    do throws(Refused) {
        return .permit(try Decider(request).permit())
    } catch {
        return .deny(error.denial)
    }
}

/// A refusal on its way out of the steps of a decision.
struct Refused: Error {
    let denial: Denial

    init(_ denial: Denial) { self.denial = denial }

    init(_ reason: DenialReason, parameter: String? = nil) {
        denial = Denial(reason, parameter: parameter)
    }
}

/// The steps of one decision.
struct Decider {
    var request: CanonicalRequest
    let access: GrantedAccess
    let policy: ServerPolicy
    let grants: [EffectiveGrant]
    let seed: UInt128

    init(_ access: AccessRequest) {
        request = access.request
        self.access = access.access
        policy = access.policy
        seed = access.seed
        grants = EffectiveGrant.all(
            of: access.access, userPanel: access.userPanel, systemPanel: access.systemPanel)
    }

    /// The same token before another request, perhaps with some of its grants alone.
    init(_ request: CanonicalRequest, of other: Decider, grants: [EffectiveGrant]? = nil) {
        self.request = request
        access = other.access
        policy = other.policy
        seed = other.seed
        self.grants = grants ?? other.grants
    }

    func permit() throws(Refused) -> Permit {
        // Row 31: nothing here runs asynchronously; that preference is not even read.
        switch request.interaction {
        case .read(let key):
            return key.type == .binary ? try binaryPermit(key) : try instancePermit(key, letter: .read)
        case .vread(let key, _):
            return try instancePermit(
                key, letter: .read, precondition: mutated(.vreadWithoutCurrent) ? nil : .currentVersion(key))
        case .instanceHistory(let key):
            return try instancePermit(
                key, letter: .read, precondition: mutated(.historyWithoutCurrent) ? nil : .currentVersion(key))
        case .search(let type):
            return try searchPermit(type)
        case .searchCompartment(.patient, let id, let type?):
            return try searchPermit(type, compartment: id)
        case .searchCompartment(let kind, let id, let type?):
            return try associationPermit(kind, id, type)
        case .searchCompartment(let kind, let id, nil):
            return try wholeCompartmentPermit(kind, id)
        case .searchSystem:
            return try systemSearchPermit()
        case .operation(let name, let level):
            return try operationPermit(name, level)
        case .typeHistory(let type):
            return try typeHistoryPermit(type)
        case .systemHistory:
            return try systemHistoryPermit()
        case .create(let type):
            return try createPermit(type)
        case .update(let key):
            return try updatePermit(key)
        case .delete(let key):
            return try deletePermit(key)
        case .patch(let key):
            return try patchPermit(key)
        case .conditionalCreate(let type):
            return try conditionPermit(type, of: .create)
        case .conditionalUpdate(let type), .conditionalPatch(let type):
            return try conditionPermit(type, of: .update)
        case .conditionalDelete(let type):
            return try conditionPermit(type, of: .delete)
        case .batch, .transaction:
            return try bundlePermit()
        case .page:
            // A page link is judged as the request that it continues, see `Permit.continuing(at:)`.
            throw Refused(.notFound)
        case .capabilities:
            throw try refusalOfUnsupported()
        }
    }

    /// Interactions that are understood and not offered: the type gate first, so that a missing grant is named.
    private func refusalOfUnsupported() throws(Refused) -> Refused {
        if let (letters, type) = Decider.letters(of: request.interaction) {
            for letter in letters.elements { _ = try granting(letter, on: type) }
        }
        return Refused(.operationNotSupported)
    }

    private static func letters(of interaction: FHIRInteraction) -> (Permissions, ResourceType)? {
        switch interaction {
        case .capabilities, .typeHistory, .systemHistory, .searchSystem, .searchCompartment, .batch, .transaction,
            .operation, .page, .read, .vread, .instanceHistory, .search, .create, .conditionalCreate, .update,
            .conditionalUpdate, .patch, .conditionalPatch, .delete, .conditionalDelete:
            nil
        }
    }

    // MARK: - the type gate

    /// The grants that give a letter on a type, or the refusal that says which of the conditions is missing.
    func granting(_ letter: Permissions, on type: ResourceType) throws(Refused) -> [EffectiveGrant] {
        let found = grants.filter { $0.grants(letter, on: type, types: policy.types) }
        guard found.isEmpty, !mutated(.typeGateDropped) else { return found }
        throw Refused(Denial(reasonForNone(letter, on: type), sufficientScopes: sufficientScopes(letter, on: type)))
    }

    private func reasonForNone(_ letter: Permissions, on type: ResourceType) -> DenialReason {
        let naming = access.scopes.map(\.scope).filter {
            $0.target.includes(type) && ($0.constraint?.isEnforceable(on: type) ?? true)
        }
        guard !naming.isEmpty else { return .typeNotGranted }
        guard naming.contains(where: { $0.permissions.contains(letter) }) else { return .letterNotGranted }
        let standing = grants.contains { $0.scope.target.includes(type) && $0.scope.permissions.contains(letter) }
        return standing ? .typeRefused : .contextMissing
    }

    /// Scopes that would open the gate for this token's context (decision 5); none where no scope would.
    private func sufficientScopes(_ letter: Permissions, on type: ResourceType) -> [String] {
        let panels: [(ScopeLevel, PatientPanel)] = [
            (.patient, access.launch.patient.map { .patients([$0]) } ?? .none),
            (.user, access.launch.fhirUser == nil ? .none : .patients([])),
            (.system, access.launch == LaunchContext() ? .everyone : .none),
        ]
        return panels.compactMap { level, panel in
            guard panel != .none,
                let held = HeldScope("\(level.rawValue)/\(type.rawValue).\(letter.text)"),
                EffectiveGrant(held: held, boundary: panel).grants(letter, on: type, types: policy.types)
            else { return nil }
            return held.text
        }
    }

    // MARK: - instances

    /// Read, version read and instance history.
    func instancePermit(
        _ key: InstanceKey, letter: Permissions, precondition: Precondition? = nil
    ) throws(Refused) -> Permit {
        let found = try reachable(key, try granting(letter, on: key.type))
        try checkOptions(takesRawBinary: request.interaction == .read(key) && key.type == .binary)
        let query = try instanceQuery()
        return Permit(
            request: request, access: access, determining: found.map(\.held),
            upstreamInteraction: request.interaction, upstreamQuery: query, narrowingIsExact: false,
            precondition: precondition,
            rule: ReleaseRule(grants: grants, deciding: found, policy: policy, publicQuery: query ?? .init())
        )
    }

    /// The grants whose boundary can hold this instance, judged by its name alone.
    ///
    /// Any instance URL of a Patient outside every boundary is answered like an id that never existed (b.3).
    func reachable(_ key: InstanceKey, _ found: [EffectiveGrant]) throws(Refused) -> [EffectiveGrant] {
        guard key.type == .patient, !mutated(.foreignPatientAsked) else { return found }
        let holding = found.filter { $0.boundary.contains(key.id) }
        guard !holding.isEmpty else { throw Refused(.notFound) }
        return holding
    }

    /// An instance takes no parameters, save those that page through its history.
    func instanceQuery() throws(Refused) -> SearchQuery? {
        switch request.interaction {
        case .instanceHistory, .typeHistory, .systemHistory: break
        default:
            try refuseParameters()
            guard request.options.summary != .count else { throw Refused(.parameterInvalid, parameter: "_summary") }
            return nil
        }
        guard request.options.summary != .count else { throw Refused(.parameterNotSupported, parameter: "_summary") }
        var terms: [SearchTerm] = []
        for term in request.query.terms {
            switch term.fullName {
            case "_since", "_at":
                terms.append(term)
            case "_count":
                let count = try ParameterGate.count(term)
                guard count > 0 else { throw Refused(.parameterNotSupported, parameter: "_count") }
                terms.append(SearchTerm(name: "_count", rawValue: String(min(count, policy.maxCount))))
            default:
                throw Refused(.parameterNotSupported, parameter: term.fullName)
            }
        }
        let names = terms.map(\.name)
        guard Set(names).count == names.count else { throw Refused(.parameterInvalid, parameter: names.first) }
        return SearchQuery(terms)
    }

    /// What we could not do to the answer is refused before it is asked for.
    func checkOptions(takesRawBinary: Bool = false) throws(Refused) {
        // FHIR R4 search.html: `_elements` names base elements of the resource.
        guard request.options.elements.allSatisfy({ !$0.contains(".") }) else {
            throw Refused(.parameterNotSupported, parameter: "_elements")
        }
        guard request.options.content == .resource || takesRawBinary else { throw Refused(.formatNotSupported) }
    }

    var isLenient: Bool { request.prefer.handling == .lenient }

    // MARK: - writes

    private func createPermit(_ type: ResourceType) throws(Refused) -> Permit {
        let usable = try creating(type)
        try refuseParameters()
        return writePermit(usable)
    }

    /// Row 12: within a boundary of patients a new patient is nobody's.
    func creating(_ type: ResourceType) throws(Refused) -> [EffectiveGrant] {
        let found = try granting(.create, on: type)
        let usable = type == .patient && !mutated(.patientMakesPatients) ? found.filter(\.isEveryone) : found
        guard !usable.isEmpty else { throw Refused(.contextRefused) }
        return usable
    }

    private func updatePermit(_ key: InstanceKey) throws(Refused) -> Permit {
        let found = try reachable(key, try granting(.update, on: key.type))
        try refuseParameters()
        return writePermit(found, precondition: .currentVersion(key))
    }

    private func deletePermit(_ key: InstanceKey) throws(Refused) -> Permit {
        let usable = try deleting(key.type, try reachable(key, try granting(.delete, on: key.type)))
        try refuseParameters()
        return writePermit(usable, precondition: .currentVersion(key))
    }

    /// Row 19: the patient's own context does not destroy the root of its compartment.
    func deleting(_ type: ResourceType, _ found: [EffectiveGrant]) throws(Refused) -> [EffectiveGrant] {
        let isRoot = type == .patient && !mutated(.patientDeletesItself)
        let usable = isRoot ? found.filter { $0.scope.level != .patient } : found
        guard !usable.isEmpty else { throw Refused(.contextRefused) }
        return usable
    }

    func writePermit(_ found: [EffectiveGrant], precondition: Precondition? = nil) -> Permit {
        Permit(
            request: request, access: access, determining: found.map(\.held),
            upstreamInteraction: request.interaction, upstreamQuery: nil, narrowingIsExact: false,
            precondition: precondition, rule: ReleaseRule(grants: grants, deciding: found, policy: policy))
    }

    /// Takes no parameters at all, not even when handling is lenient: some servers read `_cascade` on a write.
    func refuseParameters() throws(Refused) {
        guard let term = request.query.terms.first else { return }
        throw Refused(.parameterNotSupported, parameter: term.fullName)
    }
}
