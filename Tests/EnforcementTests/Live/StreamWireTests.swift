import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import Enforcement

/// Answers that stream, over sockets.
@Suite(.serialized, .timeLimit(.minutes(2))) struct StreamWireTests {
    /// A searchset, some kilobytes a piece.
    private static func piece(of count: Int) -> @Sendable (Int) -> String {
        { number in
            let start = number == 0 ? #"{"resourceType":"Bundle","type":"searchset","entry":["# : ","
            let note = String(repeating: "x", count: 30_000)
            let entry = #"{"resource":\#(line("o\(number)", note))}"#
            return start + entry + (number == count - 1 ? "]}" : "")
        }
    }

    private static func line(_ id: String, _ note: String) -> String {
        #"{"resourceType":"Observation","id":"\#(id)","subject":{"reference":"Patient/pA"},"note":[{"text":"\#(note)"}]}"#
    }

    private static let limits: Enforcer.Limits = {
        var limits = Enforcer.Limits()
        limits.answerBytes = 200_000
        return limits
    }()

    private static let lastChunk = "\r\n0\r\n\r\n"

    private func search(
        _ count: Int, end: LoopbackUpstream.End, version: String = "HTTP/1.1"
    ) async throws -> (text: String, phases: [AuditPhase]) {
        let upstream = try await LoopbackUpstream.start { _ in .pieces(count, Self.piece(of: count), end: end) }
        var server = try UpstreamFHIRServer(base: "http://127.0.0.1:\(upstream.port)/fhir")
        server.limits.readTimeoutMilliseconds = 500
        let gateway = try await LiveGateway.start(upstream: server, enforcerLimits: Self.limits)
        let connection = try await gateway.connect()
        connection.write(
            gateway.request("GET", "/Observation", ["Connection: close"]).replacing("HTTP/1.1", with: version))
        let text = await connection.rest()
        let phases = gateway.sink.entries.map(\.index.phase)
        try await gateway.stop()
        try await upstream.stop()
        return (text, phases)
    }

    private func rows(_ text: String) -> Int { text.components(of: #""fullUrl""#) }

    @Test(.verifies("house@STREAMING"))
    func `a streamed answer comes in chunks and has an end`() async throws {
        let (text, phases) = try await search(60, end: .whole)

        #expect(text.hasPrefix("HTTP/1.1 200"))
        #expect(text.contains("transfer-encoding: chunked") && !text.contains("content-length"))
        #expect(text.contains("content-security-policy: sandbox") && text.contains("x-request-id"))
        #expect(text.hasSuffix(Self.lastChunk))
        #expect(rows(text) == 60)
        #expect(phases == [.opening, .closing])
    }

    @Test(.verifies("house@STREAMING"), arguments: [LoopbackUpstream.End.hangUp, .stall])
    func `a server that fails late has the connection cut without an end`(end: LoopbackUpstream.End) async throws {
        let (text, phases) = try await search(59, end: end)

        #expect(text.hasPrefix("HTTP/1.1 200") && !text.hasSuffix(Self.lastChunk))
        #expect(phases == [.opening, .interrupted])
    }

    @Test(.verifies("house@STREAMING"))
    func `what would look whole when it is cut is not streamed`() async throws {
        let (text, phases) = try await search(60, end: .whole, version: "HTTP/1.0")

        #expect(text.contains(" 502 ") && rows(text) == 0)
        #expect(phases == [.whole])
    }

    @Test(.verifies("house@STREAMING"))
    func `a connection goes on after a streamed answer`() async throws {
        let upstream = try await LoopbackUpstream.start { _ in .pieces(20, Self.piece(of: 20), end: .whole) }
        let gateway = try await LiveGateway.start(
            upstream: try UpstreamFHIRServer(base: "http://127.0.0.1:\(upstream.port)/fhir"),
            enforcerLimits: Self.limits)
        let connection = try await gateway.connect()
        let request = gateway.request("GET", "/Observation")
        connection.write(request + request + gateway.request("GET", "/Observation", ["Connection: close"]))

        let text = await connection.rest()

        #expect(text.components(of: "HTTP/1.1 200") == 3 && text.components(of: Self.lastChunk) == 3)
        #expect(rows(text) == 60)
        #expect(upstream.connections == 1, "a connection to the server that was held is used again")
        try await gateway.stop()
        try await upstream.stop()
    }

    @Test(.verifies("house@STREAM-ROOM"))
    func `one stream more than a client may have is refused before anything of it leaves`() async throws {
        let upstream = try await LoopbackUpstream.start { _ in .pieces(4_000, Self.piece(of: 4_000), end: .whole) }
        var limits = GatewayLimits()
        limits.streamsOfClient = 1
        let gateway = try await LiveGateway.start(
            upstream: try UpstreamFHIRServer(base: "http://127.0.0.1:\(upstream.port)/fhir"), limits: limits,
            enforcerLimits: Self.limits)
        let first = try await RawConnection.open(port: gateway.port, reads: false)
        first.write(gateway.request("GET", "/Observation"))
        while gateway.sink.entries.isEmpty { try await Task.sleep(for: .milliseconds(5)) }

        let refused = try await gateway.send(gateway.request("GET", "/Observation"))
        first.close()
        while gateway.sink.entries.count < 3 { try await Task.sleep(for: .milliseconds(5)) }
        let second = try await gateway.connect()
        second.write(gateway.request("GET", "/Observation"))
        while gateway.sink.entries.count < 4 { try await Task.sleep(for: .milliseconds(5)) }
        second.close()

        #expect(refused[0].status == 429 && refused[0].header("retry-after") != nil)
        #expect(refused[0].body.contains("OperationOutcome") && !refused[0].body.contains("Observation/"))
        let entries = gateway.sink.entries
        #expect(entries.prefix(4).map(\.index.phase) == [.opening, .whole, .interrupted, .opening])
        #expect(entries[1].index.outcome == "refused")
        try await gateway.stop()
        try await upstream.stop()
    }
}

extension String {
    /// How often a text stands in it.
    fileprivate func components(of part: String) -> Int {
        split(separator: part, omittingEmptySubsequences: false).count - 1
    }
}
