import AccessPolicy
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Attacks of the catalogue that need more than one request, or a server that misbehaves in one way.
@Suite(.underMutation) struct ReadingAttackTests {
    private func harness(
        _ change: (ScriptedUpstream) -> ScriptedUpstream = { $0 },
        revocation: @escaping @Sendable (GrantedAccess) -> AccessTokenVerifier.RevocationStatus = { _ in .active }
    ) throws -> GatewayHarness {
        let catalogue = try AttackCatalogue.shared.get()
        return try GatewayHarness(upstream: change(catalogue.store(.obedient).upstream), revocation: revocation)
    }

    @Test(.verifies("attack@ATK-180"))
    func `URL and form of a search are both judged`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        let form = [(name: "Content-Type", value: "application/x-www-form-urlencoded")]

        for (target, body) in [
            ("/Observation/_search?patient=pB", "patient=pA"), ("/Observation/_search?patient=pA", "patient=pB"),
            ("/_search?_type=Observation&patient=pB", "patient=pA"),
        ] {
            let answer = await harness.send("POST", target, token: token, headers: form, body: Array(body.utf8))
            #expect(answer.status == 403)
            #expect(answer.upstream.isEmpty)
        }
    }

    @Test(.verifies("attack@ATK-211"), arguments: ["/Observation", "/?_type=Observation,Patient", "/List"])
    func `entries that were not asked for are dropped and noted`(target: String) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let foreign = catalogue.records(of: "pB")
        for hostility in [UpstreamHostility.foreignEntries, .wrongTypes] {
            let harness = try harness { $0.hostile(hostility, foreign: foreign) }
            let token = try harness.token(scope: "patient/*.rs", patient: "pA")

            let answer = await harness.send("GET", target, token: token)

            #expect(answer.status == 200)
            try expectNoLeak(answer)
        }
    }

    @Test(.verifies("attack@ATK-217"))
    func `the address of an attachment is never fetched`() async throws {
        let harness = try harness { upstream in
            upstream.mapping { request, reply in
                guard request.path == "/DocumentReference", case .answer(let head, _) = reply else { return reply }
                let body =
                    #"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"DocumentReference","id":"d","status":"current","subject":{"reference":"Patient/pA"},"content":[{"attachment":{"url":"http://169.254.169.254/Binary/binLinked"}}]},"search":{"mode":"match"}}]}"#
                return .answer(head, Array(body.utf8))
            }
        }
        let token = try harness.token(scope: "patient/DocumentReference.rs", patient: "pA")

        let search = await harness.send("GET", "/DocumentReference", token: token)
        let binary = await harness.send("GET", "/Binary/binLinked", token: token)

        #expect(search.status == 200 && search.upstream.map(\.path) == ["/DocumentReference"])
        #expect(binary.status == 404 && binary.upstream.map(\.path) == ["/DocumentReference"])
    }

    @Test(.verifies("attack@ATK-257"), arguments: ["/Observation", "/List", "/Patient/pA/$everything"])
    func `what the upstream says about a search does not leave`(target: String) async throws {
        let harness = try harness { $0.hostile(.talkativeOutcome, foreign: []) }
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let answer = await harness.send("GET", target, token: token)

        #expect(answer.status == 200 && !answer.text.contains("pB secret"))
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-258", "attack@ATK-261", "attack@ATK-262"))
    func `an answer's self link is ours, and nothing may keep or validate it`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        for target in ["/Observation?code=718-7", "/?_type=Observation", "/Patient/pA/*?_type=Observation", "/List"] {
            let answer = await harness.send("GET", target, token: token)
            let link = answer.json?["link"]?.array?.first { $0["relation"]?.string == "self" }?["url"]?.string ?? ""

            #expect(answer.status == 200)
            #expect(link.hasPrefix(GatewayHarness.publicBase) && !link.contains("pB"))
            #expect(answer.field("etag") == nil && answer.field("last-modified") == nil)
            #expect(answer.field("cache-control") == "no-store")
        }
    }

    @Test(.verifies("attack@ATK-259"))
    func `a refusal names no patient and no scope that the token holds`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/Observation.rs", patient: "pA")

        for target in [
            "/Observation?patient=pB", "/Condition", "/Patient/pB/*", "/Patient/pA/$everything", "/_history",
        ] {
            let answer = await harness.send("GET", target, token: token)

            #expect(answer.status == 403)
            #expect(!answer.text.contains("pA") && !answer.text.contains("pB"))
            #expect(!answer.text.contains("patient/Observation"))
        }
    }

    @Test(.verifies("attack@ATK-286"))
    func `a revoked token ends with the next request`() async throws {
        let revoked = Mutex(false)
        let harness = try harness(revocation: { _ in revoked.withLock { $0 } ? .revoked : .active })
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let before = await harness.send("GET", "/Observation/obsA", token: token)
        revoked.withLock { $0 = true }

        #expect(before.status == 200)
        for target in ["/Observation/obsA", "/?_type=Observation", "/Patient/pA/$everything", "/Binary/binLinked"] {
            let after = await harness.send("GET", target, token: token)
            #expect(after.status == 401 && after.upstream.isEmpty)
        }
    }

    @Test(.verifies("attack@ATK-213"))
    func `an attachment's content is handed on as bytes that nobody shows`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/DocumentReference.rs", patient: "pA")

        let raw = await harness.send("GET", "/Binary/binLinked", token: token, headers: [("Accept", "text/plain")])
        let json = await harness.send("GET", "/Binary/binLinked", token: token)
        let other = await harness.send("GET", "/Binary/binLinkedB", token: token, headers: [("Accept", "text/plain")])

        #expect(raw.status == 200 && raw.text == "linked")
        #expect(raw.field("content-type") == "text/plain")
        #expect(raw.field("content-disposition") == "attachment")
        #expect(raw.field("x-content-type-options") == "nosniff")
        #expect(json.keys == ["Binary/binLinked"])
        #expect(other.status == 404)
        #expect(other.upstream.map(\.path) == ["/DocumentReference"])
    }
}
