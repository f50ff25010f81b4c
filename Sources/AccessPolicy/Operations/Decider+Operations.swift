internal import FHIRCore

// Operations, by descriptor (enforcer digest b.9). Whatever is not described has one and the same refusal.

/// A call that was permitted.
struct OperationCall: Sendable {
    let descriptor: OperationDescriptor
    /// The body that was judged; nil for a call by GET.
    let body: Released?
    /// A read that must pass first; one or none.
    var proofs: [Permit] = []
}

extension Permit {
    /// Whether the request is a call of an operation.
    public var isOperation: Bool { rule.operation != nil }

    /// Whether carrying out the request can change what is stored; of an operation its descriptor says so.
    public var changesUpstream: Bool { rule.operation?.descriptor.changesState ?? request.interaction.isWrite }

    /// The body of a call by POST.
    public var operationBody: Released? { rule.operation?.body }
}

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
        let bound = try bind(&input, level, found, inContext)
        try judge(input, found)
        return try permit(
            for: descriptor, input: input, .operation(name: name, bound.level), found, inContext, proof: bound.proof)
    }

    /// The grants that carry the operation: those of its first requirement, if all the others are met too.
    private func meeting(
        _ descriptor: OperationDescriptor, _ inContext: [EffectiveGrant]
    ) throws(Refused) -> [EffectiveGrant] {
        var first: [EffectiveGrant]?
        for requirement in descriptor.requirements {
            // What is computed from records and is none itself cannot be held to a constraint afterwards.
            let needsWhole = requirement.isWhole || descriptor.answers.contains(.parameters)
            let meeting = inContext.filter { grant in
                grant.grants(requirement.letter, on: requirement.type, types: policy.types)
                    && (!needsWhole || grant.scope.constraint == nil)
            }
            if meeting.isEmpty {
                _ = try granting(requirement.letter, on: requirement.type)
                throw Refused(.operationNotSupported)
            }
            if first == nil { first = meeting }
        }
        return first ?? []
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
        var proof: Permit?
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
            if case .instance(let key) = level { try requireAll(input.descriptor, inContext, reach: key.id) }
            return Bound(level: level)
        case .instance:
            guard case .instance(let key) = level,
                let read = try? CanonicalRequest(FHIRRequest(method: .get, path: "/\(key)"))
            else { throw Refused(.operationNotSupported) }
            let proof = try Decider(read, of: self).permit()
            // What is put together from several answers is no proof by one of them.
            guard !proof.isGathered else { throw Refused(.operationNotSupported) }
            return Bound(level: level, proof: proof)
        case .parameter(let name):
            try requireAll(input.descriptor, inContext, reach: try bindParameter(name, &input, found))
            return Bound(level: level)
        }
    }

    /// Each requirement has to be met for the patient at hand, and not one for this patient and another for somebody else.
    private func requireAll(
        _ descriptor: OperationDescriptor, _ inContext: [EffectiveGrant], reach patient: ResourceID
    ) throws(Refused) {
        let isMet = descriptor.requirements.allSatisfy { requirement in
            inContext.contains {
                $0.grants(requirement.letter, on: requirement.type, types: policy.types)
                    && $0.boundary.contains(patient)
            }
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

    /// What is handed in must be the patients' own, unless every patient is inside.
    private func judge(_ input: OperationInput, _ found: [EffectiveGrant]) throws(Refused) {
        guard !input.resources.isEmpty else {
            if case .submission = input.descriptor.binding { throw Refused(.bodyInvalid) }
            return
        }
        switch input.descriptor.binding {
        // The descriptor itself says that it is about people beyond any boundary.
        case .population: return
        case .nobody, .patient, .instance, .parameter, .search, .submission: break
        }
        let isInside = found.contains { grant in
            input.resources.allSatisfy { SubmittedRecords(policy: policy, boundary: grant.boundary).holds($0) }
        }
        guard isInside || mutated(.submittedRecordsUnjudged) else { throw Refused(.bodyOutsideBoundary) }
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
        let query = SearchQuery((parts[0].upstreamQuery?.terms ?? []) + input.query.terms)
        return try permit(
            for: descriptor, query: query, body: nil, .operation(name: name, level), found, inContext, proof: nil,
            pageSize: parts[0].rule.pageSize)
    }

    private func permit(
        for descriptor: OperationDescriptor, input: OperationInput, _ interaction: FHIRInteraction,
        _ found: [EffectiveGrant], _ inContext: [EffectiveGrant], proof: Permit?
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
        return try permit(
            for: descriptor, query: input.isBody ? SearchQuery() : input.query, body: input.isBody ? input.body : nil,
            interaction, found, inContext, proof: proof, pageSize: pageSize)
    }

    private func permit(
        for descriptor: OperationDescriptor, query: SearchQuery, body: [UInt8]?, _ interaction: FHIRInteraction,
        _ found: [EffectiveGrant], _ inContext: [EffectiveGrant], proof: Permit?, pageSize: Int?
    ) throws(Refused) -> Permit {
        var rule = ReleaseRule(grants: inContext, deciding: found, policy: policy, publicQuery: request.query)
        rule.operation = OperationCall(
            descriptor: descriptor, body: body.map { Released(bytes: $0) }, proofs: [proof].compactMap { $0 })
        // Pages of an operation cost more upstream than pages of a search, so that they are larger.
        rule.pageSize = pageSize ?? policy.maxCount
        let one = Permit(
            request: request, access: access, determining: found.map(\.held), upstreamInteraction: interaction,
            upstreamQuery: query, narrowingIsExact: false, precondition: nil, rule: rule)
        guard descriptor.answers == [.pages] else { return one }
        return try gathered([one], kind: .operation, proof: proof, shown: (interaction.publicPath, request.query))
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
