internal import FHIRCore

// Operations, by descriptor (enforcer digest b.9). Whatever is not described has one and the same refusal.

extension Decider {
    func operationPermit(_ name: String, _ level: OperationLevel) throws(Refused) -> Permit {
        guard let descriptor = policy.operations.descriptor(name, level),
            !(descriptor.changesState && request.method == .get && !mutated(.changingByGET))
        else { throw Refused(.operationNotSupported) }
        let inContext = grants.filter {
            descriptor.contexts.contains($0.scope.level) || mutated(.operationContextsIgnored)
        }
        guard !inContext.isEmpty || grants.isEmpty else { throw Refused(.operationNotSupported) }
        let found = try meeting(descriptor, inContext)
        try checkOptions()
        guard request.options.summary != .count else { throw Refused(.parameterNotSupported, parameter: "_summary") }
        if case .search = descriptor.binding { return try searchOperation(descriptor, name, level, found, inContext) }
        var input = try OperationInput(request, descriptor)
        try checkTexts(input)
        try narrowTypes(&input, inContext)
        var bound = try bind(&input, level, found, inContext)
        let judged = try judge(input, found, inContext)
        bound.proofs += judged.proofs
        bound.holds += judged.holds
        return try permit(
            for: descriptor, input: input, .operation(name: name, bound.level), found, inContext, bound: bound)
    }

    /// The grants that carry the operation: those of its first requirement, if all the others are met too.
    private func meeting(
        _ descriptor: OperationDescriptor, _ inContext: [EffectiveGrant]
    ) throws(Refused) -> [EffectiveGrant] {
        var first: [EffectiveGrant]?
        for requirement in descriptor.requirements {
            let meeting = inContext.filter { meets(requirement, of: descriptor, $0) }
            if meeting.isEmpty {
                _ = try granting(requirement.letter, on: requirement.type)
                throw Refused(.operationNotSupported)
            }
            if first == nil { first = meeting }
        }
        return first ?? []
    }

    /// Whether a grant meets a requirement, wherever its boundary is.
    private func meets(
        _ requirement: OperationDescriptor.Requirement, of descriptor: OperationDescriptor, _ grant: EffectiveGrant
    ) -> Bool {
        // What is computed from records and is none itself cannot be held to a constraint afterwards.
        let needsWhole = requirement.isWhole || descriptor.answers.contains(.parameters)
        return grant.grants(requirement.letter, on: requirement.type, types: policy.types)
            && (!needsWhole || grant.scope.constraint == nil)
    }

    // MARK: - parameters

    /// A plain text that reads as somebody's address is not plain.
    private func checkTexts(_ input: OperationInput) throws(Refused) {
        for argument in input.arguments where input.descriptor.parameters[argument.name]?.kind == .text {
            if let text = argument.text, LiteralReference(text).key?.type == .patient {
                throw Refused(.otherPatientNamed, parameter: argument.name)
            }
        }
    }

    /// Each named type must be granted; where none is named, those that are granted are, if they are a list.
    private func narrowTypes(_ input: inout OperationInput, _ inContext: [EffectiveGrant]) throws(Refused) {
        guard let (name, parameter) = input.descriptor.parameters.first(where: { $0.value.kind == .types }) else {
            return
        }
        let given = input.arguments.filter { $0.name == name }
        for argument in given {
            for part in SearchValue.split(argument.text ?? "", at: ",") {
                guard let type = ResourceType(rawValue: part) else { throw Refused(.parameterInvalid, parameter: name) }
                if !inContext.contains(where: { $0.grants([.read, .search], on: type, types: policy.types) }) {
                    _ = try granting(.read, on: type)
                    throw Refused(.operationNotSupported)
                }
            }
        }
        guard given.isEmpty, !inContext.contains(where: { $0.scope.target == .all }) else { return }
        let types = ResourceType.allCases.filter { type in
            inContext.contains { $0.grants([.read, .search], on: type, types: policy.types) }
        }
        let texts =
            parameter.repeats && input.isBody
            ? types.map(\.rawValue) : [types.map(\.rawValue).joined(separator: ",")]
        input.arguments += texts.map { OperationInput.Argument(name: name, text: $0, member: "valueCode") }
    }

    // MARK: - patients

    private struct Bound {
        var level: OperationLevel
        /// The one patient whom the call is about.
        var patient: ResourceID?
        var proofs: [Permit] = []
        var holds: [OperationHold] = []
    }

    private func bind(
        _ input: inout OperationInput, _ level: OperationLevel, _ found: [EffectiveGrant],
        _ inContext: [EffectiveGrant]
    ) throws(Refused) -> Bound {
        switch input.descriptor.binding {
        // A population is about people beyond any boundary: another payer has no panel before the match gives it one
        // (decision 33).
        case .nobody, .submission, .population, .search:
            return Bound(level: level)
        case .patient:
            let level = try patientLevel(level, found)
            guard case .instance(let key) = level else {
                try requireAll(input.descriptor, inContext) { $0.isEveryone }
                return Bound(level: level)
            }
            try requireAll(input.descriptor, inContext) { $0.boundary.contains(key.id) }
            return Bound(level: level, patient: key.id)
        case .instance:
            guard case .instance(let key) = level else { throw Refused(.operationNotSupported) }
            return try bind(to: key, input.descriptor, inContext)
        case .parameter(let name):
            let patient = try bindParameter(name, &input, found)
            try requireAll(input.descriptor, inContext) { $0.boundary.contains(patient) }
            return Bound(level: level, patient: patient)
        }
    }

    /// A call on a resource hangs on a read of it. Each letter that the operation needs on its type has to hold for this
    /// very resource, by one of the grants that may carry the operation.
    private func bind(
        to key: InstanceKey, _ descriptor: OperationDescriptor, _ inContext: [EffectiveGrant]
    ) throws(Refused) -> Bound {
        // Who may not read the type at all is told so; whose the resource is says only its own read.
        _ = try reachable(key, try granting(.read, on: key.type))
        guard let proof = proof(of: key, inContext) else { throw Refused(.operationNotSupported) }
        let holds = descriptor.requirements.filter { $0.type == key.type }.map { requirement in
            OperationHold(
                key: key, letter: requirement.letter,
                grants: inContext.filter { meets(requirement, of: descriptor, $0) })
        }
        return Bound(
            level: .instance(key), patient: key.type == .patient ? key.id : nil, proofs: [proof], holds: holds)
    }

    /// Each requirement has to be met for the patient at hand, and not one for this patient and another for somebody else.
    private func requireAll(
        _ descriptor: OperationDescriptor, _ inContext: [EffectiveGrant], reaching: (EffectiveGrant) -> Bool
    ) throws(Refused) {
        let isMet = descriptor.requirements.allSatisfy { requirement in
            inContext.contains { meets(requirement, of: descriptor, $0) && reaching($0) }
        }
        guard isMet || mutated(.operationParameterUnbound) else { throw Refused(.operationNotSupported) }
    }

    private func patientLevel(_ level: OperationLevel, _ found: [EffectiveGrant]) throws(Refused) -> OperationLevel {
        switch level {
        case .instance(let key):
            guard found.contains(where: { $0.boundary.contains(key.id) }) || mutated(.operationsOnAnybody) else {
                throw Refused(.notFound)
            }
            return level
        case .type:
            if found.contains(where: \.isEveryone) { return level }
            guard let only = onlyPatient(found) else { throw Refused(.operationNotSupported) }
            return .instance(InstanceKey(type: .patient, id: only))
        case .system: throw Refused(.operationNotSupported)
        }
    }

    /// The one patient that all of these grants together reach; nil for none, several or everyone.
    private func onlyPatient(_ found: [EffectiveGrant]) -> ResourceID? {
        var all: Set<ResourceID> = []
        for grant in found {
            guard case .patients(let patients) = grant.boundary else { return nil }
            all.formUnion(patients)
        }
        return all.count == 1 ? all.first : nil
    }

    private func bindParameter(
        _ name: String, _ input: inout OperationInput, _ found: [EffectiveGrant]
    ) throws(Refused) -> ResourceID {
        guard let place = input.arguments.firstIndex(where: { $0.name == name }) else {
            guard let only = onlyPatient(found) else { throw Refused(.patientRequired, parameter: name) }
            input.arguments.append(OperationInput.Argument(name: name, text: only.text, member: "valueId"))
            return only
        }
        let text = input.arguments[place].text ?? input.arguments[place].value?["reference"]?.string ?? ""
        let key: InstanceKey?
        switch LiteralReference(text) {
        case .relative(let named, nil): key = named
        case .absolute(let base, let named, nil):
            guard base == policy.publicBase else { throw Refused(.otherPatientNamed, parameter: name) }
            key = named
        case .relative, .absolute, .fragment, .urn, .conditional, .other:
            key = ResourceID(text).map { InstanceKey(type: .patient, id: $0) }
        }
        guard let key, key.type == .patient else { throw Refused(.parameterInvalid, parameter: name) }
        guard found.contains(where: { $0.boundary.contains(key.id) }) || mutated(.operationParameterUnbound) else {
            throw Refused(.otherPatientNamed, parameter: name)
        }
        let canonical = ResourceID(text) == nil ? key.description : key.id.text
        if input.arguments[place].value != nil {
            input.arguments[place].value = ["reference": .string(key.description)]
        } else {
            input.arguments[place].text = canonical
        }
        return key.id
    }

    // MARK: - the permit

    /// An operation that is a search: narrowed as one, with its own parameters beside.
    private func searchOperation(
        _ descriptor: OperationDescriptor, _ name: String, _ level: OperationLevel, _ found: [EffectiveGrant],
        _ inContext: [EffectiveGrant]
    ) throws(Refused) -> Permit {
        guard case .type(let type) = level, case .none = request.body else { throw Refused(.bodyInvalid) }
        let input = try OperationInput(request, descriptor) { descriptor.parameters[$0] != nil }
        try checkTexts(input)
        let terms = SearchQuery(request.query.terms.filter { descriptor.parameters[$0.name] == nil })
        let parts = try searches(type, by: found, terms: terms)
        // One call says one query; and what comes along is not for an operation to say.
        guard parts.count == 1, parts[0].rule.includes.isEmpty, !parts[0].rule.isCount else {
            throw Refused(.limitsNotExpressible)
        }
        // What is computed from rows that nobody sees may stand only where a count of them might.
        guard
            !descriptor.answers.contains(.parameters) || (parts[0].rule.isCountable && !parts[0].rule.hidesRows)
        else { throw Refused(.limitsNotExpressible) }
        let query = SearchQuery((parts[0].upstreamQuery?.terms ?? []) + input.query.terms)
        return try permit(
            for: descriptor, query: query, body: nil, .operation(name: name, level), found, inContext,
            bound: Bound(level: level), pageSize: parts[0].rule.pageSize)
    }

    private func permit(
        for descriptor: OperationDescriptor, input: OperationInput, _ interaction: FHIRInteraction,
        _ found: [EffectiveGrant], _ inContext: [EffectiveGrant], bound: Bound
    ) throws(Refused) -> Permit {
        var input = input
        var pageSize: Int?
        for (place, argument) in input.arguments.enumerated()
        where descriptor.parameters[argument.name]?.kind == .count {
            let count = min(Int(argument.text ?? "") ?? 0, policy.maxCount)
            guard count > 0 else { throw Refused(.parameterNotSupported, parameter: argument.name) }
            pageSize = count
            input.arguments[place].text = String(count)
        }
        var names = EntryNames(seed: seed)
        let edits = unprovenIdentities(input, found, &names)
        return try permit(
            for: descriptor, query: input.isBody ? SearchQuery() : input.query,
            body: input.isBody ? try input.body(with: edits) : nil,
            interaction, found, inContext, bound: bound, pageSize: pageSize, handedIn: input.resources,
            names: names.originals)
    }

    private func permit(
        for descriptor: OperationDescriptor, query: SearchQuery, body: [UInt8]?, _ interaction: FHIRInteraction,
        _ found: [EffectiveGrant], _ inContext: [EffectiveGrant], bound: Bound, pageSize: Int?,
        handedIn: [ResourceView] = [], names: [String: String] = [:]
    ) throws(Refused) -> Permit {
        var rule = ReleaseRule(grants: inContext, deciding: found, policy: policy, publicQuery: request.query)
        let records = SubmittedRecords(policy: policy, boundary: .everyone, isStored: descriptor.changesState)
        // Who is searched for in a population need not be anybody here.
        let subjects = descriptor.binding == .population ? [] : records.subjects(of: handedIn)
        rule.operation = OperationCall(
            descriptor: descriptor, body: body.map { Released(bytes: $0) }, proofs: bound.proofs, holds: bound.holds,
            subjects: subjects.union([bound.patient].compactMap { $0 }),
            targets: records.targets(of: handedIn).map { "\(request.method) \($0)" })
        rule.operation?.names = names
        // Pages of an operation cost more upstream than pages of a search, so that they are larger.
        rule.pageSize = pageSize ?? policy.maxCount
        let one = Permit(
            request: request, access: access, determining: found.map(\.held), upstreamInteraction: interaction,
            upstreamQuery: query, narrowingIsExact: false, precondition: nil, rule: rule)
        guard descriptor.answers == [.pages] else { return one }
        // One read may stand before pages; what a body refers to is not looked up there.
        guard bound.proofs.count <= 1 else { throw Refused(.referenceNotVisible) }
        return try gathered(
            [one], kind: .operation, proof: bound.proofs.first, shown: (interaction.publicPath, request.query))
    }
}

extension FHIRInteraction {
    /// The address of an operation below our base.
    fileprivate var publicPath: String {
        switch self {
        case .operation(let name, .system): "/$\(name)"
        case .operation(let name, .type(let type)): "/\(type.rawValue)/$\(name)"
        case .operation(let name, .instance(let key)): "/\(key)/$\(name)"
        default: ""
        }
    }
}
