import AccessPolicy
import Audit
import Foundation
import OAuthCore
import Persistence
import RequirementTraits
import Synchronization
import Testing

/// A round of retention looks at what may have become due since the last one, and removes what a look at everything would.
@Suite(.verifies("audit@retention"), .timeLimit(.minutes(5))) struct AuditRetentionMemoryTests {
    private static let day: Int64 = 86_400_000
    private static let entities: [String?] = [nil, "short", "middle", "long"]
    private static let rules: [AuditRetentionPolicy.Rule] = [
        .init(recordClass: .anonymous, days: 10), .init(recordClass: .access, reportingEntity: "short", days: 25),
        .init(recordClass: .access, reportingEntity: "middle", days: 60),
    ]

    /// A log, its recorder and a retention that counts the entries it reads.
    private final class Bench: Sendable {
        let folder: LogFolder
        let sink: AuditSQLiteSink
        let recorder: AuditRecorder
        let retention: AuditRetention
        let counting: CountingStore
        private let key: PrivateJWK
        private let clock: AuditClock
        /// Up to where a feed has delivered.
        let delivered: Delivered

        init(_ clock: AuditClock, batch: Int) throws {
            folder = try LogFolder()
            key = try PrivateJWK.generate(.es256)
            self.clock = clock
            sink = try AuditSQLiteSink(path: "\(folder.path)/audit.db")
            let recorder = try AuditRecorder(sink: sink, node: "n", clock: clock)
            self.recorder = recorder
            counting = CountingStore(sink)
            let delivered = Delivered()
            self.delivered = delivered
            retention = AuditRetention(
                node: "n", store: counting, policy: AuditRetentionPolicy(rules: AuditRetentionMemoryTests.rules),
                key: key, clock: clock, delivered: { delivered.position.withLock { $0 } }, batch: batch
            ) { try await recorder.recordOnce($0) }
        }

        final class Delivered: Sendable { let position = Mutex<Int64>(.max) }

        /// Opens an access, and closes it or leaves it open.
        func open(_ record: AccessRecord, isClosed: Bool) async throws {
            let receipt = try await recorder.open(record)
            if isClosed { _ = try await recorder.close(receipt, record).decisionID }
        }

        func checkpoint() async throws {
            let recorder = recorder
            try await AuditCheckpointer(node: "n", store: sink, key: key, clock: clock) {
                try await recorder.recordOnce($0)
            }.make()
        }

        /// What is left, but for the marks of checkpoints and removals, of which the two ways make different numbers.
        func left() throws -> [String] {
            try sink.entries(after: 0, limit: 100_000).map(\.entry.index)
                .filter { !["checkpoint", "records-removed"].contains($0.kind) }
                .map { "\($0.eventID.text) \($0.phase)" }
        }

        func findings() throws -> [AuditFinding] {
            try AuditSQLiteVerification.verify(
                path: "\(folder.path)/audit.db", keys: JWKSet([key.publicKey])
            ).findings
        }
    }

    private final class TestTime: Sendable {
        private let value = Mutex<Int64>(1_700_000_000_000)
        var clock: AuditClock { AuditClock { self.value.withLock { $0 } } }
        func pass(_ milliseconds: Int64) { value.withLock { $0 += milliseconds } }
    }

    private func record(_ id: String, _ entity: String?, patient: String = "p", isAnonymous: Bool = false)
        -> AccessRecord
    {
        AccessRecord(
            decisionID: DecisionID(id), clientID: isAnonymous ? nil : ClientID("app"),
            tokenID: isAnonymous ? nil : TokenID("t"), patients: [patient], interaction: .read,
            resourceType: "Observation", resourceID: "o", method: "GET", path: "/Observation/o", outcome: .permitted,
            status: 200, released: 1, startedAt: 5, reportingEntity: entity)
    }

    @Test func `what stays for years is not read again by every round`() async throws {
        let time = TestTime()
        let bench = try Bench(time.clock, batch: 50)
        for start in 0..<40 {
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    let one = record("d-\(start)-\(number)", nil, isAnonymous: number == 0)
                    group.addTask { _ = try? await bench.recorder.record(one).decisionID }
                }
            }
            try await bench.checkpoint()
            time.pass(Self.day)
        }

        let first = try await bench.retention.goOn()
        let readFirst = bench.counting.read
        time.pass(Self.day)
        try await bench.checkpoint()
        let second = try await bench.retention.goOn()
        let readSecond = bench.counting.read - readFirst
        let rehearsal = try await bench.retention.run(isRehearsal: true)

        #expect(first.removed >= 29 && second.removed >= 1)
        #expect(rehearsal.removed == 0)
        #expect(readFirst >= 3000)
        // Of each span a few pages behind where the last round ended.
        #expect(readSecond <= 1200)
        #expect(try bench.findings() == [])
    }

    private enum Step: CaseIterable { case write, open, hold, lift, deliver, holdBack, checkpoint, pass }

    @Test(arguments: UInt64(1)...12)
    func `round by round the same goes as by looking at everything`(seed: UInt64) async throws {
        var random = SeededNumbers(state: seed)
        let time = TestTime()
        let (remembering, looking) = (try Bench(time.clock, batch: 7), try Bench(time.clock, batch: 1000))
        let both = [remembering, looking]
        var number = 0
        var held: [String] = []

        for round in 0..<14 {
            for _ in 0..<10 {
                number += 1
                switch Step.allCases.randomElement(using: &random) ?? .write {
                case .write:
                    for offset in 0..<4 {
                        let entity = Self.entities[Int.random(in: 0..<4, using: &random)]
                        let one = record(
                            "d-\(number)-\(offset)", entity, patient: "p-\(Int.random(in: 0..<3, using: &random))",
                            isAnonymous: Bool.random(using: &random))
                        for bench in both { _ = try await bench.recorder.record(one).decisionID }
                    }
                case .open:
                    let (one, isClosed) = (record("o-\(number)", "short"), Bool.random(using: &random))
                    for bench in both { try await bench.open(one, isClosed: isClosed) }
                case .hold:
                    held.append("h-\(number)")
                    for bench in both {
                        try await bench.recorder.record(
                            AuthorizationRecord(
                                placing: LegalHold(
                                    id: "h-\(number)", patient: "p-\(number % 3)", reason: "claim", placedBy: "admin",
                                    placedAt: 1), id: DecisionID("place-\(number)"), sourceAddress: "local",
                                traceID: nil))
                    }
                case .lift:
                    guard let id = held.popLast() else { break }
                    for bench in both {
                        try await bench.recorder.record(
                            AuthorizationRecord(
                                lifting: id, by: "admin", id: DecisionID("lift-\(number)"), sourceAddress: "local",
                                at: 2, traceID: nil))
                    }
                case .deliver: for bench in both { bench.delivered.position.withLock { $0 = .max } }
                case .holdBack: for bench in both { bench.delivered.position.withLock { $0 = 3 } }
                case .checkpoint: for bench in both { try await bench.checkpoint() }
                case .pass: time.pass(Int64.random(in: 0..<12 * Self.day, using: &random))
                }
            }
            _ = try await remembering.retention.goOn()
            _ = try await looking.retention.run()
            #expect(try remembering.left() == looking.left(), "round \(round)")
        }
        #expect(try remembering.findings() == [])
    }
}

/// Small deterministic random numbers (SplitMix64).
private struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A store that counts the entries that are read out of it in order. A class because retention and test look at the same
/// number; the lock is `count`.
private final class CountingStore: AuditRetentionStore {
    private let store: AuditSQLiteSink
    private let count = Mutex(0)
    var read: Int { count.withLock { $0 } }

    init(_ store: AuditSQLiteSink) { self.store = store }

    func entries(after position: Int64, limit: Int) throws -> [StoredAuditEntry] {
        let page = try store.entries(after: position, limit: limit)
        count.withLock { $0 += page.count }
        return page
    }
    func latestRemoval() throws -> StoredAuditRemoval? { try store.latestRemoval() }
    func remove(_ removal: SignedAuditRemoval, runs: [AuditRemovedRun], judgedUnder holds: [LegalHold]) throws -> Bool {
        try store.remove(removal, runs: runs, judgedUnder: holds)
    }
    func isOpen(_ sequence: Int64, of node: String) throws -> Bool { try store.isOpen(sequence, of: node) }
    func holds() throws -> [LegalHold] { try store.holds() }
    func holdFindings() throws -> [AuditFinding] { try store.holdFindings() }
    func append(_ checkpoint: SignedAuditCheckpoint) throws { try store.append(checkpoint) }
    func latestCheckpoints() throws -> [StoredAuditCheckpoint] { try store.latestCheckpoints() }
    func checkpoints(after position: Int64, limit: Int) throws -> [StoredAuditCheckpoint] {
        try store.checkpoints(after: position, limit: limit)
    }
    func checkpoint(of node: String, reaching sequence: Int64) throws -> StoredAuditCheckpoint? {
        try store.checkpoint(of: node, reaching: sequence)
    }
    func links(of node: String, in places: Range<Int64>) throws -> [AuditInclusionProof.Link] {
        try store.links(of: node, in: places)
    }
    func hash(at sequence: Int64, of node: String) throws -> ChainHash? { try store.hash(at: sequence, of: node) }
    func end(of node: String) throws -> (end: AuditChainEnd, kind: String)? { try store.end(of: node) }
}
