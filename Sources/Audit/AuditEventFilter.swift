internal import AccessPolicy
internal import FHIRCore

/// The filter that search terms add up to.
struct AuditEventFilter {
    typealias Refusal = AuditEventSearch.Refusal

    private(set) var query = AuditQuery()
    private(set) var content = AuditContentFilter()
    private(set) var total = AuditEventSearch.Total.none
    private(set) var onlyCount = false
    private var seen: Set<String> = []

    mutating func take(_ term: FormTerm) throws(Refusal) {
        guard !term.value.isEmpty else { throw Refusal("`\(term.name)` has no value") }
        if term.name == "date" { return try date(term.value) }
        let isPatient = term.name == "entity" && term.value.hasPrefix("Patient/")
        let subject = term.name == "agent:identifier" ? "client" : isPatient ? "patient" : term.name
        guard seen.insert(subject).inserted else { throw Refusal("`\(subject)` can be given once") }
        switch term.name {
        case "patient": query.patient = try patient(term.value)
        case "entity" where isPatient: query.patient = try patient(term.value)
        case "entity": content.resources = try references("entity", term.value)
        case "client": query.clientID = ClientID(term.value)
        case "agent:identifier": query.clientID = ClientID(token(term.value))
        case "user": query.subject = SubjectID(term.value)
        case "grant": query.grantID = GrantID(term.value)
        case "outcome": query.outcomes = try outcomes(term.value)
        case "action": content.actions = try actions(term.value)
        case "subtype": try subtypes(term.value)
        case "type": try type(term.value)
        case "agent": content.users = try references("agent", term.value)
        case "address": content.addresses = values(term.value)
        case "policy": content.tokens = values(term.value)
        case "site": content.nodes = values(term.value)
        case "scope": content.scopes = values(term.value)
        case "program": content.programs = values(term.value)
        case "purpose": content.purposes = Set(values(term.value).map { token($0) })
        case "reporting-entity": content.reportingEntities = values(term.value)
        case "organization": content.organizations = values(term.value)
        case "disclosures": content.onlyDisclosures = try flag("disclosures", term.value)
        case "_sort":
            guard term.value == "-date" else { throw Refusal("`_sort` can be `-date`") }
        case "_total":
            guard let wanted = AuditEventSearch.Total(rawValue: term.value) else {
                throw Refusal("`_total` can be none, estimate or accurate")
            }
            total = wanted
        case "_summary":
            guard term.value == "count" else { throw Refusal("`_summary` can be `count`") }
            onlyCount = true
        case "_count":
            guard let count = Int(term.value), count > 0 else { throw Refusal("`_count` is no positive number") }
            query.limit = min(count, AuditQuery.largestPage)
        case "_after":
            guard let cursor = AuditCursor(term.value) else { throw Refusal("`_after` is no page of ours") }
            query.after = cursor
        case "_format":
            // As above: the plus of the media type.
            guard ["json", "application/json", "application/fhir+json", "application/fhir json"].contains(term.value)
            else {
                throw Refusal("`_format` can be `json`")
            }
        default: throw Refusal("`\(term.name)` is not a parameter of this search")
        }
    }

    /// Several dates narrow each other.
    private mutating func date(_ value: String) throws(Refusal) {
        // A plus that was not encoded arrives as a blank (application/x-www-form-urlencoded), and no date has one.
        let value = String(value.map { $0 == " " ? "+" : $0 })
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
            case "0": codes.formUnion(["permitted", "succeeded", "decision-given"])
            case "4": codes.insert("refused")
            case "8": codes.formUnion(["failed", "interrupted"])
            default: throw Refusal("`outcome` can be 0, 4 or 8")
            }
        }
        guard !codes.isEmpty else { throw Refusal("`outcome` has no value") }
        return codes
    }

    private func actions(_ value: String) throws(Refusal) -> Set<String> {
        let codes = Set(value.split(separator: ",").map { token(String($0)) })
        guard !codes.isEmpty, codes.isSubset(of: ["C", "R", "U", "D", "E"]) else {
            throw Refusal("`action` can be C, R, U, D or E")
        }
        return codes
    }

    /// The values between commas (FHIR R4 §3.1.1.3.2: any of them).
    private func values(_ value: String) -> Set<String> { Set(value.split(separator: ",").map(String.init)) }

    private func references(_ name: String, _ value: String) throws(Refusal) -> Set<String> {
        var result: Set<String> = []
        for part in values(value) {
            guard case .relative(let key, nil) = LiteralReference(part) else {
                throw Refusal("`\(name)` takes references such as `Practitioner/p1`")
            }
            result.insert(key.description)
        }
        return result
    }

    private func flag(_ name: String, _ value: String) throws(Refusal) -> Bool {
        switch value {
        case "true": true
        case "false": false
        default: throw Refusal("`\(name)` can be true or false")
        }
    }

    private mutating func subtypes(_ value: String) throws(Refusal) {
        let steps = [AuthorizationRecord.Kind.token, .refresh].map(\.rawValue)
        let codes = value.split(separator: ",").flatMap { part -> [String] in
            let code = token(String(part))
            return code == AuditCode.accessTokenRequest.code ? steps : [code]
        }
        if codes.allSatisfy({ AccessInteraction(rawValue: $0) != nil }) {
            query.interactions = Set(codes)
        } else if codes.allSatisfy({ AuthorizationRecord.Kind(rawValue: $0) != nil }) {
            try narrowKinds(to: Set(codes), "subtype")
        } else {
            throw Refusal("`subtype` names interactions or steps of authorization, not both and nothing else")
        }
    }

    private mutating func type(_ value: String) throws(Refusal) {
        var kinds: Set<String> = []
        for code in values(value).map({ token($0) }) {
            if code == AuditCode.rest.code || code == AuditCode.export.code {
                kinds.insert(AuditIndex.accessKind)
                content.accessTypes.insert(code)
                continue
            }
            let steps = AuthorizationRecord.Kind.allCases.filter {
                AuthorizationEventRendering.types($0).contains(code)
            }
            guard !steps.isEmpty else { throw Refusal("`type` has a code that no event of ours has") }
            kinds.formUnion(steps.map(\.rawValue))
        }
        try narrowKinds(to: kinds, "type")
    }

    /// `type` and `subtype` narrow each other; together they may leave nothing, which is then what is found.
    private mutating func narrowKinds(to kinds: Set<String>, _ name: String) throws(Refusal) {
        guard !query.kinds.isEmpty else {
            query.kinds = kinds
            return
        }
        let both = query.kinds.intersection(kinds)
        guard !both.isEmpty else { throw Refusal("`\(name)`: no event has this type and this subtype") }
        query.kinds = both
    }
}
