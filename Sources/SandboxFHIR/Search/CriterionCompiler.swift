internal import FHIRCore
internal import GRDB

/// Turns a criterion into a condition in SQL on a row of the table `resource`.
struct CriterionCompiler {
    let registry: ParameterRegistry
    /// The address of this server: absolute references that begin with it are its own.
    let ownBase: String
    /// The time that approximate dates are measured from.
    let now: Int64

    /// The deepest chain that is followed.
    private static let maximumDepth = 4

    /// The condition on the row `r<depth>`; `nil` when the parameter is not known for the type or has no value.
    func condition(_ criterion: Criterion, on type: ResourceType, depth: Int = 0) throws(SandboxFailure)
        -> SQLFragment?
    {
        guard !criterion.values.isEmpty else { return nil }
        if criterion.code == "_has" { return try reverseChain(criterion, on: type, depth: depth) }
        if criterion.code == "_id", criterion.chained == nil { return try identifier(criterion, depth: depth) }
        if criterion.code == "_lastUpdated", criterion.chained == nil {
            return try lastUpdated(criterion, depth: depth)
        }
        guard let parameter = registry.parameter(criterion.code, for: type) else { return nil }
        if criterion.chained != nil { return try chain(criterion, parameter, depth: depth) }
        return try indexed(criterion, parameter, depth: depth)
    }

    // MARK: Columns

    private func identifier(_ criterion: Criterion, depth: Int) throws(SandboxFailure) -> SQLFragment {
        guard criterion.modifier == nil else { throw unsupportedModifier(criterion) }
        let alternatives = criterion.values.map { SQLFragment("r\(depth).id = ?", [EscapedText.unescape($0)]) }
        return .any(alternatives)
    }

    private func lastUpdated(_ criterion: Criterion, depth: Int) throws(SandboxFailure) -> SQLFragment {
        guard criterion.modifier == nil else { throw unsupportedModifier(criterion) }
        let values = ValueConditions(low: "r\(depth).updated", high: "(r\(depth).updated + 1)", now: now)
        return .any(try criterion.values.map { value throws(SandboxFailure) in try values.date(value) })
    }

    // MARK: Index tables

    private func indexed(_ criterion: Criterion, _ parameter: IndexedParameter, depth: Int) throws(SandboxFailure)
        -> SQLFragment
    {
        if criterion.modifier == "missing" { return try missing(criterion, parameter, depth: depth) }
        let values = ValueConditions(now: now)
        var key = parameter.key
        var table = parameter.kind.table
        var alternatives: [SQLFragment] = []
        for value in criterion.values {
            switch (parameter.kind, criterion.modifier) {
            case (.token, nil), (.token, "not"): alternatives.append(try values.token(value))
            case (.token, "text"): alternatives.append(values.tokenText(value))
            case (.string, nil): alternatives.append(values.stringStart(value))
            case (.string, "exact"): alternatives.append(values.stringExact(value))
            case (.string, "contains"): alternatives.append(values.stringContains(value))
            case (.date, nil): alternatives.append(try values.date(value))
            case (.uri, nil): alternatives.append(values.uri(value))
            case (.uri, "below"): alternatives.append(values.uriBelow(value))
            case (.uri, "above"): alternatives.append(values.uriAbove(value))
            case (.number, nil): alternatives.append(try values.number(value))
            case (.quantity, nil): alternatives.append(try values.quantity(value))
            case (.reference, "identifier"):
                (key, table) = (parameter.identifierKey, IndexedParameter.Kind.token.table)
                alternatives.append(try values.token(value))
            case (.reference, nil):
                alternatives.append(try values.reference(value, type: nil, ownBase: ownBase))
            case (.reference, let modifier?):
                guard let type = ResourceType(rawValue: modifier) else { throw unsupportedModifier(criterion) }
                alternatives.append(try values.reference(value, type: type, ownBase: ownBase))
            default: throw unsupportedModifier(criterion)
            }
        }
        // `:not` asks for resources of which no value is in the set, missing ones with them (§3.1.1.4.7).
        let word = criterion.modifier == "not" ? "NOT IN" : "IN"
        return SQLFragment("r\(depth).pk \(word) (SELECT x.resource FROM \(table) x WHERE x.param = ? AND ", [key])
            + .any(alternatives) + SQLFragment(")")
    }

    private func missing(_ criterion: Criterion, _ parameter: IndexedParameter, depth: Int) throws(SandboxFailure)
        -> SQLFragment
    {
        let word: String
        switch criterion.values {
        case ["true"]: word = "NOT IN"
        case ["false"]: word = "IN"
        default: throw .invalid("`\(criterion.code):missing` takes `true` or `false`")
        }
        let table = parameter.kind.table
        var condition = "r\(depth).pk \(word) (SELECT x.resource FROM \(table) x WHERE x.param = ?"
        var arguments: StatementArguments = [parameter.key]
        if parameter.kind == .reference {
            // A logical reference is a value too.
            condition += " UNION SELECT x.resource FROM token_index x WHERE x.param = ?"
            arguments += [parameter.identifierKey]
        }
        return SQLFragment(condition + ")", arguments)
    }

    // MARK: Chains

    /// `patient.name=x`: the reference leads to a resource that the rest matches.
    private func chain(_ criterion: Criterion, _ parameter: IndexedParameter, depth: Int) throws(SandboxFailure)
        -> SQLFragment?
    {
        guard parameter.kind == .reference, let rest = criterion.chained else {
            throw .invalid("`\(criterion.code)` is not a reference and cannot be chained")
        }
        var targets = parameter.targets.isEmpty ? ResourceType.allCases : parameter.targets
        if let modifier = criterion.modifier {
            guard let type = ResourceType(rawValue: modifier) else { throw unsupportedModifier(criterion) }
            targets = [type]
        }
        let inner = Criterion(QueryString.Pair(name: rest, value: criterion.rawValue))
        guard let condition = try condition(inner, onAnyOf: targets, depth: depth + 1) else { return nil }
        return SQLFragment(
            """
            r\(depth).pk IN (SELECT x.resource FROM reference_index x
            JOIN resource r\(depth + 1) ON r\(depth + 1).type = x.target_type AND r\(depth + 1).id = x.target_id
            WHERE x.param = ? AND x.base IN ('', ?) AND r\(depth + 1).deleted = 0 AND
            """ + " ", [parameter.key, ownBase]) + condition + SQLFragment(")")
    }

    /// `_has:Observation:patient:code=x`: a resource that the rest matches refers to this one.
    private func reverseChain(_ criterion: Criterion, on type: ResourceType, depth: Int) throws(SandboxFailure)
        -> SQLFragment?
    {
        let parts = (criterion.modifier ?? "").split(separator: ":", maxSplits: 2).map(String.init)
        guard parts.count == 3, let source = ResourceType(rawValue: parts[0]) else {
            throw .invalid("`_has` is written `_has:Type:reference:parameter`")
        }
        guard let reference = registry.parameter(parts[1], for: source), reference.kind == .reference else {
            return nil
        }
        let name = criterion.chained.map { "\(parts[2]).\($0)" } ?? parts[2]
        let inner = Criterion(QueryString.Pair(name: name, value: criterion.rawValue))
        guard let condition = try condition(inner, onAnyOf: [source], depth: depth + 1) else { return nil }
        return SQLFragment(
            """
            r\(depth).id IN (SELECT x.target_id FROM reference_index x
            JOIN resource r\(depth + 1) ON r\(depth + 1).pk = x.resource
            WHERE x.param = ? AND x.target_type = ? AND x.base IN ('', ?) AND r\(depth + 1).deleted = 0 AND
            """ + " ", [reference.key, type.rawValue, ownBase]) + condition + SQLFragment(")")
    }

    /// The condition for rows of any of some types; `nil` when no type knows the parameter.
    func condition(_ criterion: Criterion, onAnyOf types: [ResourceType], depth: Int = 0) throws(SandboxFailure)
        -> SQLFragment?
    {
        guard depth < CriterionCompiler.maximumDepth else { throw .notSupported("the chain is too long") }
        var alternatives: [SQLFragment] = []
        for type in types {
            guard let found = try condition(criterion, on: type, depth: depth) else { continue }
            alternatives.append(SQLFragment("(r\(depth).type = ? AND ", [type.rawValue]) + found + SQLFragment(")"))
        }
        return alternatives.isEmpty ? nil : .any(alternatives)
    }

    private func unsupportedModifier(_ criterion: Criterion) -> SandboxFailure {
        .notSupported("the modifier `:\(criterion.modifier ?? "")` does not work on `\(criterion.code)`")
    }
}
