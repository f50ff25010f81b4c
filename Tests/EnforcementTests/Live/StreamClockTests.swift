import AccessPolicy
import Audit
import ChaperoneTesting
import Dispatch
import NIOCore
import NIOEmbedded
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

/// Answers that stream, with the clock and both connections in the test's hand.
@Suite(.timeLimit(.minutes(2))) struct StreamClockTests {
    private static let start = #"{"resourceType":"Bundle","type":"searchset","entry":["#

    private static func entry(_ number: Int, of patient: String = "pA") -> String {
        let note = String(repeating: "x", count: 1_000)
        return
            #"{"resource":{"resourceType":"Observation","id":"o\#(number)","subject":{"reference":"Patient/\#(patient)"},"note":[{"text":"\#(note)"}]}}"#
    }

    private static let limits: Enforcer.Limits = {
        var limits = Enforcer.Limits()
        limits.answerBytes = 500
        return limits
    }()

    /// A gateway that has begun to stream one entry to its client.
    private func streaming(
        _ limits: GatewayLimits = GatewayLimits(), sink: InMemoryAuditSink = InMemoryAuditSink()
    ) async throws -> ManualGateway {
        let gateway = try await ManualGateway.start(limits: limits, enforcerLimits: Self.limits, sink: sink)
        try await gateway.get("/Observation")
        try await gateway.serveHead()
        try await gateway.serve(Self.start + Self.entry(1))
        try await gateway.wait { gateway.written > 1_000 }
        return gateway
    }

    @Test(.verifies("house@STREAMING"))
    func `a server is not read while its client does not read`() async throws {
        let gateway = try await streaming()
        #expect(gateway.isReadingServer)

        try await gateway.takes(false)
        let held = gateway.isReadingServer
        // What was on its way is judged and written all the same, and nothing more is asked for.
        try await gateway.serve("," + Self.entry(2))
        let stillHeld = gateway.isReadingServer
        try await gateway.takes(true)

        #expect(!held && !stillHeld)
        #expect(gateway.isReadingServer)
        try await gateway.stop()
    }

    @Test(.verifies("house@STREAMING"))
    func `a server is not read while the opening record is being written`() async throws {
        let stuck = DispatchSemaphore(value: 0)
        let sink = InMemoryAuditSink(gate: { _ = stuck.wait(timeout: .now() + 30) })
        let gateway = try await ManualGateway.start(enforcerLimits: Self.limits, sink: sink)
        try await gateway.get("/Observation")
        try await gateway.serveHead()
        try await gateway.serve(Self.start + Self.entry(1))
        let (held, before) = (gateway.isReadingServer, gateway.written)

        stuck.signal()
        try await gateway.wait { gateway.written > 0 }

        #expect(!held && before == 0)
        #expect(gateway.isReadingServer)
        stuck.signal()
        try await gateway.stop()
    }

    @Test(.verifies("house@STREAM-ROOM"))
    func `a client that takes nothing is let go, and the record says interrupted`() async throws {
        let gateway = try await streaming()
        try await gateway.takes(false)

        await gateway.loop.advanceTime(by: .milliseconds(59_999))
        let before = gateway.isOpen
        await gateway.loop.advanceTime(by: .milliseconds(1))
        let after = gateway.isOpen
        try await gateway.wait { gateway.sink.entries.count == 2 }

        #expect(before && !after)
        #expect(gateway.sink.entries.map(\.index.phase) == [.opening, .interrupted])
        try await gateway.stop()
    }

    @Test(.verifies("house@STREAM-ROOM"))
    func `a client that takes a little now and then is let go too`() async throws {
        let gateway = try await streaming()
        // A kilobyte every twenty seconds: each time its connection takes more again.
        for number in 2..<5 {
            try await gateway.takes(false)
            await gateway.loop.advanceTime(by: .seconds(19))
            try await gateway.reads()
            try await gateway.takes(true)
            await gateway.loop.advanceTime(by: .seconds(1))
            try await gateway.serve("," + Self.entry(number))
        }
        #expect(gateway.isOpen, "fifty-seven seconds of waiting")

        try await gateway.takes(false)
        await gateway.loop.advanceTime(by: .seconds(3))

        #expect(!gateway.isOpen)
        try await gateway.wait { gateway.sink.entries.count == 2 }
        #expect(gateway.sink.entries.last?.index.phase == .interrupted)
        try await gateway.stop()
    }

    @Test(.verifies("house@STREAM-ROOM"))
    func `a client that reads fast enough is waited for as long as it takes`() async throws {
        var limits = GatewayLimits()
        limits.leastBytesPerSecond = 10
        let gateway = try await streaming(limits)
        try await gateway.reads()
        for number in 2..<12 {
            try await gateway.takes(false)
            try await gateway.serve("," + Self.entry(number))
            await gateway.loop.advanceTime(by: .seconds(30))
            try await gateway.reads()
            try await gateway.takes(true)
        }

        #expect(gateway.isOpen && gateway.written > 10_000)
        try await gateway.stop()
    }

    @Test(.verifies("house@BULK-INDEX"))
    func `what is held back for its patients goes after half a second, behind its part of the index`() async throws {
        let gateway = try await ManualGateway.start(
            enforcerLimits: Self.limits, scope: "system/*.rs",
            panels: .table(users: [:], clients: [ClientID("app"): .everyone]))
        try await gateway.get("/Observation")
        try await gateway.serveHead()
        try await gateway.serve(Self.start + Self.entry(1, of: "pB"))
        try await gateway.wait { gateway.sink.entries.count == 1 && gateway.isReadingServer }

        await gateway.loop.advanceTime(by: .milliseconds(499))
        let early = (gateway.written, gateway.sink.entries.count)
        await gateway.loop.advanceTime(by: .milliseconds(1))
        try await gateway.wait { gateway.written > 1_000 }
        let named = gateway.sink.entries
        // The same patient again costs nothing more.
        let before = gateway.written
        try await gateway.serve("," + Self.entry(2, of: "pB"))
        let (after, records) = (gateway.written, gateway.sink.entries.count)

        #expect(early == (0, 1))
        #expect(named.map(\.index.phase) == [.opening, .whole])
        #expect(named[1].index.patients.contains("pB"))
        #expect(after - before > 1_000 && records == 2)
        try await gateway.stop()
    }

    @Test(.verifies("house@BULK-INDEX", "audit@deadline", "audit@one-closed-record"))
    func `a part of the index that is durable too late is of nothing, and the answer has its end`() async throws {
        let stuck = DispatchSemaphore(value: 0)
        let isStuck = Mutex(false)
        let sink = InMemoryAuditSink(gate: {
            if isStuck.withLock({ $0 }) { _ = stuck.wait(timeout: .now() + 30) }
        })
        let gateway = try await ManualGateway.start(
            enforcerLimits: Self.limits, scope: "system/*.rs",
            panels: .table(users: [:], clients: [ClientID("app"): .everyone]), sink: sink)
        try await gateway.get("/Observation")
        try await gateway.serveHead()
        try await gateway.serve(Self.start + Self.entry(1, of: "pB"))
        try await gateway.wait { sink.entries.count == 1 && gateway.isReadingServer }
        isStuck.withLock { $0 = true }
        // The part of the index hangs, and is given up after ten seconds.
        await gateway.loop.advanceTime(by: .milliseconds(500))
        await gateway.loop.advanceTime(by: .seconds(10))
        let written = gateway.written
        isStuck.withLock { $0 = false }
        stuck.signal()
        try await gateway.wait { sink.entries.count >= 4 && gateway.written > 0 }

        let entries = sink.entries
        #expect(written == 0 && gateway.written < 900, "an outcome, and no entry")
        #expect(entries[1].index.phase == .whole && entries[1].index.patients == ["pB"])
        #expect(entries.contains { $0.index.phase == .interrupted && $0.index.closes == 2 })
        #expect(entries.filter { $0.index.closes == 1 }.map(\.index.outcome) == ["failed"])
        try await gateway.stop()
    }

    @Test(.verifies("audit@not-given"))
    func `a client that hangs up while its record is written has a record that says so`() async throws {
        let stuck = DispatchSemaphore(value: 0)
        let isStuck = Mutex(true)
        let sink = InMemoryAuditSink(gate: {
            if isStuck.withLock({ $0 }) { _ = stuck.wait(timeout: .now() + 30) }
        })
        let gateway = try await ManualGateway.start(sink: sink)
        try await gateway.get("/Patient/pA")
        try await gateway.serveHead()
        try await gateway.serve(patientA)
        try await gateway.serveEnd()
        try await gateway.hangUp()

        isStuck.withLock { $0 = false }
        stuck.signal()
        try await gateway.wait { sink.entries.count == 2 }

        #expect(gateway.written == 0)
        #expect(sink.entries.map(\.index.phase) == [.whole, .interrupted])
        #expect(sink.entries.map(\.index.outcome) == ["permitted", "interrupted"])
        #expect(sink.entries[1].index.closes == 1)
        try await gateway.stop()
    }
}
