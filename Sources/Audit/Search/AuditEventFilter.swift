internal import AccessPolicy
internal import FHIRCore

/// The filter that search terms add up to.
struct AuditEventFilter {
    typealias Refusal = AuditEventSearch.Refusal

    let system: AuditSystem
    var query = AuditQuery()
    var content = AuditContentFilter()
    private(set) var total = AuditEventSearch.Total.none
    private(set) var onlyCount = false
    /// Whether nothing that there is can fit.
    private(set) var findsNothing = false
    private var seen: Set<String> = []

    init(system: AuditSystem) { self.system = system }

    mutating func take(_ term: FormTerm) throws(Refusal) {
        guard !term.value.isEmpty else { throw Refusal("`\(term.name)` has no value") }
        // Several dates narrow each other.
        if term.name == "date" || term.name == "_lastUpdated" { return try date(term) }
        // FHIR R4 §3.1.1.4.12: identifiers of what is referred to, as a modifier and as a chain.
        let name = term.name == "agent.identifier" ? "agent:identifier" : term.name
        guard seen.insert(name).inserted else { throw Refusal("`\(name)` can be given once") }
        if try takeResult(term) { return }
        switch name {
        case "_id": try ids(term)
        case "patient": try patient(try single(term), term.name)
        case "entity": try entities(term)
        case "client": try client(try single(term))
        case "agent:identifier": try agent(term)
        case "user": try user(try single(term))
        case "grant": query.grantID = GrantID(try single(term))
        case "agent": content.users = try references(term)
        case "address": content.addressBeginnings = try values(term)
        case "address:exact": content.addresses = try values(term)
        case "policy": content.tokens = try values(term)
        case "site": content.nodes = Set(try codes(term, of: []))
        case "source:identifier": try source(term)
        case "outcome": query.outcomes = try outcomes(term)
        case "action": content.actions = try actions(term)
        case "type": try types(term)
        case "subtype": try subtypes(term)
        case "scope": content.scopes = try values(term)
        case "program": content.programs = try values(term)
        case "purpose": content.purposes = Set(try codes(term, of: [AuditCode.actReason]))
        case "organization": content.organizationBeginnings = try values(term)
        case "organization:exact": content.organizations = try values(term)
        case "reporting-entity": content.reportingEntities = try values(term)
        case "disclosures": content.onlyDisclosures = try flag(term)
        default: throw Self.unknown(name)
        }
    }

    /// Takes a parameter of the result; false when it is one of the search.
    private mutating func takeResult(_ term: FormTerm) throws(Refusal) -> Bool {
        switch term.name {
        case "_sort":
            switch term.value {
            case "-date", "-_lastUpdated": query.order = .newestFirst
            case "date", "_lastUpdated": query.order = .oldestFirst
            default: throw Refusal("`_sort` can be `date` or `-date`", code: "not-supported")
            }
        case "_total":
            guard let wanted = AuditEventSearch.Total(rawValue: term.value) else {
                throw Refusal("`_total` can be none, estimate or accurate")
            }
            total = wanted
        case "_summary":
            guard ["count", "false"].contains(term.value) else {
                throw Refusal("`_summary` can be `count` or `false`", code: "not-supported")
            }
            onlyCount = onlyCount || term.value == "count"
        case "_count":
            guard let count = Int(term.value), count >= 0 else { throw Refusal("`_count` is no number from 0 on") }
            // FHIR R4 §3.1.1.5.4: none is asked for but how many there are.
            if count == 0 { onlyCount = true } else { query.limit = min(count, AuditQuery.largestPage) }
        case "_after":
            guard let cursor = AuditCursor(term.value) else { throw Refusal("`_after` is no page of ours") }
            query.after = cursor
        case "_format":
            guard AnswerFormat.named(term.value)?.syntax == .json else { throw Refusal.format }
        default: return false
        }
        return true
    }

    /// A name that is no parameter, or a parameter with a modifier or chain that it does not have here.
    private static func unknown(_ name: String) -> Refusal {
        let base = String(name.prefix { $0 != ":" && $0 != "." })
        if let why = AuditEventSearch.refused[base] {
            return Refusal("`\(name)` is not supported: \(why)", code: "not-supported")
        }
        if base != name, AuditEventSearch.parameters.contains(where: { $0.name == base }) {
            return Refusal("`\(base)` does not take what `\(name)` asks of it", code: "not-supported")
        }
        return Refusal("`\(name)` is not a parameter of this search", code: "not-supported")
    }

    // MARK: - values

    func values(_ term: FormTerm) throws(Refusal) -> Set<String> {
        guard let values = SearchValue.alternatives(term.value) else {
            throw Refusal("`\(term.name)` has an empty alternative, or an escape that is none")
        }
        return Set(values)
    }

    private func single(_ term: FormTerm) throws(Refusal) -> String {
        guard let value = SearchValue.single(term.value) else {
            throw Refusal("`\(term.name)` takes one value; a comma in it is written `\\,`")
        }
        return value
    }

    func tokens(_ term: FormTerm) throws(Refusal) -> [SearchValue.Token] {
        guard let tokens = SearchValue.tokens(term.value) else { throw Refusal("`\(term.name)` has no code") }
        return tokens
    }

    /// The codes of tokens; each is of one of the systems, or of none where there are none. A system that no event has is
    /// refused rather than passed over.
    func codes(_ term: FormTerm, of systems: Set<String>) throws(Refusal) -> [String] {
        var codes: [String] = []
        for token in try tokens(term) {
            if let system = token.system, !(systems.isEmpty ? system.isEmpty : systems.contains(system)) {
                throw Refusal("`\(term.name)` has codes of the system `\(system)` in no event")
            }
            codes.append(token.code)
        }
        return codes
    }

    private func references(_ term: FormTerm) throws(Refusal) -> Set<String> {
        var result: Set<String> = []
        for part in try values(term) {
            guard case .relative(let key, nil) = LiteralReference(part) else {
                throw Refusal("`\(term.name)` takes references such as `Practitioner/p1`")
            }
            result.insert(key.description)
        }
        return result
    }

    private func flag(_ term: FormTerm) throws(Refusal) -> Bool {
        guard let flag = Bool(term.value) else { throw Refusal("`\(term.name)` can be true or false") }
        return flag
    }

    // MARK: - what is asked for

    private mutating func date(_ term: FormTerm) throws(Refusal) {
        // A plus that was not encoded arrives as a blank (application/x-www-form-urlencoded), and no date has one.
        let value = String(term.value.map { $0 == " " ? "+" : $0 })
        let letters = value.prefix { $0.isLetter }
        guard let span = FHIRTime.span(String(value.dropFirst(letters.count))) else {
            throw Refusal("`\(term.name)` is no FHIR date with a prefix of eq, ge, gt, le, lt")
        }
        var from: Int64?
        var to: Int64?
        switch letters {
        case "", "eq": (from, to) = (span.lowerBound, span.upperBound)
        case "ge": from = span.lowerBound
        case "gt", "sa": from = span.upperBound
        case "le": to = span.upperBound
        case "lt", "eb": to = span.lowerBound
        default: throw Refusal("`\(term.name)` has a prefix other than eq, ge, gt, le, lt, sa, eb")
        }
        if let from { query.from = max(from, query.from ?? from) }
        if let to { query.to = min(to, query.to ?? to) }
    }

    private mutating func ids(_ term: FormTerm) throws(Refusal) {
        let ids = try values(term)
        guard ids.allSatisfy({ ResourceID($0) != nil }) else { throw Refusal("`_id` is no id of a resource") }
        query.hashes = Set(ids.compactMap { ChainHash(hexadecimal: $0) })
        query.includesClosedOpenings = true
        findsNothing = findsNothing || query.hashes.isEmpty
    }

    private mutating func patient(_ value: String, _ name: String) throws(Refusal) {
        guard query.patient == nil else { throw Refusal("`patient` can be given once, as `patient` or as `entity`") }
        let id = value.hasPrefix("Patient/") ? String(value.dropFirst("Patient/".count)) : value
        guard let id = ResourceID(id) else { throw Refusal("`\(name)` is no id of a Patient") }
        query.patient = id.text
    }

    private mutating func entities(_ term: FormTerm) throws(Refusal) {
        let references = try references(term)
        let patients = references.filter { $0.hasPrefix("Patient/") }
        guard let patient = patients.first else {
            content.resources = references
            return
        }
        guard references.count == 1 else { throw Refusal("`entity` takes one Patient, or other resources") }
        try self.patient(patient, term.name)
    }

    private mutating func client(_ id: String) throws(Refusal) {
        guard query.clientID == nil else { throw Refusal("`client` and `agent:identifier` name two clients") }
        query.clientID = ClientID(id)
    }

    private mutating func user(_ subject: String) throws(Refusal) {
        guard query.subject == nil else { throw Refusal("`user` and `agent:identifier` name two users") }
        query.subject = SubjectID(subject)
    }

    /// Identifiers of agents, by the systems that `AuditEventResource` gives them. Without a system it may be anybody's.
    private mutating func agent(_ term: FormTerm) throws(Refusal) {
        let tokens = try tokens(term)
        guard tokens.count == 1, let token = tokens.first else { throw Refusal("`\(term.name)` takes one value") }
        switch token.system {
        case nil: content.agents = [token.code]
        case "": try client(token.code)
        case system.issuer: try user(token.code)
        case system.accounts: content.actors = [token.code]
        default: throw Refusal("`\(term.name)`: no agent has an identifier of that system")
        }
    }

    private mutating func source(_ term: FormTerm) throws(Refusal) {
        let wanted = try codes(term, of: [AuditSystem.issuers])
        findsNothing = findsNothing || !wanted.contains(system.issuer)
    }
}
