import AccessPolicy
import Audit
import ChaperoneTesting
import GRDB
import Persistence
import RequirementTraits
import Testing

/// How SQLite carries out searches: along one index, over a bounded number of entries, whatever is asked.
@Suite struct AuditSearchPlanTests {
    private let folder: LogFolder

    init() throws { folder = try LogFolder() }

    private var path: String { "\(folder.path)/audit.db" }

    /// Everything that decides which index is taken.
    private struct Shape {
        var query = AuditQuery()

        /// The index that leaves least.
        var index: String {
            if !query.hashes.isEmpty { return "SEARCH e USING INDEX audit_entry_hash" }
            if query.eventID != nil { return "SEARCH e USING INDEX audit_entry_event" }
            if query.patient != nil { return "SEARCH p USING PRIMARY KEY" }
            if query.grantID != nil { return "SEARCH e USING INDEX audit_entry_grant" }
            if query.subject != nil { return "SEARCH e USING INDEX audit_entry_subject" }
            if !query.kinds.isEmpty, query.kinds.isDisjoint(with: ["login", "access"]) {
                return "SEARCH e USING INDEX audit_entry_rare"
            }
            if query.clientID != nil { return "SEARCH e USING INDEX audit_entry_client" }
            let isBounded = query.from != nil || query.to != nil || query.after != nil
            return "\(isBounded ? "SEARCH" : "SCAN") e USING INDEX audit_entry_time"
        }

        var sorts: Bool { !query.hashes.isEmpty || query.eventID != nil }
    }

    /// Every combination of the conditions that have an index, with and without all that have none, with every span of time,
    /// on the first page and on a further one, in either order.
    private static func shapes() -> [Shape] {
        var shapes = [Shape()]
        func both(_ change: (inout AuditQuery) -> Void) {
            shapes += shapes.map { shape in
                var shape = shape
                change(&shape.query)
                return shape
            }
        }
        both { $0.hashes = [.origin, .digest(of: "x")] }
        both { $0.eventID = DecisionID("a") }
        both { $0.patient = "a" }
        both { $0.grantID = GrantID("a") }
        both { $0.subject = SubjectID("a") }
        both { $0.clientID = ClientID("a") }
        both { $0.from = 1 }
        both { $0.to = 2 }
        both { $0.after = AuditCursor(recordedAt: 1, position: 1, through: 9) }
        both { $0.order = .oldestFirst }
        both {
            ($0.outcomes, $0.interactions) = (["refused", "failed"], ["read"])
            ($0.resourceType, $0.includesClosedOpenings) = ("Patient", true)
        }
        let kinds: [Set<String>] = [
            [], ["configuration-changed"], ["hold-placed", "hold-lifted", "key-changed"], ["login"],
            ["access", "hold-placed"],
        ]
        return kinds.flatMap { kinds in
            shapes.map { shape in
                var shape = shape
                shape.query.kinds = kinds
                return shape
            }
        }
    }

    @Test(.verifies("audit@search-bounded"))
    func `every search goes along the index that leaves least, and sorts nothing large`() throws {
        let sink = try AuditSQLiteSink(path: path)
        let shapes = Self.shapes()
        #expect(shapes.count == 10_240)
        for shape in shapes {
            let plan = try sink.searchPlan(shape.query)
            let steps = plan.joined(separator: "\n")
            #expect(plan.contains { $0.hasPrefix(shape.index) }, "\(shape.query)\n\(steps)")
            let scans = plan.filter { $0.hasPrefix("SCAN") && !$0.hasPrefix(shape.index) }
            #expect(scans.isEmpty, "\(shape.query)\n\(steps)")
            #expect(!plan.contains { $0.contains("TEMP B-TREE") } || shape.sorts, "\(shape.query)\n\(steps)")
        }
        try sink.close()
    }

    /// An access by the app; what nobody did is looked for.
    private static func entries(_ count: Int) -> [AuditEntry] {
        (1...Int64(count)).map { sequence in
            AuditSinkContract.entry(sequence, at: sequence) { $0.interaction = .searchType }
        }
    }

    @Test(.verifies("audit@search-bounded"))
    func `what is not there is looked for a bounded piece at a time, and what is there is found at last`() throws {
        let sink = try AuditSQLiteSink(path: path)
        try sink.append(Self.entries(50_100))
        var content = AuditContentFilter()
        content.scopes = ["system/*.rs"]
        let nothing = AuditQuery(interactions: ["delete"], limit: 10)
        let first = AuditQuery(interactions: ["search-type"], to: 3, limit: 10)

        for order in [AuditOrder.newestFirst, .oldestFirst] {
            for query in [nothing, AuditQuery(clientID: ClientID("app"), outcomes: ["refused"], order: order)] {
                var query = query
                query.order = order
                let page = try sink.search(query)
                #expect(page.entries.isEmpty && page.looked == 50_000 && page.next != nil)
                query.after = page.next
                let last = try sink.search(query)
                #expect(last.entries.isEmpty && last.looked == 100 && last.next == nil)
            }
            var query = AuditQuery(patient: "patient-a", order: order, limit: 10)
            let page = try sink.search(query, content: content)
            #expect(page.entries.isEmpty && (50_000...51_000).contains(page.looked) && page.next != nil)
            query.after = page.next
            #expect(try sink.search(query, content: content).next == nil)
        }
        // An index that leaves little is gone along even where another condition would leave nothing.
        #expect(try sink.search(first).entries.map(\.sequence) == [2, 1])
        #expect(try sink.search(first).looked == 2)
        #expect(try sink.count(nothing, most: 100_000) == 0)
        #expect(try sink.count(nothing, most: 50_000) == nil)
        #expect(try sink.count(AuditQuery(), content: content, most: 50_000) == nil)
        #expect(try sink.count(AuditQuery(), content: content, most: 50_100) == 0)
        try sink.close()
    }

    @Test(.verifies("audit@search-bounded")) func `several rare kinds are merged and none is read to its end`() throws {
        let sink = try AuditSQLiteSink(path: path)
        var log = ScriptedAuditLog(node: "n", seed: 3)
        try sink.append(log.add(2_000))
        let query = AuditQuery(kinds: ["user-changed", "policy-changed"], limit: 5)

        let page = try sink.search(query)

        #expect(page.entries.count == 5 && page.looked == 5)
        let all = try sink.search(AuditQuery(kinds: ["user-changed", "policy-changed"], limit: 1000))
        #expect(all.looked == all.entries.count && all.entries.count > 50)
        #expect(Set(all.entries.map(\.index.kind)).count == 2)
        try sink.close()
    }
}
