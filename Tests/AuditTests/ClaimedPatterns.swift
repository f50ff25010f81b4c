import FHIRCore

/// What an event must be to claim a pattern of BALP, in our own words: the check that runs where the published list of
/// constraints is not at hand. `BALPConstraints` compares with the list.
struct ClaimedPatterns {
    /// What one pattern asks for.
    private struct Pattern {
        var type: String
        var subtypes: Set<String>
        var action: String
        /// Codes of agents of which there is exactly one, and whether it says from where it took part.
        var agents: [(code: String, hasNetwork: Bool)]
        /// Type and role of entities of which there is exactly one, and the member that it must have.
        var entities: [(type: String, role: String?, member: String)]
        var fewestEntities = 1
        var mostEntities = Int.max
        var isSuccess = true
    }

    private static let person = (type: "1", role: String?("1"), member: "what")

    private static func pattern(_ name: String) -> Pattern? {
        switch name {
        case "Read":
            Pattern(
                type: "rest", subtypes: ["read", "vread"], action: "R", agents: [("110152", true), ("110153", true)],
                entities: [("2", nil, "what")])
        case "Query":
            Pattern(
                type: "rest", subtypes: ["search-type", "search-system"], action: "E",
                agents: [("110153", true), ("110152", true)], entities: [("2", "24", "query")])
        case "Create":
            Pattern(
                type: "rest", subtypes: ["create"], action: "C", agents: [("110153", true), ("110152", true)],
                entities: [("2", "4", "what")])
        case "Update":
            Pattern(
                type: "rest", subtypes: ["update", "patch"], action: "U", agents: [("110153", true), ("110152", true)],
                entities: [("2", "4", "what")])
        case "Delete":
            Pattern(
                type: "rest", subtypes: ["delete"], action: "D", agents: [("110150", true), ("custodian", true)],
                entities: [("2", "4", "what")])
        case "PrivacyDisclosure.Source":
            Pattern(
                type: "110106", subtypes: ["disclose"], action: "R", agents: [("110153", true), ("110152", true)],
                entities: [person], fewestEntities: 2, isSuccess: false)
        case "AuthZconsent":
            Pattern(
                type: "110113", subtypes: ["AuthZ-Consent"], action: "E",
                agents: [("110150", true), ("IRCP", false), ("authserver", false)],
                entities: [person, ("Consent", nil, "what")], fewestEntities: 2, isSuccess: false)
        case "IHE.IUA.71":
            Pattern(
                type: "110114", subtypes: ["ITI-71"], action: "E",
                agents: [("110150", true), ("AuthzOauthService", true)], entities: [("2", "13", "detail")],
                mostEntities: 1)
        default: nil
        }
    }

    /// What an event breaks of the patterns that it claims.
    static func violations(_ event: JSONValue) -> [String] {
        (event["meta"]?["profile"]?.array?.compactMap(\.string) ?? []).flatMap { url -> [String] in
            let full = String(url.split(separator: "/").last ?? "")
            let name = full.replacing("IHE.BasicAudit.", with: "")
            if name.hasPrefix("OAUTHaccessTokenUse") { return tokenUse(event, name).map { "\(name): \($0)" } }
            let isPatient = name.hasPrefix("Patient")
            guard var pattern = pattern(isPatient ? String(name.dropFirst(7)) : name) else {
                return ["\(name) unknown"]
            }
            if isPatient { pattern.entities.append(person) }
            return violations(event, pattern).map { "\(name): \($0)" }
        }
    }

    private static func violations(_ event: JSONValue, _ pattern: Pattern) -> [String] {
        var broken: [String] = []
        func demand(_ holds: Bool, _ text: String) { if !holds { broken.append(text) } }
        let agents = event["agent"]?.array ?? []
        let entities = event["entity"]?.array ?? []
        demand(event["type"]?["code"]?.string == pattern.type, "type")
        let subtypes = event["subtype"]?.array?.compactMap { $0["code"]?.string } ?? []
        demand(!pattern.subtypes.isDisjoint(with: subtypes), "subtype")
        demand(event["action"]?.string == pattern.action, "action")
        demand(event["recorded"]?.string != nil, "recorded")
        let outcome = event["outcome"]?.string
        demand(pattern.isSuccess ? outcome == "0" : outcome != nil, "outcome")
        demand(agents.count >= 2, "agents")
        demand(event["source"]?["observer"] != nil, "source")
        for (code, hasNetwork) in pattern.agents {
            let those = agents.filter { Self.code($0["type"]) == code }
            demand(those.count == 1, "agent \(code) stands \(those.count) times")
            demand(those.allSatisfy { $0["who"] != nil }, "agent \(code) is nobody")
            demand(those.allSatisfy { ($0["network"] != nil) == hasNetwork }, "agent \(code) network")
        }
        demand(agents.filter { $0["requestor"]?.bool == true }.count == 1, "one agent wanted it")
        demand((pattern.fewestEntities...pattern.mostEntities).contains(entities.count), "\(entities.count) entities")
        for (type, role, member) in pattern.entities {
            let those = entities.filter {
                $0["type"]?["code"]?.string == type && (role == nil || $0["role"]?["code"]?.string == role)
            }
            demand(those.count == 1, "entity \(type) stands \(those.count) times")
            demand(those.allSatisfy { $0[member] != nil }, "entity \(type) has no \(member)")
        }
        return broken
    }

    /// A token was used: who holds it is named with the token's id.
    private static func tokenUse(_ event: JSONValue, _ name: String) -> [String] {
        let agents = event["agent"]?.array ?? []
        let isOpaque = !name.hasSuffix("Comprehensive")
        let users = agents.filter { code($0["type"]) == (isOpaque ? "UserOauthAgent" : "IRCP") }
        var broken: [String] = []
        if users.count != 1 { broken.append("user stands \(users.count) times") }
        if !users.allSatisfy({ $0["policy"]?.array?.count == 1 && $0["requestor"]?.bool == true }) {
            broken.append("user without token")
        }
        guard !isOpaque else { return broken }
        let clients = agents.filter { code($0["type"]) == "110150" }
        if clients.isEmpty || !clients.allSatisfy({ $0["who"]?["identifier"]?["value"]?.string != nil }) {
            broken.append("client")
        }
        return broken
    }

    private static func code(_ concept: JSONValue?) -> String? { concept?["coding"]?.array?.first?["code"]?.string }
}
