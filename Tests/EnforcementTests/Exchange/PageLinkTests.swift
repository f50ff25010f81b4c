import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Page links are bookmarks, not rights (enforcer.md b.4 row 27).
@Suite(.underMutation) struct PageLinkTests {
    private func harness(revoked: Set<String> = []) throws -> GatewayHarness {
        let catalogue = try AttackCatalogue.shared.get()
        return try GatewayHarness(upstream: catalogue.store(.obedient).upstream)
    }

    private func nextLink(_ answer: GatewayHarness.Answer) -> String? {
        let next = answer.json?["link"]?.array?.first { $0["relation"]?.string == "next" }?["url"]?.string
        return next.map { String($0.dropFirst(GatewayHarness.publicBase.count)) }
    }

    private func firstPage(_ harness: GatewayHarness, _ token: String) async throws -> String {
        let answer = await harness.send("GET", "/Observation?_count=1", token: token)
        #expect(answer.status == 200, "\(answer.text)")
        return try #require(nextLink(answer))
    }

    @Test func `following the links finds every record of the own patient once`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        var keys: [String] = []
        var target: String? = "/Observation?_count=1"

        while let current = target, keys.count < 20 {
            let answer = await harness.send("GET", current, token: token)
            #expect(answer.status == 200)
            try expectNoLeak(answer)
            keys += answer.keys
            target = nextLink(answer)
        }

        #expect(
            keys.sorted() == [
                "Observation/obsA", "Observation/obsA-member", "Observation/obsA-perfB", "Observation/obsA-vitals",
            ])
    }

    @Test func `a link says nothing about where it leads`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let link = try await firstPage(harness, token)

        #expect(link.hasPrefix("/_page/"))
        #expect(!link.contains("upstream") && !link.contains("offset") && !link.contains("?"))
    }

    @Test func `a link whose key was taken away leads nowhere, at once`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let key = Mutex<UInt8>(7)
        let harness = try GatewayHarness(
            upstream: catalogue.store(.obedient).upstream, linkKey: { key.withLock { $0 } })
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        let link = try await firstPage(harness, token)
        #expect(await harness.send("GET", link, token: token).status == 200)

        key.withLock { $0 = 8 }

        let answer = await harness.send("GET", link, token: token)
        #expect(answer.status == 404)
        #expect(answer.upstream.isEmpty)
        let renewed = try await firstPage(harness, token)
        #expect(await harness.send("GET", renewed, token: token).status == 200)
    }

    struct OtherToken: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var patient = "pA"
        var client = "app"
        var grant = "grant-1"
    }

    @Test(
        .verifies("attack@ATK-084"),
        arguments: [
            OtherToken(testDescription: "another client", client: "other"),
            OtherToken(testDescription: "another grant", grant: "grant-2"),
            OtherToken(testDescription: "another patient", patient: "pB"),
        ])
    func `a link given to somebody else leads nowhere`(other: OtherToken) async throws {
        let harness = try harness()
        let link = try await firstPage(harness, try harness.token(scope: "patient/*.rs", patient: "pA"))
        let token = try harness.token(
            scope: "patient/*.rs", patient: other.patient, client: other.client, grant: other.grant)

        let answer = await harness.send("GET", link, token: token)

        #expect(answer.status == 404)
        #expect(answer.upstream.isEmpty)
    }

    @Test(.verifies("attack@ATK-086"))
    func `a link after revocation needs a token like everything`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let revoked = Mutex(false)
        let harness = try GatewayHarness(
            upstream: catalogue.store(.obedient).upstream,
            revocation: { _ in revoked.withLock { $0 } ? .revoked : .active })
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        let link = try await firstPage(harness, token)

        revoked.withLock { $0 = true }
        let answer = await harness.send("GET", link, token: token)

        #expect(answer.status == 401)
        #expect(answer.upstream.isEmpty)
    }

    @Test(.verifies("attack@ATK-087"))
    func `a link leads nowhere once the same grant is limited otherwise`() async throws {
        let harness = try harness()
        let link = try await firstPage(harness, try harness.token(scope: "patient/*.rs", patient: "pA"))
        let category = "http://terminology.hl7.org/CodeSystem/observation-category"
        let narrower = try harness.token(
            scope: "patient/Observation.rs?category=\(category)|laboratory", patient: "pA")

        let answer = await harness.send("GET", link, token: narrower)

        #expect(answer.status == 404)
        #expect(answer.upstream.isEmpty)
    }

    @Test(.verifies("attack@ATK-087"))
    func `a link is judged with the scopes of today's token`() async throws {
        let harness = try harness()
        let link = try await firstPage(harness, try harness.token(scope: "patient/*.rs", patient: "pA"))
        let narrower = try harness.token(scope: "patient/Condition.rs", patient: "pA")

        let answer = await harness.send("GET", link, token: narrower)

        #expect(answer.status == 403)
        #expect(answer.upstream.isEmpty)
    }

    @Test func `a link ends`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA", expiresIn: 100_000)
        let link = try await firstPage(harness, token)

        let answer = await harness.send("GET", link, token: token, at: GatewayHarness.now + 3_601)

        #expect(answer.status == 404)
    }

    @Test(arguments: ["/_page/AAAA", "/_page/", "/_page/..", "/_page/AAAA/more", "/_page/AAAA?_count=1"])
    func `what is no link of ours leads nowhere`(target: String) async throws {
        let harness = try harness()

        let answer = await harness.send("GET", target, token: try harness.token(scope: "patient/*.rs", patient: "pA"))

        #expect([400, 404].contains(answer.status))
        #expect(answer.upstream.isEmpty)
        try expectNoLeak(answer)
    }

    @Test func `a changed link leads nowhere`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        let link = try await firstPage(harness, token)
        let changed = String(link.dropLast()) + (link.last == "A" ? "B" : "A")

        let answer = await harness.send("GET", changed, token: token)

        #expect(answer.status == 404)
        #expect(answer.upstream.isEmpty)
    }

    @Test func `what the first page leaves out every page leaves out`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        var target: String? = "/Observation?_count=1&_elements=status"
        var pages = 0

        while let current = target, pages < 20 {
            let answer = await harness.send(
                "GET", current, token: token,
                headers: pages == 0 ? [(name: "Prefer", value: "handling=strict")] : [])
            #expect(answer.status == 200, "\(answer.text)")
            #expect(!answer.text.contains("718-7"), "page \(pages) has elements that were not asked for")
            pages += 1
            target = nextLink(answer)
        }

        #expect(pages == 4)
    }

    private func harness(nextPage: String) throws -> GatewayHarness {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        return try GatewayHarness(
            upstream: store.upstream.mapping { request, reply in
                guard request.pageTarget == nil, case .answer(let head, let body) = reply,
                    let members = (try? JSONValue(parsing: body))?.object
                else { return reply }
                let link: JSONValue = .array([["relation": "next", "url": .string(nextPage)]])
                return .answer(
                    head,
                    JSONValue.object(members.filter { $0.name != "link" } + [JSONMemberValue("link", link)])
                        .serialized)
            })
    }

    @Test(arguments: [10, 3_000, 4_500])
    func `a long link comes back`(length: Int) async throws {
        let next = "\(GatewayHarness.upstreamBase)/Observation?state=\(String(repeating: "x", count: length))"
        let harness = try harness(nextPage: next)
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let link = try await firstPage(harness, token)
        let answer = await harness.send("GET", link, token: token)

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.upstream.last?.pageTarget?.hasPrefix("/fhir/Observation?state=xxx") == true)
    }

    @Test func `a next page that cannot be linked is not passed over in silence`() async throws {
        let next = "\(GatewayHarness.upstreamBase)/Observation?state=\(String(repeating: "x", count: 6_000))"
        let harness = try harness(nextPage: next)
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let answer = await harness.send("GET", "/Observation?_count=1", token: token)

        #expect(answer.status == 502)
        #expect(answer.keys.isEmpty)
        try expectNoLeak(answer)
    }

    @Test func `searches are asked strictly`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        let form = [(name: "Content-Type", value: "application/x-www-form-urlencoded")]

        let get = await harness.send("GET", "/Observation", token: token)
        let post = await harness.send(
            "POST", "/Observation/_search", token: token, headers: form, body: Array("code=718-7".utf8))

        #expect(get.upstream.map(\.prefer) == ["handling=strict"])
        #expect(post.upstream.map(\.prefer) == ["handling=strict"])
    }
}
