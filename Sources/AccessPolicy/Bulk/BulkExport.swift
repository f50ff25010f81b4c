public import FHIRCore

// Bulk export (enforcer digest b.4 row 31 and b.9; HL7 Bulk Data Access 2): for clients of their own (`system/` scopes).

/// A bulk export that was permitted: which types may come out, and under which grants each line is judged.
public struct BulkPermit: Sendable {
    /// The kick-off to send; its answer is no resource.
    public let kickOff: Permit
    /// The types that may come out.
    public let types: [ResourceType]

    let rule: ReleaseRule
}

/// What is said about an export.
public enum BulkDecision: Sendable {
    /// It may be started, looked at and fetched, as far as each line passes.
    case permit(BulkPermit)
    /// It is refused.
    case deny(Denial)
}

/// Decides on an export, from values alone: at its start, and again whenever its job is looked at or fetched from.
public func decideExport(_ request: AccessRequest) -> BulkDecision {
    do throws(Refused) {
        return .permit(try Decider(request).bulkPermit())
    } catch {
        return .deny(error.denial)
    }
}

extension FHIRInteraction {
    /// Whether the interaction starts a bulk export.
    public var isBulkExport: Bool {
        guard case .operation(let name, let level) = self, name == "export" else { return false }
        switch level {
        case .system: return true
        case .type(let type): return type == .patient
        case .instance(let key): return key.type == .group
        }
    }
}

extension Decider {
    func bulkPermit() throws(Refused) -> BulkPermit {
        // Whoever may not export at all learns nothing else.
        let system = grants.filter { $0.scope.level == .system || mutated(.exportForPatients) }
        guard request.interaction.isBulkExport, !system.isEmpty, grants.count == system.count,
            case .operation(_, let level) = request.interaction, case .none = request.body
        else { throw Refused(.operationNotSupported) }
        try requireRoute(level, system)
        let types = try exportedTypes(system)
        var terms: [SearchTerm] = []
        for term in request.query.terms where term.name != "_type" {
            guard term.modifier == nil, term.chain.isEmpty else {
                throw Refused(.parameterNotSupported, parameter: term.fullName)
            }
            terms += try exportTerm(term, types.list, system)
        }
        let single = terms.filter { $0.name != "_typeFilter" }.map(\.name)
        guard Set(single).count == single.count else { throw Refused(.parameterInvalid, parameter: single[0]) }
        try checkOptions()
        // What an export leaves out of a resource could not be judged.
        guard request.options.elements.isEmpty else { throw Refused(.parameterNotSupported, parameter: "_elements") }
        guard request.options.summary == nil else { throw Refused(.parameterNotSupported, parameter: "_summary") }
        if types.isListed {
            terms.append(
                SearchTerm(name: "_type", rawValue: types.list.map(\.rawValue).joined(separator: ",")))
        }
        if !terms.contains(where: { $0.name == "_outputFormat" }) {
            terms.append(SearchTerm(name: "_outputFormat", rawValue: "application/fhir+ndjson"))
        }
        let deciding = system.filter { grant in types.list.contains { exports(grant, $0) } }
        let rule = ReleaseRule(grants: system, deciding: deciding, policy: policy)
        let permit = Permit(
            request: request, access: access, determining: deciding.map(\.held),
            upstreamInteraction: request.interaction, upstreamQuery: SearchQuery(terms), narrowingIsExact: false,
            precondition: nil, rule: rule)
        return BulkPermit(kickOff: permit, types: types.list, rule: rule)
    }

    /// Patient and Group exports need their own type readable; a group lists many, so everybody has to be inside.
    private func requireRoute(_ level: OperationLevel, _ system: [EffectiveGrant]) throws(Refused) {
        switch level {
        case .system: return
        case .type: _ = try granting(.read, on: .patient)
        case .instance:
            _ = try granting(.read, on: .patient)
            // The members of a group come out and not the group, so that nothing later would hold it to a constraint.
            let groups = try granting(.read, on: .group)
            guard groups.contains(where: { $0.isEveryone && $0.scope.constraint == nil }) else {
                throw Refused(.operationNotSupported)
            }
        }
    }

    /// Exporting is reading and searching at once.
    private func exports(_ grant: EffectiveGrant, _ type: ResourceType) -> Bool {
        grant.grants(.read, on: type, types: policy.types) && grant.grants(.search, on: type, types: policy.types)
    }

    /// The types that come out: those named, each of which must be granted, or those that are granted.
    private func exportedTypes(
        _ system: [EffectiveGrant]
    ) throws(Refused) -> (list: [ResourceType], isListed: Bool) {
        let naming = request.query.terms(named: "_type")
        guard naming.isEmpty else {
            var list: [ResourceType] = []
            for name in naming.flatMap(\.values) {
                guard let type = ResourceType(rawValue: name) else {
                    throw Refused(.parameterInvalid, parameter: "_type")
                }
                guard system.contains(where: { exports($0, type) }) else {
                    _ = try granting(.read, on: type)
                    _ = try granting(.search, on: type)
                    throw Refused(.operationNotSupported)
                }
                if !list.contains(type) { list.append(type) }
            }
            guard naming.allSatisfy({ $0.modifier == nil && $0.chain.isEmpty }), !list.isEmpty else {
                throw Refused(.parameterInvalid, parameter: "_type")
            }
            return (list, true)
        }
        let list = ResourceType.allCases.filter { type in system.contains { exports($0, type) } }
        guard !list.isEmpty else { throw Refused(.typeNotGranted) }
        // Who may export all types asks for all; a list of them would only be long.
        return (list, !system.contains { $0.scope.target == .all && $0.scope.constraint == nil })
    }

    private func exportTerm(
        _ term: SearchTerm, _ types: [ResourceType], _ system: [EffectiveGrant]
    ) throws(Refused) -> [SearchTerm] {
        switch term.name {
        case "_outputFormat":
            let names = ["application/fhir+ndjson", "application/fhir ndjson", "application/ndjson", "ndjson"]
            guard names.contains(term.rawValue) else { throw Refused(.parameterNotSupported, parameter: term.name) }
            return [SearchTerm(name: term.name, rawValue: "application/fhir+ndjson")]
        case "_since", "_until":
            guard (4...40).contains(term.rawValue.utf8.count),
                term.rawValue.utf8.allSatisfy({ (0x30...0x3A).contains($0) || "-+.TZ ".utf8.contains($0) })
            else { throw Refused(.parameterInvalid, parameter: term.name) }
            return [SearchTerm(name: term.name, rawValue: term.rawValue.replacing(" ", with: "+"))]
        case "_typeFilter":
            return try typeFilters(term, types, system)
        default:
            throw Refused(.parameterNotSupported, parameter: term.fullName)
        }
    }

    /// Each filter is a search of its type, judged as one (ATK-240).
    private func typeFilters(
        _ term: SearchTerm, _ types: [ResourceType], _ system: [EffectiveGrant]
    ) throws(Refused) -> [SearchTerm] {
        let invalid = Refused(.parameterInvalid, parameter: "_typeFilter")
        var filters: [String] = []
        for part in SearchValue.split(term.rawValue, at: ",") {
            // A comma within a value belongs to the filter before it.
            if part.contains("?") || filters.isEmpty {
                filters.append(part)
            } else {
                filters[filters.count - 1] += "," + part
            }
        }
        var terms: [SearchTerm] = []
        for filter in filters {
            let halves = filter.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard halves.count == 2, let type = ResourceType(rawValue: halves[0]),
                let query = try? SearchQuery(parsing: halves[1]), !query.terms.isEmpty
            else { throw invalid }
            guard types.contains(type) else {
                _ = try granting(.search, on: type)
                throw invalid
            }
            let searching = system.filter { exports($0, type) }
            let gate = ParameterGate(type: type, searching: searching, grants: system, policy: policy, isLenient: false)
            let plan = try gate.plan(query)
            guard !plan.isCount, plan.count == nil, plan.sort == nil, plan.total == nil,
                plan.publicIncludeTerms.isEmpty,
                plan.terms.allSatisfy({ $0.chain.isEmpty })
            else { throw Refused(.parameterNotSupported, parameter: "_typeFilter") }
            var printed = plan.terms
            for patients in plan.patients {
                printed.append(
                    SearchTerm(
                        name: policy.types[type].narrowingParameter ?? "patient",
                        rawValue: patients.map(\.text).sorted().joined(separator: ",")))
            }
            terms.append(SearchTerm(name: "_typeFilter", rawValue: "\(type.rawValue)?\(SearchQuery(printed).encoded)"))
        }
        return terms
    }
}
