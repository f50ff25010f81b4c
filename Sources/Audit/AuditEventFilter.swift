internal import AccessPolicy
internal import FHIRCore

/// The filter that search terms add up to.
struct AuditEventFilter {
    typealias Refusal = AuditEventSearch.Refusal

    private(set) var query = AuditQuery()
    private var seen: Set<String> = []

    mutating func take(_ term: FormTerm) throws(Refusal) {
        guard !term.value.isEmpty else { throw Refusal("`\(term.name)` has no value") }
        if term.name == "date" { return try date(term.value) }
        let subject = term.name == "agent:identifier" ? "client" : term.name == "entity" ? "patient" : term.name
        guard seen.insert(subject).inserted else { throw Refusal("`\(subject)` can be given once") }
        switch term.name {
        case "patient": query.patient = try patient(term.value)
        case "entity":
            guard term.value.hasPrefix("Patient/") else { throw Refusal("`entity` takes `Patient/id`") }
            query.patient = try patient(term.value)
        case "client": query.clientID = ClientID(term.value)
        case "agent:identifier": query.clientID = ClientID(token(term.value))
        case "user": query.subject = SubjectID(term.value)
        case "grant": query.grantID = GrantID(term.value)
        case "outcome": query.outcomes = try outcomes(term.value)
        case "action": query.interactions = try narrowed(to: actions(term.value))
        case "subtype": try subtypes(term.value)
        case "type": try type(token(term.value))
        case "_count":
            guard let count = Int(term.value), count > 0 else { throw Refusal("`_count` is no positive number") }
            query.limit = min(count, AuditQuery.largestPage)
        case "_after":
            guard let cursor = AuditCursor(term.value) else { throw Refusal("`_after` is no page of ours") }
            query.after = cursor
        case "_format":
            guard ["json", "application/json", "application/fhir+json"].contains(term.value) else {
                throw Refusal("`_format` can be `json`")
            }
        default: throw Refusal("`\(term.name)` is not a parameter of this search")
        }
    }

    /// Several dates narrow each other.
    private mutating func date(_ value: String) throws(Refusal) {
        let letters = value.prefix { $0.isLetter }
        guard let span = FHIRTime.span(String(value.dropFirst(letters.count))) else {
            throw Refusal("`date` is no FHIR date with a prefix of eq, ge, gt, le, lt")
        }
        var from: Int64?
        var to: Int64?
        switch letters {
        case "", "eq": (from, to) = (span.lowerBound, span.upperBound)
        case "ge": from = span.lowerBound
        case "gt", "sa": from = span.upperBound
        case "le": to = span.upperBound
        case "lt", "eb": to = span.lowerBound
        default: throw Refusal("`date` has a prefix other than eq, ge, gt, le, lt, sa, eb")
        }
        if let from { query.from = max(from, query.from ?? from) }
        if let to { query.to = min(to, query.to ?? to) }
    }

    private func patient(_ value: String) throws(Refusal) -> String {
        let id = value.hasPrefix("Patient/") ? String(value.dropFirst("Patient/".count)) : value
        guard let id = ResourceID(id) else { throw Refusal("`patient` is no id of a Patient") }
        return id.text
    }

    /// The code of `system|code`.
    private func token(_ value: String) -> String {
        value.split(separator: "|", omittingEmptySubsequences: false).last.map { String($0) } ?? value
    }

    private func outcomes(_ value: String) throws(Refusal) -> Set<String> {
        var codes: Set<String> = []
        for part in value.split(separator: ",") {
            switch token(String(part)) {
            case "0": codes.formUnion(["permitted", "succeeded"])
            case "4": codes.insert("refused")
            case "8": codes.formUnion(["failed", "interrupted"])
            default: throw Refusal("`outcome` can be 0, 4 or 8")
            }
        }
        guard !codes.isEmpty else { throw Refusal("`outcome` has no value") }
        return codes
    }

    private func actions(_ value: String) throws(Refusal) -> Set<String> {
        var codes: [AccessInteraction] = []
        for part in value.split(separator: ",") {
            switch part {
            case "C": codes += [.create]
            case "R": codes += [.read, .vread, .historyInstance, .historyType, .historySystem, .capabilities]
            case "U": codes += [.update, .patch]
            case "D": codes += [.delete]
            // E is searches and every step of authorization alike; those are told apart by `subtype`.
            default: throw Refusal("`action` can be C, R, U or D; for others use `subtype`")
            }
        }
        guard !codes.isEmpty else { throw Refusal("`action` has no value") }
        return Set(codes.map(\.rawValue))
    }

    private func narrowed(to codes: Set<String>) throws(Refusal) -> Set<String> {
        guard query.interactions.isEmpty else { throw Refusal("`action` and `subtype` cannot be combined") }
        return codes
    }

    private mutating func subtypes(_ value: String) throws(Refusal) {
        let codes = value.split(separator: ",").map { token(String($0)) }
        if codes.allSatisfy({ AccessInteraction(rawValue: $0) != nil }) {
            query.interactions = try narrowed(to: Set(codes))
        } else if codes.allSatisfy({ AuthorizationRecord.Kind(rawValue: $0) != nil }), query.kinds.isEmpty {
            query.kinds = Set(codes)
        } else {
            throw Refusal("`subtype` names no interaction and no step of authorization")
        }
    }

    private mutating func type(_ code: String) throws(Refusal) {
        guard query.kinds.isEmpty else { throw Refusal("`type` and this `subtype` cannot be combined") }
        guard code == AuditCode.rest.code else { throw Refusal("`type` can be `rest`; for others use `subtype`") }
        query.kinds = [AuditIndex.accessKind]
    }
}
