import AccessPolicy
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import Audit

/// A feed delivers everything at least once, whatever its receiver does.
@Suite(.verifies("audit@feeds")) struct AuditFeedTests {
    /// A receiver that fails by lot, and loses what it had not settled; a log that grows meanwhile.
    @Test(arguments: UInt64(1)...100) func `nothing is lost over a receiver that comes and goes`(seed: UInt64) {
        var random = SeededRandom(state: seed)
        let settles: Int64 = seed.isMultiple(of: 2) ? 0 : 2000
        var machine = AuditFeedMachine(delivered: 0, settles: settles)
        var action = machine.first
        var now: Int64 = 0
        var newest: Int64 = 40
        var stored: Int64 = 0
        var received: Set<Int64> = []
        var inFlight: [(numbers: ClosedRange<Int64>, at: Int64)] = []

        for step in 0..<20_000 {
            let isAway = step < 18_000 && Int.random(in: 0..<4, using: &random) == 0
            if step < 5000, Int.random(in: 0..<50, using: &random) == 0 { newest += 7 }
            // What has settled is safe; what has not is lost with the connection.
            for sent in inFlight where now - sent.at >= settles { received.formUnion(sent.numbers) }
            inFlight.removeAll { now - $0.at >= settles }
            switch action {
            case .wait(let milliseconds):
                #expect(milliseconds > 0 && milliseconds <= 300_000)
                now += milliseconds
                action = machine.waited(at: now)
            case .send(let position):
                if isAway {
                    inFlight = []
                    action = machine.handle(.failed, at: now)
                } else if position >= newest {
                    action = machine.handle(.nothing, at: now)
                } else {
                    let through = min(newest, position + 10)
                    inFlight.append(((position + 1)...through, now))
                    now += 5
                    action = machine.handle(.sent(through: through), at: now)
                }
            case .confirm(let through):
                if isAway {
                    inFlight = []
                    action = machine.handle(.failed, at: now)
                } else {
                    #expect(through >= stored)
                    stored = through
                    action = machine.handle(.confirmed(through: through), at: now)
                }
            }
            // The cursor never stands before something that the receiver has not got.
            #expect(
                (1...max(1, stored)).allSatisfy {
                    stored == 0 || received.contains($0) || inFlight.contains { _ in settles == 0 }
                })
            if stored == newest, step > 5000 { break }
        }
        #expect(stored == newest)
    }

    /// Ten records a second; the receiver is away for the second hour of three, by a clock that only the waits move.
    @Test(arguments: [Int64(0), 2000])
    func `a receiver that is away for an hour is asked seldom, then gets everything in pieces`(settles: Int64) {
        let hour: Int64 = 3_600_000
        var machine = AuditFeedMachine(delivered: 0, settles: settles)
        var action = machine.first
        var (now, stored, asked, largest): (Int64, Int64, Int, Int64) = (0, 0, 0, 0)
        var received: Set<Int64> = []
        var inFlight: ClosedRange<Int64>?
        var lagAfterReturn: Int64?

        while now < 3 * hour {
            let newest = now / 100
            let isAway = (hour..<2 * hour).contains(now)
            switch action {
            case .wait(let milliseconds):
                now += milliseconds
                action = machine.waited(at: now)
            case .send, .confirm:
                guard !isAway else {
                    asked += 1
                    // What was not confirmed is lost with the receiver.
                    inFlight = nil
                    action = machine.handle(.failed, at: now)
                    continue
                }
                now += 20
                if case .confirm(let through) = action {
                    if let sent = inFlight {
                        received.formUnion(sent.lowerBound...through)
                        inFlight = through < sent.upperBound ? (through + 1)...sent.upperBound : nil
                    }
                    stored = through
                    action = machine.handle(.confirmed(through: through), at: now)
                } else if case .send(let position) = action, position < newest {
                    let through = min(newest, position + 100)
                    largest = max(largest, through - position)
                    inFlight = (inFlight?.lowerBound ?? position + 1)...through
                    action = machine.handle(.sent(through: through), at: now)
                } else {
                    action = machine.handle(.nothing, at: now)
                }
                if now >= 2 * hour, lagAfterReturn == nil, newest - stored < 200 { lagAfterReturn = now - 2 * hour }
            }
        }

        // Doubling waits up to five minutes.
        #expect(asked <= 22)
        #expect(largest <= 100)
        #expect(received.isSuperset(of: 1...stored), "what the cursor has passed was received")
        #expect(now / 100 - stored < 400)
        #expect((lagAfterReturn ?? .max) < 20 * 60_000)
    }

    @Test func `waits double after each failure up to five minutes`() {
        var machine = AuditFeedMachine(delivered: 5, settles: 0)
        var waits: [AuditFeedMachine.Action] = []
        for _ in 0..<12 { waits.append(machine.handle(.failed, at: 0)) }
        #expect(waits.prefix(4) == [.wait(1000), .wait(2000), .wait(4000), .wait(8000)])
        #expect(waits.suffix(2) == [.wait(300_000), .wait(300_000)])
        #expect(machine.waited(at: 0) == .send(after: 5))
    }

    @Test func `after a failure everything behind the cursor is sent again`() {
        var machine = AuditFeedMachine(delivered: 0, settles: 2000)
        #expect(machine.handle(.sent(through: 10), at: 0) == .send(after: 10))
        #expect(machine.handle(.sent(through: 20), at: 1) == .send(after: 20))
        _ = machine.handle(.failed, at: 2)
        #expect(machine.waited(at: 1002) == .send(after: 0))
    }

    private static func batch() async throws -> AuditFeedBatch {
        let sink = InMemoryAuditSink()
        let recorder = try AuditRecorder(sink: sink, node: "node 1")
        _ = try await recorder.record(sampleRecord("d-1")).decisionID
        _ = try await recorder.record(sampleRecord("d-2") { $0.outcome = .refused(reason: "r") }).decisionID
        let checkpoint = StoredAuditCheckpoint(position: 1, node: "n", number: 1, sequence: 1, compact: "a.b.c")
        return AuditFeedBatch(items: sink.entries.map { .record($0) } + [.checkpoint(checkpoint)], through: 2)
    }

    @Test func `a repository gets a batch of events to be created`() async throws {
        let bundle = AuditFeedMessage.bundle(try await Self.batch(), system: sampleSystem)

        #expect(bundle["type"]?.string == "batch")
        #expect(bundle["entry"]?.array?.count == 2)
        #expect(bundle["entry"]?.array?.first?["request"]?["url"]?.string == "AuditEvent")
        #expect(bundle["entry"]?.array?.first?["resource"]?["resourceType"]?.string == "AuditEvent")
    }

    @Test func `syslog messages are framed by their length`() async throws {
        let bytes = AuditFeedMessage.frames(try await Self.batch(), system: sampleSystem, host: "auth.example.org")
        var rest = bytes[...]
        var messages: [String] = []
        while let blank = rest.firstIndex(of: UInt8(ascii: " ")) {
            let length = try #require(Int(String(decoding: rest[..<blank], as: UTF8.self)))
            messages.append(String(decoding: rest[(blank + 1)..<(blank + 1 + length)], as: UTF8.self))
            rest = rest[(blank + 1 + length)...]
        }

        #expect(rest.isEmpty)
        #expect(messages.count == 3)
        // Facility 13, notice; warning for what was refused.
        #expect(messages[0].hasPrefix("<109>1 2"))
        #expect(messages[1].hasPrefix("<108>1 2"))
        #expect(messages[0].contains(" auth.example.org chaperone node1 access - {\"resourceType\":\"AuditEvent\""))
        #expect(messages[2] == "<109>1 - auth.example.org chaperone n checkpoint - a.b.c")
    }
}
