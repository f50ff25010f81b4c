import ChaperoneTesting
import FoundationEssentials
import NIOSSL
import RequirementTraits
import Testing

@testable import Audit
@testable import Enforcement

/// Requests over a new connection to a protected server that takes them and ends the connection without an answer.
@Suite(.timeLimit(.minutes(2))) struct UnansweredWriteTests {
    /// How the connection ends.
    struct End: Sendable, CustomTestStringConvertible {
        let isUnderTLS: Bool
        let isReset: Bool

        var testDescription: String { (isUnderTLS ? "TLS, " : "") + (isReset ? "reset" : "without a word") }

        static let all = [true, false].flatMap { tls in
            [true, false].map { End(isUnderTLS: tls, isReset: $0) }
        }
    }

    private static func key(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "fixtures/keys/upstream/\(name).pem").path
    }

    private func serverTLS() throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(Self.key("test-upstream-server"))
        let key = try NIOSSLPrivateKey(file: Self.key("test-upstream-server-key"), format: .pem)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
    }

    private func withDyingServer(
        _ end: End, _ body: (LiveGateway, LoopbackUpstream) async throws -> Void
    ) async throws {
        let upstream = try await LoopbackUpstream.start(tls: end.isUnderTLS ? try serverTLS() : nil) { _ in
            .die(reset: end.isReset)
        }
        var server = try UpstreamFHIRServer(
            base: end.isUnderTLS ? "https://localhost:\(upstream.port)" : "http://127.0.0.1:\(upstream.port)")
        if end.isUnderTLS { server.trustRoots = .file(Self.key("test-upstream-ca")) }
        let gateway = try await LiveGateway.start(upstream: server)
        do { try await body(gateway, upstream) } catch {
            try await gateway.stop()
            try await upstream.stop()
            throw error
        }
        try await gateway.stop()
        try await upstream.stop()
    }

    @Test(.verifies("audit@outcome-unknown"), arguments: End.all)
    func `a write that may have been done is not called one that was never sent`(end: End) async throws {
        try await withDyingServer(end) { gateway, upstream in
            let body =
                #"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#
            let answers = try await gateway.send(
                gateway.request("POST", "/Observation", ["Content-Type: application/fhir+json"], body: body))

            #expect(upstream.seen.filter { $0.method == "POST" }.count == 1)
            #expect(answers[0].status == 502)
            #expect(answers[0].header("retry-after") == nil, "whoever repeats a create may have two")
            let last = try #require(gateway.sink.entries.last)
            guard case .access(let record) = try last.statement().event else {
                Issue.record("the last entry is of no access")
                return
            }
            #expect(record.outcome == .interrupted(reason: "outcome-unknown: upstream-interrupted"))
        }
    }

    @Test(arguments: End.all)
    func `a read that had no answer is not repeated on a new connection`(end: End) async throws {
        try await withDyingServer(end) { gateway, upstream in
            let answers = try await gateway.send(gateway.request("GET", "/Patient/pA"))

            #expect(answers[0].status == 502)
            #expect(upstream.seen.count == 1)
        }
    }

    @Test func `a write whose handshake fails was never sent`() async throws {
        let upstream = try await LoopbackUpstream.start(tls: try serverTLS()) { _ in .silence }
        var server = try UpstreamFHIRServer(base: "https://localhost:\(upstream.port)")
        server.trustRoots = .file(Self.key("test-other-ca"))
        let gateway = try await LiveGateway.start(upstream: server)

        let answers = try await gateway.send(gateway.request("DELETE", "/Observation/o"))
        let created = try await gateway.send(
            gateway.request(
                "POST", "/Observation", ["Content-Type: application/fhir+json"],
                body:
                    #"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#
            ))

        #expect(answers[0].status == 503)
        #expect(created[0].status == 503)
        #expect(created[0].header("retry-after") != nil)
        #expect(upstream.seen.isEmpty)
        #expect(!gateway.sink.entries.contains { $0.index.outcome == "interrupted" })
        try await gateway.stop()
        try await upstream.stop()
    }
}
