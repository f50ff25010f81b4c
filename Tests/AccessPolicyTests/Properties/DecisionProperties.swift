import AccessPolicy
import FHIRCore
import Testing

/// Theorems about decide and admit (house rules, test pyramid).
@Suite(.underMutation) struct DecisionProperties {
    static let seeds: [UInt64] = [11, 12, 13, 14]

    static func decision(_ request: CanonicalRequest, _ token: Token) -> AccessDecision {
        decide(
            AccessRequest(
                request: request, access: token.access, userPanel: token.userPanel, systemPanel: token.systemPanel,
                policy: Exchange.policy))
    }

    static func permit(_ request: CanonicalRequest, _ token: Token) -> Permit? {
        guard case .permit(let permit) = decision(request, token) else { return nil }
        return permit
    }

    /// Whether the one thing against a search is that the rows of several searches cannot be put in order; with fewer
    /// scopes one search may find them, and nothing more is shown for it.
    static func isNoSingleQuery(_ request: CanonicalRequest, _ token: Token) -> Bool {
        guard case .deny(let denial) = decision(request, token) else { return false }
        return denial.parameter == "_sort" && denial.reason == .parameterNotSupported
    }

    /// The request, unless the door has refused it already.
    static func request(_ line: String) -> CanonicalRequest? { try? Exchange.request(line) }

    @Test(arguments: seeds) func `without scopes, or with scopes that do not parse, nothing is permitted`(seed: UInt64)
    {
        var cases = RandomCases(seed: seed)
        for _ in 0..<PropertyRun.cases(1_000) {
            guard let request = DecisionProperties.request(cases.line()) else { continue }
            let broken = cases.random.pick([
                "", "patient/Observation.sr", "openid fhirUser", "Patient/*.rs", "user/*.rs?",
            ])
            #expect(DecisionProperties.permit(request, cases.token([broken])) == nil)
        }
    }

    @Test(arguments: seeds) func `a permit names scopes of the token, each with the letter and the type`(seed: UInt64) {
        var cases = RandomCases(seed: seed)
        for _ in 0..<PropertyRun.cases(2_000) {
            let scopes = cases.scopes(3)
            let token = cases.token(scopes)
            guard let request = DecisionProperties.request(cases.line()),
                let permit = DecisionProperties.permit(request, token)
            else { continue }
            #expect(!permit.determining.isEmpty)
            #expect(Set(permit.determining.map(\.text)).isSubset(of: Set(scopes)))
            let letter: Permissions
            switch permit.upstreamInteraction {
            case .search: letter = .search
            case .delete: letter = .delete
            default: letter = .read
            }
            #expect(
                permit.determining.allSatisfy {
                    $0.scope.permissions.contains(letter)
                        && (permit.upstreamInteraction.type.map($0.scope.target.includes) ?? false)
                })
        }
    }

    @Test(arguments: seeds) func `removing a scope never permits a request that was refused`(seed: UInt64) {
        var cases = RandomCases(seed: seed)
        var (kept, lost, refused) = (0, 0, 0)
        for _ in 0..<PropertyRun.cases(1_000) {
            let scopes = cases.scopes(3)
            var token = cases.token(scopes)
            guard let request = DecisionProperties.request(cases.line()), request.options.summary != .count else {
                continue
            }
            let before =
                DecisionProperties.permit(request, token) != nil || DecisionProperties.isNoSingleQuery(request, token)
            token.scopes = scopes.dropFirst().joined(separator: " ")
            let after = DecisionProperties.permit(request, token) != nil
            #expect(before || !after, "\(scopes) \(request.interaction)")
            if after { kept += 1 } else if before { lost += 1 } else { refused += 1 }
        }
        // Each of the three must have come up often, or nothing was tried.
        #expect(min(kept, lost, refused) > 20, "\(kept) \(lost) \(refused)")
    }

    @Test(arguments: seeds) func `removing a scope never shows another resource`(seed: UInt64) throws {
        var cases = RandomCases(seed: seed)
        var shown = 0
        for _ in 0..<PropertyRun.cases(500) {
            let scopes = cases.scopes(3)
            var token = cases.token(scopes)
            let resource = try Exchange.view(cases.resource())
            let request = try Exchange.request("GET /\(resource.type.rawValue)")
            guard !DecisionProperties.isNoSingleQuery(request, token) else { continue }
            let wide = DecisionProperties.permit(request, token)
            token.scopes = scopes.dropFirst().joined(separator: " ")
            guard let narrow = DecisionProperties.permit(request, token),
                admit(resource, as: .match, under: narrow).released != nil
            else { continue }
            #expect(wide.map { admit(resource, as: .match, under: $0).released != nil } == true, "\(scopes)")
            shown += 1
        }
        #expect(shown > 20)
    }

    /// Patients that a resource's subject names, found by plain text: no code is shared with the judge.
    static func isAbout(_ patient: String, _ json: String) -> Bool {
        let forms = [
            "\"Patient/\(patient)\"", "\"Patient/\(patient)/_history/2\"",
            "\"\(Exchange.upstreamBase)/Patient/\(patient)\"",
        ]
        let subject: String
        if json.contains("\"resourceType\":\"Patient\"") { return json.contains("\"id\":\"\(patient)\"") }
        if json.contains("\"resourceType\":\"Observation\"") || json.contains("\"resourceType\":\"Condition\"") {
            subject = String(json.split(separator: "\"subject\":").last ?? "").prefix { $0 != "}" }.description
        } else {
            subject = json
        }
        return forms.contains { subject.contains($0) }
    }

    @Test(arguments: seeds) func `a patient's grant never admits a resource outside the patient's compartment`(
        seed: UInt64
    ) throws {
        var cases = RandomCases(seed: seed)
        var admitted = 0
        var token = Token.p
        var permits: [ResourceType: Permit?] = [:]
        for round in 0..<PropertyRun.cases(10_000) {
            if round % 50 == 0 {
                token = Token(scopes: (0..<3).map { _ in cases.scope(levels: ["patient"]) }.joined(separator: " "))
                permits = [:]
            }
            let json = cases.resource()
            let resource = try Exchange.view(json)
            let role = cases.random.pick([ResourceRole.match, .include, .stored, .version])
            let request = try Exchange.request("GET /\(resource.type.rawValue)")
            let known = permits[resource.type] ?? DecisionProperties.permit(request, token)
            permits[resource.type] = .some(known)
            guard let permit = known else { continue }
            guard let released = admit(resource, as: role, under: permit).released else { continue }
            admitted += 1
            #expect(resource.type == .organization || DecisionProperties.isAbout("pA", json), "\(token.scopes) \(json)")
            #expect(resource.type != .group)
            #expect((try? JSONDocument(released.bytes)) != nil)
        }
        #expect(admitted > 150)
    }

    /// Both directions at once: nothing that may be seen is narrowed away, and exact narrowing lets nothing else in.
    @Test(arguments: seeds) func `an exactly narrowed search returns what is admitted, and a narrowed one no less`(
        seed: UInt64
    ) throws {
        var cases = RandomCases(seed: seed)
        var exact = 0
        for _ in 0..<PropertyRun.cases(250) {
            let token = cases.token(cases.scopes(2))
            let type = cases.random.pick(["Observation", "Condition"])
            guard let permit = DecisionProperties.permit(try Exchange.request("GET /\(type)"), token) else { continue }
            let queries = permit.requests.compactMap(\.upstreamQuery)
            for _ in 0..<10 {
                let json = cases.resource(type: type)
                let isAdmitted = admit(try Exchange.view(json), as: .match, under: permit).released != nil
                let isReturned = queries.contains { PlainStore.matches(json, $0) }
                #expect(!isAdmitted || isReturned, "\(token.scopes) \(queries.map(\.encoded)) \(json)")
                guard permit.narrowingIsExact, isReturned else { continue }
                exact += 1
                #expect(isAdmitted, "\(token.scopes) \(queries.map(\.encoded)) \(json)")
            }
        }
        #expect(exact > 40)
    }

    @Test(arguments: seeds) func `a scope of version 1 decides as its form in version 2`(seed: UInt64) {
        var cases = RandomCases(seed: seed)
        for _ in 0..<PropertyRun.cases(1_000) {
            guard let request = DecisionProperties.request(cases.line()) else { continue }
            let (old, new) = cases.random.pick([("read", "rs"), ("write", "cud"), ("*", "cruds")])
            let head =
                cases.random.pick(["patient", "user", "system"]) + "/" + cases.random.pick(RandomCases.types) + "."
            var token = cases.token([head + old])
            let first = DecisionProperties.permit(request, token)
            token.scopes = head + new
            let second = DecisionProperties.permit(request, token)
            #expect((first == nil) == (second == nil))
            #expect(first?.upstreamQuery == second?.upstreamQuery)
            #expect(first?.precondition == second?.precondition)
        }
    }

    @Test(arguments: seeds) func `what is forwarded is read again as what was forwarded`(seed: UInt64) throws {
        var cases = RandomCases(seed: seed)
        for _ in 0..<PropertyRun.cases(1_500) {
            guard let request = DecisionProperties.request(cases.line()),
                let query = DecisionProperties.permit(request, cases.token(cases.scopes(3)))?.upstreamQuery
            else { continue }
            #expect(try SearchQuery(parsing: query.encoded) == query)
        }
    }

    @Test(arguments: seeds) func `what is hidden makes no difference to an answer`(seed: UInt64) throws {
        var cases = RandomCases(seed: seed)
        for round in 0..<PropertyRun.cases(500) {
            let token = Token(scopes: (0..<3).map { _ in cases.scope(levels: ["patient"]) }.joined(separator: " "))
            let line = cases.random.pick([
                "GET /Observation", "GET /Observation?_include=Observation:subject",
                "GET /Patient?_revinclude=Provenance:target", "GET /Condition?_include=Condition:asserter",
            ])
            guard let permit = DecisionProperties.permit(try Exchange.request(line), token) else { continue }
            let entries = (0..<5).map { place -> Records.Entry in
                let json = cases.resource(id: "e\(place)-\(round)")
                let isMatch = json.contains("\"resourceType\":\"\(line.dropFirst(5).prefix { $0 != "?" })\"")
                return Records.Entry(json: json, mode: isMatch ? "match" : "include")
            }
            let all = try Exchange.released(Exchange.answer(Records.searchset(entries)), permit)
            let ids = Set(all.ids)
            let visible = try entries.filter { ids.contains(try Exchange.view($0.json).id?.text ?? "") }
            let some = try Exchange.released(Exchange.answer(Records.searchset(visible)), permit)
            #expect(all.body == some.body)
        }
    }
}

/// A search over one resource by plain text comparison; shares no evaluator with the policy.
enum PlainStore {
    static func matches(_ json: String, _ query: SearchQuery) -> Bool {
        query.terms.allSatisfy { term in
            switch term.name {
            case "patient":
                return term.values.contains { value in
                    DecisionProperties.isAbout(String(value.dropFirst("Patient/".count)), json)
                }
            case "category", "code":
                let start = json.split(separator: "\"\(term.name)\":", maxSplits: 1).dropFirst().first ?? ""
                let end = term.name == "category" ? start.prefix { $0 != "]" } : start.prefix { $0 != "}" }
                // Inside a category's text no `"code":` of another element can stand.
                let text = term.name == "category" ? end : codeElement(json)
                return term.values.contains { tokenMatches($0, text) }
            case "status":
                return term.values.contains {
                    json.contains("\"status\":\"\($0)\"") || (json.contains("\"status\":\"a\"") && $0 == "|a")
                }
            default:
                return true
            }
        }
    }

    private static func codeElement(_ json: String) -> Substring {
        guard let range = json.firstRange(of: ",\"code\":{") else { return "" }
        return json[range.upperBound...].prefix { $0 != "]" }
    }

    private static func tokenMatches(_ value: String, _ text: Substring) -> Bool {
        let parts = value.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
        let hasSystem = { (system: Substring) in text.contains("\"system\":\"\(system)\"") }
        if parts.count == 1 { return text.contains("\"code\":\"\(parts[0])\"") }
        let codeHolds = parts[1].isEmpty || text.contains("\"code\":\"\(parts[1])\"")
        return codeHolds
            && (parts[0].isEmpty ? !text.contains("\"system\"") && text.contains("\"code\"") : hasSystem(parts[0]))
    }
}
