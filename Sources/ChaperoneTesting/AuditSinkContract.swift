internal import AccessPolicy
public import Audit
internal import Testing

/// What every audit sink must do, whatever engine it has; each case is one promise.
public enum AuditSinkContract: String, CaseIterable, Sendable {
    case givesBackWhatItStored
    case storesAllOrNothing
    case refusesATakenSequence
    case refusesASecondClosing
    case keepsChainsOfNodesApart
    case knowsWhatIsUnfinished
    case knowsWhichEventsItHas
    case pagesNewestFirstWithoutGaps
    case findsByEveryFilter
    case hidesOpeningsThatWereClosed
    case hidesWhatWasWithdrawn
    case scansInTheOrderOfStoring
    case findsByHash
    case pagesOldestFirstToo
    case keepsToWhatTheFirstPageSaw
    case countsWhatItFinds

    /// Checks the promise on a fresh, empty sink.
    public func check(_ sink: any AuditSink) throws {
        switch self {
        case .givesBackWhatItStored: try Self.givesBack(sink)
        case .storesAllOrNothing: try Self.allOrNothing(sink)
        case .refusesATakenSequence: try Self.takenSequence(sink)
        case .refusesASecondClosing: try Self.secondClosing(sink)
        case .keepsChainsOfNodesApart: try Self.nodes(sink)
        case .knowsWhatIsUnfinished: try Self.unfinished(sink)
        case .knowsWhichEventsItHas: try Self.events(sink)
        case .pagesNewestFirstWithoutGaps: try Self.pages(sink)
        case .findsByEveryFilter: try Self.filters(sink)
        case .hidesOpeningsThatWereClosed: try Self.hidden(sink)
        case .hidesWhatWasWithdrawn: try Self.withdrawn(sink)
        case .scansInTheOrderOfStoring: try Self.scan(sink)
        case .findsByHash: try Self.hashes(sink)
        case .pagesOldestFirstToo: try Self.oldestFirst(sink)
        case .keepsToWhatTheFirstPageSaw: try Self.appendedMeanwhile(sink)
        case .countsWhatItFinds: try Self.counts(sink)
        }
    }

    /// An entry with plausible hashes, for sinks that store and do not judge.
    public static func entry(
        _ sequence: Int64, node: String = "a", at time: Int64 = 1000, phase: AuditPhase = .whole,
        closes: Int64? = nil, _ change: (inout AccessRecord) -> Void = { _ in }
    ) -> AuditEntry {
        var record = AccessRecord(
            decisionID: DecisionID("decision-\(node)-\(closes ?? sequence)"), clientID: ClientID("app"),
            subject: SubjectID("patient-a"), grantID: GrantID("grant-1"), scopes: ["patient/Observation.rs"],
            patients: ["patient-a"], interaction: .read, resourceType: "Observation", resourceID: "o\(sequence)",
            method: "GET", path: "/Observation/o\(sequence)", outcome: .permitted, status: 200, startedAt: time)
        change(&record)
        let statement = AuditStatement(event: .access(record), phase: phase, closes: closes)
        return AuditEntry(
            node: node, sequence: sequence, recordedAt: time, previous: hash(sequence - 1), hash: hash(sequence),
            body: statement.encoded, index: AuditIndex(statement))
    }

    static func hash(_ number: Int64) -> ChainHash {
        ChainHash(bytes: (0..<32).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0) }) ?? .origin
    }

    private static func givesBack(_ sink: any AuditSink) throws {
        #expect(try sink.head(of: "a") == nil)
        let first = entry(1) { $0.patients = ["patient-b", "patient-a", "patient-c"] }
        let second = entry(2) {
            $0.clientID = nil; $0.subject = nil; $0.grantID = nil; $0.patients = []
        }

        try sink.append([first, second])

        #expect(try sink.scan("a", after: 0, limit: 10).map(\.entry) == [first, second])
        #expect(try sink.head(of: "a") == second)
    }

    private static func allOrNothing(_ sink: any AuditSink) throws {
        try sink.append([entry(1)])
        #expect(throws: (any Error).self) { try sink.append([entry(2), entry(3), entry(1)]) }
        #expect(try sink.head(of: "a")?.sequence == 1)
        #expect(try sink.search(AuditQuery()).entries.count == 1)
    }

    private static func takenSequence(_ sink: any AuditSink) throws {
        try sink.append([entry(1)])
        #expect(throws: (any Error).self) { try sink.append([entry(1) { $0.status = 404 }]) }
        #expect(try sink.head(of: "a") == entry(1))
    }

    private static func secondClosing(_ sink: any AuditSink) throws {
        try sink.append([entry(1, phase: .opening), entry(2, phase: .closing, closes: 1)])
        #expect(throws: (any Error).self) { try sink.append([entry(3, phase: .interrupted, closes: 1)]) }
    }

    private static func nodes(_ sink: any AuditSink) throws {
        try sink.append([entry(1, node: "b"), entry(2, node: "b")])
        try sink.append([entry(1, node: "a")])
        #expect(try sink.nodes() == ["a", "b"])
        #expect(try sink.head(of: "a")?.sequence == 1)
        #expect(try sink.head(of: "b")?.sequence == 2)
        #expect(try sink.head(of: "c") == nil)
    }

    private static func unfinished(_ sink: any AuditSink) throws {
        try sink.append([
            entry(1, phase: .opening), entry(2), entry(3, phase: .opening), entry(4, phase: .opening),
            entry(5, phase: .closing, closes: 3),
        ])
        try sink.append([entry(1, node: "b", phase: .opening)])
        #expect(try sink.unfinished(on: "a", through: 5).map(\.sequence) == [1, 4])
        #expect(try sink.unfinished(on: "a", through: 3).map(\.sequence) == [1])
        try sink.append([entry(6, phase: .interrupted, closes: 1)])
        #expect(try sink.unfinished(on: "a", through: 6).map(\.sequence) == [4])
        #expect(try sink.unfinishedNodes() == ["a", "b"])
        try sink.append([entry(7, phase: .closing, closes: 4)])
        #expect(try sink.unfinishedNodes() == ["b"])
    }

    private static func events(_ sink: any AuditSink) throws {
        try sink.append([entry(1)])
        #expect(try sink.contains(DecisionID("decision-a-1")))
        #expect(try !sink.contains(DecisionID("decision-a-2")))
    }

    private static func pages(_ sink: any AuditSink) throws {
        // Times with ties and one step back, as clocks do.
        let times: [Int64] = [10, 20, 20, 20, 15, 30, 30]
        try sink.append(times.enumerated().map { entry(Int64($0.offset + 1), at: $0.element) })
        var seen: [Int64] = []
        var query = AuditQuery(limit: 2)
        repeat {
            let page = try sink.search(query)
            #expect(page.entries.count <= 2)
            seen += page.entries.map(\.sequence)
            query.after = page.next
        } while query.after != nil
        #expect(seen == [7, 6, 4, 3, 2, 5, 1])
    }

    private static func filters(_ sink: any AuditSink) throws {
        try sink.append([
            entry(1, at: 100),
            entry(2, at: 200) {
                $0.patients = ["patient-b", "patient-a"]; $0.clientID = ClientID("other")
            },
            entry(3, at: 300) {
                $0.subject = SubjectID("dr-a"); $0.grantID = GrantID("grant-2")
            },
            entry(4, at: 400) {
                $0.outcome = .refused(reason: "scope"); $0.interaction = .searchType
            },
            entry(5, at: 500) {
                $0.resourceType = "Claim"; $0.patients = []
            },
        ])
        func found(_ query: AuditQuery) throws -> [Int64] { try sink.search(query).entries.map(\.sequence) }
        #expect(try found(AuditQuery(patient: "patient-a")) == [4, 3, 2, 1])
        #expect(try found(AuditQuery(patient: "patient-b")) == [2])
        #expect(try found(AuditQuery(patient: "patient")) == [])
        #expect(try found(AuditQuery(clientID: ClientID("other"))) == [2])
        #expect(try found(AuditQuery(subject: SubjectID("dr-a"))) == [3])
        #expect(try found(AuditQuery(grantID: GrantID("grant-2"))) == [3])
        #expect(try found(AuditQuery(eventID: DecisionID("decision-a-4"))) == [4])
        #expect(try found(AuditQuery(kinds: ["login"])) == [])
        #expect(try found(AuditQuery(outcomes: ["refused", "failed"])) == [4])
        #expect(try found(AuditQuery(resourceType: "Claim")) == [5])
        #expect(try found(AuditQuery(interactions: ["search-type"])) == [4])
        #expect(try found(AuditQuery(from: 200, to: 400)) == [3, 2])
        #expect(try found(AuditQuery(patient: "patient-a", outcomes: ["permitted"], from: 101, to: 301)) == [3, 2])
    }

    private static func hidden(_ sink: any AuditSink) throws {
        try sink.append([
            entry(1, phase: .opening) { $0.outcome = .pending }, entry(2, phase: .opening) { $0.outcome = .pending },
            entry(3, phase: .closing, closes: 1),
        ])
        #expect(try sink.search(AuditQuery()).entries.map(\.sequence) == [3, 2])
        #expect(try sink.search(AuditQuery(includesClosedOpenings: true)).entries.map(\.sequence) == [3, 2, 1])
    }

    private static func withdrawn(_ sink: any AuditSink) throws {
        try sink.append([
            entry(1), entry(2, phase: .interrupted, closes: 1) { $0.outcome = .interrupted(reason: "not given") },
            entry(3, phase: .opening) { $0.outcome = .pending }, entry(4, phase: .closing, closes: 3),
            entry(5, phase: .interrupted, closes: 4) { $0.outcome = .interrupted(reason: "cut") }, entry(6),
        ])
        // The chain of another node has its own numbers.
        try sink.append([entry(1, node: "b")])
        let found = try sink.search(AuditQuery(patient: "patient-a")).entries
        #expect(found.map { "\($0.node)\($0.sequence)" } == ["b1", "a6", "a5", "a2"])
        #expect(try sink.search(AuditQuery(outcomes: ["permitted"])).entries.map(\.sequence) == [1, 6])
        #expect(try sink.search(AuditQuery(includesClosedOpenings: true)).entries.count == 7)
    }

    private static func scan(_ sink: any AuditSink) throws {
        try sink.append((1...5).map { entry($0, at: 100 - $0) })
        try sink.append([entry(1, node: "b")])
        let first = try sink.scan("a", after: 0, limit: 3)
        let rest = try sink.scan("a", after: first.last?.position ?? 0, limit: 3)
        #expect((first + rest).map(\.entry.sequence) == [1, 2, 3, 4, 5])
    }
}
