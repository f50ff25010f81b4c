import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import NIOCore
import NIOEmbedded
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

/// Answers that stream under the token of somebody else's authorization server, which is asked about it.
@Suite(.timeLimit(.minutes(2))) struct StreamedStandingTests {
    /// The issuer: what it says of every token, and when.
    private final class Issuer: Sendable {
        enum Word: Sendable { case active, ended, nothing }
        struct Silent: Error {}

        let word = Mutex(Word.active)
        let questions = Mutex(0)
        /// Whether it thinks about what it is asked until it is told to answer.
        let thinks = Mutex(false)
        /// Milliseconds.
        let now = Mutex<Int64>(2_000_000_000_000)

        func ask() async throws -> JSONValue {
            questions.withLock { $0 += 1 }
            while thinks.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
            switch word.withLock({ $0 }) {
            case .nothing: throw Silent()
            case .ended: return ["active": false]
            case .active:
                return [
                    "active": true, "iss": "https://idp.example", "aud": .string(LiveGateway.base), "sub": "member",
                    "client_id": "app", "scope": "patient/*.rs", "jti": "t", "iat": 1_999_999_000,
                    "exp": 2_000_003_600, "patient": "pA",
                ]
            }
        }
    }

    private let issuer = Issuer()

    private static let start = #"{"resourceType":"Bundle","type":"searchset","entry":["#

    private static func entry(_ number: Int) -> String {
        let note = String(repeating: "x", count: 1_000)
        return
            #"{"resource":{"resourceType":"Observation","id":"o\#(number)","subject":{"reference":"Patient/pA"},"note":[{"text":"\#(note)"}]}}"#
    }

    /// A gateway that has begun to stream one entry to its client.
    private func streaming() async throws -> ManualGateway {
        let issuer = issuer
        var mapping = ClaimMapping(
            issuer: "https://idp.example", audience: LiveGateway.base, program: .patientAccess)
        mapping.bases = [LiveGateway.base]
        let source = IntrospectionSource(keptSeconds: 10) { _ in try await issuer.ask() }
        var limits = Enforcer.Limits()
        limits.answerBytes = 500
        let gateway = try await ManualGateway.start(
            enforcerLimits: limits,
            verifier: AccessTokenVerifier(foreign: ForeignTokens(mapping: mapping, way: .introspection(source))),
            clock: { issuer.now.withLock { $0 } })
        try await gateway.get("/Observation")
        try await gateway.serveHead()
        try await gateway.serve(Self.start + Self.entry(1))
        try await gateway.wait { gateway.written > 1_000 }
        return gateway
    }

    private func pass(seconds: Int64, at gateway: ManualGateway) async {
        issuer.now.withLock { $0 += seconds * 1000 }
        await gateway.loop.advanceTime(by: .seconds(seconds))
    }

    private func last(_ gateway: ManualGateway) throws -> AccessRecord? {
        guard case .access(let record) = try gateway.sink.entries.last?.statement().event else { return nil }
        return record
    }

    @Test(.verifies("house@foreign-introspection"))
    func `a token that its issuer has ended streams no further than the answer about it counts`() async throws {
        let gateway = try await streaming()
        issuer.word.withLock { $0 = .ended }
        await pass(seconds: 9, at: gateway)
        try await gateway.serve("," + Self.entry(2))
        try await gateway.wait { gateway.written > 2_000 }
        await pass(seconds: 2, at: gateway)

        try await gateway.serve("," + Self.entry(3))
        try await gateway.wait { !gateway.isOpen && gateway.sink.entries.count == 2 }

        #expect(gateway.written < 3_000, "nothing of what came behind it")
        let record = try #require(try last(gateway))
        #expect(record.outcome.code == "interrupted" && record.released == 2)
        #expect(issuer.questions.withLock { $0 } == 2)
        try await gateway.stop()
    }

    @Test(.verifies("house@foreign-introspection"))
    func `a token that its issuer vouches for again streams on`() async throws {
        let gateway = try await streaming()

        for number in 2..<5 {
            await pass(seconds: 11, at: gateway)
            try await gateway.serve("," + Self.entry(number))
            try await gateway.wait { gateway.written > number * 1_000 }
        }

        #expect(gateway.isOpen && gateway.isReadingServer)
        #expect(issuer.questions.withLock { $0 } == 4)
        try await gateway.stop()
    }

    @Test(.verifies("house@foreign-introspection"))
    func `while the issuer is asked nothing is passed on and the server is not read`() async throws {
        let gateway = try await streaming()
        let before = gateway.written
        issuer.thinks.withLock { $0 = true }
        await pass(seconds: 11, at: gateway)
        try await gateway.serve("," + Self.entry(2))
        try await gateway.wait { issuer.questions.withLock { $0 } == 2 }
        try await gateway.serve("," + Self.entry(3) + "]}")
        let isReading = gateway.isReadingServer
        try await gateway.serveEnd()
        let written = gateway.written

        issuer.thinks.withLock { $0 = false }
        try await gateway.wait { gateway.sink.entries.count == 2 && gateway.written > 3_000 }

        #expect(written == before && !isReading)
        let record = try #require(try last(gateway))
        #expect(record.outcome == .permitted && record.released == 3)
        try await gateway.stop()
    }

    @Test(.verifies("house@foreign-introspection"))
    func `without an answer of its issuer nothing streams on`() async throws {
        let gateway = try await streaming()
        issuer.word.withLock { $0 = .nothing }
        await pass(seconds: 11, at: gateway)

        try await gateway.serve("," + Self.entry(2) + "]}")
        try await gateway.serveEnd()
        try await gateway.wait { !gateway.isOpen && gateway.sink.entries.count == 2 }

        let record = try #require(try last(gateway))
        #expect(record.outcome.code == "interrupted" && record.released == 1)
        #expect(gateway.written < 2_000)
        try await gateway.stop()
    }
}
