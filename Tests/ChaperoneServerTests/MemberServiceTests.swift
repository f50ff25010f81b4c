import Authorization
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import ChaperoneServer

/// A service of the site that says who a login is, and the table that does so in small sites.
@Suite struct MemberServiceTests {
    /// Answers every request with the same thing. A class because it remembers what was asked.
    private final class Site: OutboundFetching {
        private let answer: OutboundAnswer?
        private let asked = Mutex<[OutboundRequest]>([])
        init(_ answer: OutboundAnswer?) { self.answer = answer }
        var requests: [OutboundRequest] { asked.withLock { $0 } }

        func send(_ request: OutboundRequest) async throws(OutboundFailure) -> OutboundAnswer {
            asked.withLock { $0.append(request) }
            guard let answer else { throw .timedOut }
            return answer
        }
    }

    private static let identity = ExternalIdentity(
        provider: "plan", issuer: "https://idp.example", subject: "s&1", identifier: "M 1")

    private func ask(_ site: Site) async throws -> MemberDirectoryAnswer {
        try await MemberService(url: "https://members.example/who", key: Secret("site-key"), fetch: site).answer(
            to: Self.identity)
    }

    @Test(
        .verifies("house@MEMBER-EXACT"),
        arguments: [
            nil, OutboundAnswer(status: 500, body: []), OutboundAnswer(status: 401, body: []),
            OutboundAnswer(status: 200, body: []), OutboundAnswer(status: 200, body: Array("{}".utf8)),
            OutboundAnswer(status: 200, body: Array(#"{"person":"Organization/o"}"#.utf8)),
            OutboundAnswer(status: 200, body: Array(#"{"person":"Patient/p","birthDate":"2000-01-01"}"#.utf8)),
            OutboundAnswer(status: 204, body: []),
        ] as [OutboundAnswer?])
    func `a service that does not answer as agreed refuses`(_ answer: OutboundAnswer?) async throws {
        await #expect(throws: (any Error).self) { _ = try await ask(Site(answer)) }
    }

    @Test func `nobody and more than one are answers`() async throws {
        #expect(try await ask(Site(OutboundAnswer(status: 404, body: []))) == .unknown)
        #expect(try await ask(Site(OutboundAnswer(status: 409, body: []))) == .ambiguous)
    }

    @Test func `the service is asked with the site's key and the whole identity`() async throws {
        let body = #"{"person":"Patient/p1","records":[{"patient":"p1","coverage-end":"2030-01-01"}]}"#
        let site = Site(OutboundAnswer(status: 200, body: Array(body.utf8)))
        guard case .known(let facts) = try await ask(site) else {
            Issue.record("nobody")
            return
        }
        #expect(facts.person == InstanceKey("Patient/p1"))
        let request = try #require(site.requests.first)
        #expect(request.trust == .configured && request.headers == [.init("authorization", "Bearer site-key")])
        #expect(
            request.method
                == .postForm("provider=plan&issuer=https%3A%2F%2Fidp.example&subject=s%261&identifier=M%201"))
    }

    @Test(.verifies("oauth-attack@L-22"), arguments: ["M-1", "m 1", "M 1 ", ""])
    func `a table knows exactly its own values`(_ value: String) async throws {
        let person = try #require(InstanceKey("Patient/p1"))
        guard case .asked(let ask) = MemberSource.table(["M 1": MemberFacts(of: person)]) else {
            Issue.record("a table is nothing that is asked")
            return
        }
        #expect(try await ask(Self.identity) == .known(MemberFacts(of: person)))
        let other = ExternalIdentity(provider: "plan", issuer: "https://idp.example", subject: "s", identifier: value)
        #expect(try await ask(other) == .unknown)
    }

    @Test(.verifies("oauth-attack@L-22"))
    func `a value that Unicode holds for equivalent is another member`() async throws {
        let person = try #require(InstanceKey("Patient/p1"))
        guard case .asked(let ask) = MemberSource.table(["\u{212A}1": MemberFacts(of: person)]) else {
            Issue.record("a table is nothing that is asked")
            return
        }
        for (value, isKnown) in [("\u{212A}1", true), ("K1", false)] {
            let identity = ExternalIdentity(
                provider: "plan", issuer: "https://idp.example", subject: "s", identifier: value)
            #expect(try await ask(identity) == (isKnown ? .known(MemberFacts(of: person)) : .unknown))
        }
    }
}
