import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

/// Clients that publish their keys (`jwks_uri`).
@Suite struct PublishedKeysTests {
    private static let url = "https://service.example/jwks"

    /// Another party that publishes what it is told to. A class because the test changes it; the lock is `state`.
    private final class PartyDouble: OutboundFetching {
        private struct State {
            var result: Result<OutboundAnswer, OutboundFailure>
            var asked: [OutboundRequest] = []
        }
        private let state: Mutex<State>

        init(_ keys: JWKSet) { state = Mutex(State(result: .success(Self.answer(keys)))) }

        static func answer(_ keys: JWKSet, cacheControl: String? = nil) -> OutboundAnswer {
            OutboundAnswer(status: 200, body: keys.json.serialized, cacheControl: cacheControl)
        }

        var asked: [OutboundRequest] { state.withLock { $0.asked } }
        func answers(_ result: Result<OutboundAnswer, OutboundFailure>) { state.withLock { $0.result = result } }

        func send(_ request: OutboundRequest) async throws(OutboundFailure) -> OutboundAnswer {
            let result = state.withLock { state in
                state.asked.append(request)
                return state.result
            }
            return try result.get()
        }
    }

    private func harness(_ party: PartyDouble, algorithm: SignatureAlgorithm? = nil) async throws -> LaunchHarness {
        let harness = try await LaunchHarness(fetch: party)
        #expect(try await reconcile(harness, algorithm: algorithm) == .added)
        return harness
    }

    private func reconcile(
        _ harness: LaunchHarness, _ id: String = "published", keys: ClientMetadata.Keys = .location(Self.url),
        algorithm: SignatureAlgorithm? = nil
    ) async throws -> ClientRegistry.Change {
        let client = ClientRegistration(
            id: ClientID(id),
            metadata: try ClientMetadata(
                name: "Service", grantTypes: [.clientCredentials], authenticationMethod: .privateKeyJWT,
                keys: keys, assertionAlgorithm: algorithm),
            status: .active, approvedScopes: try ScopeSet(parsing: "system/Patient.rs"), program: .payerToPayer)
        return try await harness.server.clients.reconcile(client, from: harness.source)
    }

    private func face(
        _ harness: LaunchHarness, _ number: Int, key: PrivateJWK = SharedKeys.serviceKey,
        client: String = "published"
    ) async throws -> String {
        let claims: JSONValue = [
            "iss": .string(client), "sub": .string(client), "aud": "https://as.example/oauth/token",
            "jti": .string("jti-\(number)"), "exp": .int(harness.clock.now + 300),
        ]
        let answer = try await harness.token([
            "grant_type": "client_credentials", "scope": "system/Patient.rs",
            "client_assertion": try JWS.sign(claims, type: "JWT", with: key),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ])
        return answer.response == nil ? answer.face ?? "429" : "200"
    }

    private static let keys = JWKSet([SharedKeys.serviceKey.publicKey])
    private static func otherKey(_ name: String) throws -> PrivateJWK {
        try PrivateJWK.generate(.es384, keyID: name)
    }

    @Test func `a client with published keys is let in, and they are fetched once`() async throws {
        let party = PartyDouble(Self.keys)
        let harness = try await harness(party)

        for number in 0..<5 { #expect(try await face(harness, number) == "200") }

        #expect(party.asked.map(\.url) == [Self.url])
        // Nobody vouched for the address.
        #expect(party.asked.map(\.trust) == [.client])
    }

    @Test(.verifies("oauth-attack@A-37"))
    func `a storm of unknown keys fetches at most once in ten seconds`() async throws {
        let party = PartyDouble(Self.keys)
        let harness = try await harness(party)
        #expect(try await face(harness, 0) == "200")

        for number in 1...1000 {
            let key = try Self.otherKey("unknown-\(number)")
            #expect(try await face(harness, number, key: key) != "200")
            if number.isMultiple(of: 100) { harness.clock.advance(seconds: 1) }
        }

        // Ten seconds went by, and only now may one more be made.
        #expect(party.asked.count == 1)
        for number in 1001...1003 {
            #expect(try await face(harness, number, key: try Self.otherKey("late-\(number)")) != "200")
        }
        #expect(party.asked.count == 2)
        #expect(try await face(harness, 2000) == "200")
    }

    @Test(.verifies("oauth-attack@A-37"))
    func `a storm of parallel requests fetches once`() async throws {
        let party = PartyDouble(Self.keys)
        let harness = try await harness(party)

        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<50 {
                group.addTask {
                    let answer = try await face(harness, number)
                    #expect(answer == "200")
                }
            }
            try await group.waitForAll()
        }

        #expect(party.asked.count == 1)
    }

    @Test func `a key that is new at the client is found by one more fetch`() async throws {
        let party = PartyDouble(Self.keys)
        let harness = try await harness(party)
        #expect(try await face(harness, 0) == "200")
        let fresh = try Self.otherKey("fresh")
        party.answers(.success(PartyDouble.answer(JWKSet([fresh.publicKey]))))

        harness.clock.advance(seconds: 11)

        #expect(try await face(harness, 1, key: fresh) == "200")
        #expect(party.asked.count == 2)
    }

    @Test(
        .verifies("oauth-attack@A-40"),
        arguments: [(nil, 901), ("max-age=60", 61), ("no-store", 11)] as [(String?, Int64)])
    func `a key that was taken away counts no longer than the set may be kept`(
        _ cacheControl: String?, _ age: Int64
    ) async throws {
        let party = PartyDouble(Self.keys)
        party.answers(.success(PartyDouble.answer(Self.keys, cacheControl: cacheControl)))
        let harness = try await harness(party)
        #expect(try await face(harness, 0) == "200")
        party.answers(.success(PartyDouble.answer(JWKSet([try Self.otherKey("other").publicKey]))))

        harness.clock.advance(seconds: age)

        #expect(try await face(harness, 1) == "401 invalid_client")
    }

    @Test func `the last good keys count for a while when there are no others, and then nothing does`() async throws {
        let party = PartyDouble(Self.keys)
        let harness = try await harness(party)
        #expect(try await face(harness, 0) == "200")
        party.answers(.failure(.unreachable("down")))

        harness.clock.advance(seconds: 901)
        #expect(try await face(harness, 1) == "200")
        harness.clock.advance(seconds: 900)
        #expect(try await face(harness, 2) == "401 invalid_client")

        party.answers(.success(PartyDouble.answer(Self.keys)))
        harness.clock.advance(seconds: 10)
        #expect(try await face(harness, 3) == "200")
    }

    @Test(.verifies("oauth-attack@A-39"))
    func `a published private key ends what was known before`() async throws {
        let party = PartyDouble(Self.keys)
        let harness = try await harness(party)
        #expect(try await face(harness, 0) == "200")
        party.answers(
            .success(
                OutboundAnswer(
                    status: 200,
                    body: JSONValue.object([.init("keys", .array([try SharedKeys.serviceKey.json()]))]).serialized)))

        harness.clock.advance(seconds: 901)

        #expect(try await face(harness, 1) == "401 invalid_client")
    }

    @Test(.verifies("oauth-attack@A-39"))
    func `a key whose private half was published never counts again, and that is recorded once`() async throws {
        let party = PartyDouble(Self.keys)
        let harness = try await harness(party)
        let lost = SharedKeys.serviceKey.publicKey.thumbprint
        func publish(_ keys: [JSONValue]) {
            party.answers(
                .success(
                    OutboundAnswer(status: 200, body: JSONValue.object([.init("keys", .array(keys))]).serialized)))
        }
        #expect(try await face(harness, 0) == "200")
        publish([try SharedKeys.serviceKey.json()])
        harness.clock.advance(seconds: 901)
        for attempt in 1...3 {
            #expect(try await face(harness, attempt) == "401 invalid_client")
            harness.clock.advance(seconds: 11)
        }
        let records = harness.log.records.filter { $0.outcome == .refused(reason: "private-key-published") }
        #expect(records.map(\.kind) == [.clientChanged])
        #expect(records.map(\.clientID) == [ClientID("published")])
        #expect(records.first?.detail?.contains(lost) == true)
        #expect(try await harness.store.suspendedKeys(of: ClientID("published"), publishedAt: nil) == [lost])

        // The same key without its private half is as lost as before, also in another process; a new one is good.
        publish([SharedKeys.serviceKey.publicKey.json])
        #expect(try await face(harness, 4) == "401 invalid_client")
        let next = try await LaunchHarness(
            store: harness.store, clock: harness.clock, seed: 8, isFresh: false, fetch: party)
        #expect(try await face(next, 5) == "401 invalid_client")
        let fresh = try PrivateJWK.generate(.es384, keyID: "fresh-key")
        publish([SharedKeys.serviceKey.publicKey.json, fresh.publicKey.json])
        harness.clock.advance(seconds: 11)
        #expect(try await face(next, 6, key: fresh) == "200")
        #expect(try await face(next, 7) == "401 invalid_client")
    }

    private func publishPrivate(_ party: PartyDouble) throws {
        let keys: JSONValue = .array([try SharedKeys.serviceKey.json()])
        party.answers(
            .success(OutboundAnswer(status: 200, body: JSONValue.object([.init("keys", keys)]).serialized)))
    }

    @Test(.verifies("oauth-attack@A-39"))
    func `a key whose private half was published does not count when it is registered by hand either`() async throws {
        let party = PartyDouble(Self.keys)
        let harness = try await harness(party)
        try publishPrivate(party)
        #expect(try await face(harness, 0) == "401 invalid_client")

        let fresh = try Self.otherKey("fresh")
        let registered = JWKSet([SharedKeys.serviceKey.publicKey, fresh.publicKey])
        #expect(try await reconcile(harness, keys: .value(registered)) == .changed)

        #expect(try await face(harness, 1) == "401 invalid_client")
        #expect(try await face(harness, 2, key: fresh) == "200")
    }

    @Test(.verifies("oauth-attack@A-39"))
    func `clients that publish at one address lose a key together, and nobody else does`() async throws {
        let party = PartyDouble(Self.keys)
        let harness = try await harness(party)
        let elsewhere = "https://other.example/jwks"
        for (id, url) in [("sister", Self.url), ("late", Self.url), ("stranger", elsewhere)] {
            #expect(try await reconcile(harness, id, keys: .location(url)) == .added)
        }
        #expect(try await reconcile(harness, "by-hand", keys: .value(Self.keys)) == .added)
        for (number, id) in ["sister", "stranger", "by-hand"].enumerated() {
            #expect(try await face(harness, number, client: id) == "200")
        }
        // Only one of them is there while the private half is.
        try publishPrivate(party)
        #expect(try await face(harness, 10) == "401 invalid_client")
        party.answers(.success(PartyDouble.answer(Self.keys)))
        let fetched = party.asked.count

        // Out of what was fetched before, and when it is fetched afterwards.
        #expect(try await face(harness, 11, client: "sister") == "401 invalid_client")
        #expect(party.asked.count == fetched)
        #expect(try await face(harness, 12, client: "late") == "401 invalid_client")
        #expect(party.asked.count == fetched + 1)
        // Whoever publishes somebody's key takes nothing from them.
        #expect(try await face(harness, 13, client: "stranger") == "200")
        #expect(try await face(harness, 14, client: "by-hand") == "200")
    }

    @Test(
        .verifies("oauth-attack@A-38"),
        arguments: ["<html></html>", "", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[]} x", "\u{FEFF}{\"keys\":[]}", "[]"])
    func `a document that is no key set lets nobody in`(_ text: String) async throws {
        let party = PartyDouble(Self.keys)
        party.answers(.success(OutboundAnswer(status: 200, body: Array(text.utf8), contentType: "application/json")))

        #expect(try await face(try await harness(party), 0) == "401 invalid_client")
    }

    @Test(arguments: [
        OutboundFailure.badAddress, .forbiddenAddress, .redirected(302), .tooLarge, .timedOut, .status(500),
    ])
    func `whatever keeps the keys away, the answer is the same`(_ failure: OutboundFailure) async throws {
        let party = PartyDouble(Self.keys)
        party.answers(.failure(failure))

        #expect(try await face(try await harness(party), 0) == "401 invalid_client")
    }

    @Test func `a published key is bound to the algorithm that the client chose`() async throws {
        let party = PartyDouble(Self.keys)
        let chosen: SignatureAlgorithm = SharedKeys.serviceKey.publicKey.keyType == .rsa ? .es384 : .rs384

        #expect(try await face(try await harness(party, algorithm: chosen), 0) == "401 invalid_client")
    }
}
