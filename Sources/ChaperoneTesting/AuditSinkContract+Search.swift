internal import AccessPolicy
internal import Audit
internal import Testing

/// Promises about order, pages and numbers.
extension AuditSinkContract {
    static func hashes(_ sink: any AuditSink) throws {
        try sink.append([
            entry(1, phase: .opening) { $0.outcome = .pending }, entry(2), entry(3, phase: .closing, closes: 1),
            entry(4) { $0.clientID = ClientID("other") },
        ])
        func found(_ hashes: Set<ChainHash>, _ change: (inout AuditQuery) -> Void = { _ in }) throws -> [Int64] {
            var query = AuditQuery(hashes: hashes)
            change(&query)
            return try sink.search(query).entries.map(\.sequence)
        }
        #expect(try found([hash(2)]) == [2])
        #expect(try found([hash(9)]) == [])
        #expect(try found([hash(2), hash(4), hash(9)]) == [4, 2])
        #expect(try found([hash(2), hash(4)]) { $0.order = .oldestFirst } == [2, 4])
        // A hash narrows like any other condition.
        #expect(try found([hash(1)]) == [])
        #expect(try found([hash(1)]) { $0.includesClosedOpenings = true } == [1])
        #expect(try found([hash(2), hash(4)]) { $0.clientID = ClientID("app") } == [2])
        #expect(try found([hash(2)]) { $0.patient = "patient-a" } == [2])
        #expect(try found([hash(2)]) { $0.patient = "patient-b" } == [])
        #expect(try found([hash(2)]) { $0.eventID = DecisionID("decision-a-4") } == [])
        #expect(try found([hash(2)]) { $0.from = 1001 } == [])
    }

    static func oldestFirst(_ sink: any AuditSink) throws {
        // Times with ties and one step back, as clocks do.
        let times: [Int64] = [10, 20, 20, 20, 15, 30, 30]
        try sink.append(times.enumerated().map { entry(Int64($0.offset + 1), at: $0.element) })
        for patient in [nil, "patient-a"] {
            for size in 1...3 {
                var query = AuditQuery(patient: patient, order: .oldestFirst, limit: size)
                #expect(try all(&query, sink) == [1, 5, 2, 3, 4, 6, 7])
            }
        }
    }

    /// Pages are of the state in which the first one was read: what is appended meanwhile, with whatever time, is on none of
    /// them, and what is closed meanwhile is still open on them.
    static func appendedMeanwhile(_ sink: any AuditSink) throws {
        try sink.append([
            entry(1, at: 10), entry(2, at: 20, phase: .opening) { $0.outcome = .pending },
            entry(3, at: 30, phase: .opening) { $0.outcome = .pending }, entry(4, at: 40),
        ])
        var pagers: [(query: AuditQuery, seen: [Int64])] = []
        for order in [AuditOrder.newestFirst, .oldestFirst] {
            for patient in [nil, "patient-a"] {
                var query = AuditQuery(patient: patient, order: order, limit: 1)
                let first = try sink.search(query)
                query.after = first.next
                pagers.append((query, first.entries.map(\.sequence)))
            }
        }

        // The clock was set back: one comes before everything, one between, one at the end; and both openings end.
        try sink.append([
            entry(5, at: 5), entry(6, at: 25), entry(7, at: 50, phase: .closing, closes: 2),
            entry(8, at: 15, phase: .interrupted, closes: 3),
        ])

        for pager in pagers {
            var query = pager.query
            let seen = try pager.seen + all(&query, sink)
            #expect(seen == (query.order == .newestFirst ? [4, 3, 2, 1] : [1, 2, 3, 4]))
        }
        #expect(try sink.search(AuditQuery()).entries.map(\.sequence) == [7, 4, 6, 8, 1, 5])
        #expect(try sink.search(AuditQuery(through: 4)).entries.map(\.sequence) == [4, 3, 2, 1])
        #expect(try sink.count(AuditQuery(through: 4), most: 100) == 4)
        #expect(try sink.count(AuditQuery(), most: 100) == 6)
    }

    static func counts(_ sink: any AuditSink) throws {
        try sink.append(
            (1...9).map { number in
                entry(number, at: number) { $0.clientID = ClientID(number.isMultiple(of: 3) ? "other" : "app") }
            })
        #expect(try sink.count(AuditQuery(limit: 2), most: 100) == 9)
        #expect(try sink.count(AuditQuery(clientID: ClientID("other")), most: 100) == 3)
        #expect(try sink.count(AuditQuery(clientID: ClientID("other"), from: 4, to: 9), most: 100) == 1)
        #expect(try sink.count(AuditQuery(clientID: ClientID("nobody")), most: 100) == 0)
        #expect(try sink.count(AuditQuery(), most: 9) == 9)
        #expect(try sink.count(AuditQuery(), most: 8) == nil)
    }

    /// The sequences on all pages from the query's place on.
    private static func all(_ query: inout AuditQuery, _ sink: any AuditSink) throws -> [Int64] {
        var seen: [Int64] = []
        repeat {
            let page = try sink.search(query)
            #expect(page.entries.count <= query.limit && page.entries.count <= page.looked)
            seen += page.entries.map(\.sequence)
            query.after = page.next
        } while query.after != nil
        return seen
    }
}
