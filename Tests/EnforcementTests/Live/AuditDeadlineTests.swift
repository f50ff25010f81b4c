import Audit
import ChaperoneTesting
import Dispatch
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

/// An audit log that hangs, and a protected server that changes the protocol.
@Suite(.timeLimit(.minutes(2))) struct AuditDeadlineTests {
    private static let observation =
        #"{"resourceType":"Observation","id":"o","meta":{"versionId":"1"},"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#

    /// Runs a body while the log takes no record before its time has come, then lets it go on.
    private func withStuckLog(_ body: (LiveGateway, LoopbackUpstream, DispatchSemaphore) async throws -> Void)
        async throws
    {
        let stuck = DispatchSemaphore(value: 0)
        let isStuck = Mutex(true)
        let sink = InMemoryAuditSink(gate: {
            if isStuck.withLock({ $0 }) { _ = stuck.wait(timeout: .now() + 30) }
        })
        var limits = GatewayLimits()
        limits.auditTimeoutMilliseconds = 200
        try await withGateway(
            limits: limits, sink: sink,
            upstream: { _ in .answer(200, Self.observation, headers: [("etag", "W/\"1\"")]) }
        ) { gateway, upstream in
            defer {
                isStuck.withLock { $0 = false }
                stuck.signal()
            }
            try await body(gateway, upstream, stuck)
        }
    }

    @Test(.verifies("audit@deadline"))
    func `what cannot be recorded in time is answered without data`() async throws {
        try await withStuckLog { gateway, upstream, _ in
            let answers = try await gateway.send(gateway.request("GET", "/Observation/o"))

            #expect(answers[0].status == 503)
            #expect(answers[0].header("retry-after") != nil)
            #expect(!answers[0].body.contains("Observation"))
            #expect(upstream.seen.count == 1)
        }
    }

    @Test(.verifies("audit@deadline", "audit@opening-before-change"))
    func `a change whose opening record is not durable in time is not forwarded`() async throws {
        try await withStuckLog { gateway, upstream, _ in
            let answers = try await gateway.send(
                gateway.request(
                    "PUT", "/Observation/o", ["Content-Type: application/fhir+json"], body: Self.observation))

            #expect(answers[0].status == 503)
            #expect(upstream.seen.allSatisfy { $0.method == "GET" }, "only the stored version was looked at")
        }
    }

    @Test(.verifies("audit@deadline"))
    func `a record that becomes durable late brings no second answer`() async throws {
        try await withStuckLog { gateway, upstream, stuck in
            let connection = try await gateway.connect()
            connection.write(gateway.request("GET", "/Observation/o"))
            let late = try await connection.answers(1)
            stuck.signal()
            connection.write(gateway.request("PUT", "/Nonsense/x"))
            let next = try await connection.answers(1)
            connection.close()

            #expect(late[0].status == 503)
            #expect(next[0].status != 200 && !next[0].body.contains("Observation"))
            #expect(upstream.seen.count == 1)
        }
    }

    @Test(
        .verifies("audit@one-closed-record", "audit@deadline"),
        arguments: [("GET", AuditPhase.whole), ("PUT", .opening)])
    func `a record that becomes durable late is marked as interrupted`(method: String, phase: AuditPhase) async throws {
        try await withStuckLog { gateway, upstream, stuck in
            let body = method == "PUT" ? Self.observation : ""
            let answers = try await gateway.send(
                gateway.request(
                    method, "/Observation/o", method == "PUT" ? ["Content-Type: application/fhir+json"] : [], body: body
                ))
            #expect(answers[0].status == 503)

            // The late record and the mark that ends it: one append each.
            stuck.signal()
            stuck.signal()
            while gateway.sink.entries.count < 2 { try await Task.sleep(for: .milliseconds(5)) }

            let entries = gateway.sink.entries
            #expect(entries.map(\.index.phase) == [phase, .interrupted])
            #expect(entries[1].index.closes == 1)
            #expect(entries[1].index.outcome == "interrupted")
            if case .access(let mark) = try entries[1].statement().event { #expect(mark.released == 0) }
            #expect(gateway.sink.search(AuditQuery()).entries.map(\.sequence) == [2], "one row of one access")
            #expect(upstream.seen.allSatisfy { $0.method == "GET" })
        }
    }

    // MARK: - 101

    private static let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"

    @Test(
        arguments: [
            switching,
            switching + "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: "
                + "\(observation.utf8.count)\r\n\r\n" + observation,
            switching + "not http at all",
        ])
    func `a server that changes the protocol gives no answer`(bytes: String) async throws {
        var upstreamLimits = UpstreamLimits()
        upstreamLimits.readTimeoutMilliseconds = 500
        try await withGateway(upstreamLimits: upstreamLimits, upstream: { _ in .raw(bytes) }) { gateway, upstream in
            let connection = try await gateway.connect()
            var answers: [RawAnswer] = []
            for _ in 0..<2 {
                connection.write(gateway.request("GET", "/Observation/o"))
                answers += try await connection.answers(1)
            }
            connection.close()

            #expect(answers.allSatisfy { (502...504).contains($0.status) && !$0.body.contains("subject") })
            #expect(Set(upstream.seen.map(\.connection)).count == upstream.seen.count, "nothing more is asked on it")
        }
    }

    @Test(
        .verifies("attack@ATK-191", "oauth-attack@S-10"),
        arguments: [
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /fhir/Patient/pA HTTP/2.0\r\nHost: gw.test\r\n\r\n",
            "GET /fhir/Patient/pA HTTP/2\r\nHost: gw.test\r\n\r\n",
            "GET /fhir/Patient/pA HTTP/3.0\r\nHost: gw.test\r\n\r\n",
        ])
    func `another version of the protocol is refused and the connection closed`(text: String) async throws {
        try await withGateway { gateway, upstream in
            let connection = try await gateway.connect()
            connection.write(text + gateway.request("GET", "/Patient/pA"))

            let answer = await connection.rest()

            #expect(
                answer.isEmpty || answer.hasPrefix("HTTP/1.1 400 ") || answer.hasPrefix("HTTP/1.1 505 "), "\(answer)")
            #expect(!answer.contains("Alpha"))
            #expect(upstream.seen.isEmpty)
        }
    }

    @Test(.verifies("attack@ATK-191"))
    func `an offer to change to another version is not taken`() async throws {
        try await withGateway { gateway, upstream in
            let answers = try await gateway.send(
                gateway.request(
                    "GET", "/Patient/pA",
                    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"]))

            #expect(answers[0].status == 200)
            #expect(answers[0].header("upgrade") == nil)
            #expect(
                upstream.seen[0].headers.allSatisfy { !["upgrade", "http2-settings"].contains($0.name.lowercased()) })
        }
    }

    @Test func `news before the answer is passed over`() async throws {
        let answer =
            "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"
            + "Content-Length: \(Self.observation.utf8.count)\r\n\r\n" + Self.observation
        try await withGateway(upstream: { _ in .raw(answer) }) { gateway, _ in
            let answers = try await gateway.send(gateway.request("GET", "/Observation/o"))

            #expect(answers[0].status == 200)
            #expect(answers[0].header("link") == nil)
        }
    }
}
