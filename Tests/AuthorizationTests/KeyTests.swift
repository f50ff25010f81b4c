import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

/// The life of the server's keys: announced, active, retiring, gone; and their replacement when one has leaked.
@Suite struct KeyTests {
    private let day: Int64 = 86_400

    private func standings(_ harness: LaunchHarness, _ purpose: StoredKey.Purpose) async throws -> [String] {
        try await harness.store.keys().filter { $0.purpose == purpose }.map(\.standing.rawValue)
    }

    private func verifies(_ harness: LaunchHarness, _ response: TokenResponse) -> Bool {
        (try? JWS.verify(
            response.accessToken.reveal(), keys: harness.server.keys.signer.verificationKeys, rules: .accessToken))
            != nil
    }

    @Test func `a key is announced, then signs, then retires, then is gone`() async throws {
        // The shared keys were made at 0, so they are due at once.
        let harness = try await LaunchHarness()
        #expect(try await standings(harness, .accessToken) == ["active"])
        let first = harness.server.keys.signer.accessTokenKey.keyID

        _ = try await harness.server.sweep()
        #expect(try await standings(harness, .accessToken) == ["active", "announced"])
        #expect(harness.server.keys.signer.accessTokenKey.keyID == first)
        // The successor is published before it signs.
        #expect(harness.server.keys.signer.verificationKeys.keys.count == 4)
        #expect(harness.server.discovery.jwks == harness.server.keys.signer.jwks)

        harness.clock.advance(seconds: day)
        _ = try await harness.server.sweep()
        #expect(try await standings(harness, .accessToken) == ["retiring", "active"])
        let second = harness.server.keys.signer.accessTokenKey.keyID
        #expect(second != first)
        #expect(harness.server.keys.signer.verificationKeys.keys.contains { $0.keyID == first })

        harness.clock.advance(seconds: 7200)
        _ = try await harness.server.sweep()
        #expect(try await standings(harness, .accessToken) == ["active"])
        #expect(!harness.server.keys.signer.verificationKeys.keys.contains { $0.keyID == first })
        // Nothing more is due for a while.
        harness.clock.advance(seconds: 80 * day)
        _ = try await harness.server.sweep()
        #expect(try await standings(harness, .accessToken) == ["active"])
    }

    @Test(.verifies("oauth-attack@T-39"))
    func `after a rotation old tokens stay good until they end`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let response = try #require(try await harness.exchange(code).response)
        #expect(try await harness.server.keyKeeper.rotate(.accessToken, by: "t").count == 1)
        #expect(verifies(harness, response))
        let refreshToken = try #require(response.refreshToken).reveal()
        let renewed = try #require(try await harness.refresh(refreshToken).response)
        #expect(verifies(harness, renewed))
    }

    @Test(.verifies("oauth-attack@T-39"))
    func `after a key has leaked nothing that it signed counts, also in memory`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let response = try #require(try await harness.exchange(code).response)
        let heard = Mutex(0)
        harness.server.keys.observe { heard.withLock { $0 += 1 } }
        let done = try await harness.server.keyKeeper.replaceLeaked(.accessToken, by: "t")
        #expect(done.count == 2)
        #expect(!verifies(harness, response))
        #expect(heard.withLock { $0 } > 0)
        #expect(try await standings(harness, .accessToken) == ["active"])
        // The people are not logged out: the refresh token is not signed by that key.
        let refreshToken = try #require(response.refreshToken).reveal()
        let renewed = try #require(try await harness.refresh(refreshToken).response)
        #expect(verifies(harness, renewed))
        #expect(harness.log.records.filter { $0.kind == .keyChanged }.contains { ($0.detail ?? "").contains("leaked") })
    }

    @Test func `what an older root key holds is sealed under the first one, which then suffices`() async throws {
        let store = InMemoryAuthorizationStore()
        let (old, new) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))
        func start(_ keys: [[UInt8]]) async throws -> AuthorizationServer {
            try await AuthorizationServer.start(
                configuration: AuthorizationConfiguration(issuer: "https://as.example", fhirBases: ["https://f"]),
                stores: store.stores, directory: LocalMemberDirectory(links: store),
                sealer: try #require(Sealer(keys: keys)), clock: ManualClock().clock, record: { _ in })
        }
        let first = try await start([old]).keys.signer.accessTokenKey.keyID
        await #expect(throws: ServerKeys.Failure.self) { try await start([new]) }
        #expect(try await start([new, old]).keys.signer.accessTokenKey.keyID == first)
        #expect(try await start([new]).keys.signer.accessTokenKey.keyID == first)
        await #expect(throws: ServerKeys.Failure.self) { try await start([old]) }
    }

    @Test func `nothing of a key stands in the store in clear`() async throws {
        let harness = try await LaunchHarness()
        let key = harness.server.keys.signer.accessTokenKey
        let secret = Array(try #require(try key.json()["d"]?.string).utf8)
        let kept = try await harness.store.keys()
        for stored in kept {
            let bytes = try #require(Base64URL.decode(stored.sealed), "the seal is base64url")
            #expect(bytes.firstRange(of: secret) == nil && Array(stored.sealed.utf8).firstRange(of: secret) == nil)
        }
        // And it is there, for who has the installation's key.
        let own = try #require(kept.first { $0.id == key.keyID })
        let opened = try #require(try SharedKeys.sealer().open(own.sealed, context: "key:access-token:\(own.id)"))
        #expect(opened.firstRange(of: secret) != nil)
    }
}
