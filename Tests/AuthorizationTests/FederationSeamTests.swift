import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Places between this server and a provider at which time passes or the configuration changes.
@Suite struct FederationSeamTests {
    @Test(.verifies("oauth-attack@U-23"))
    func `who was away when a provider was taken out of the configuration is not let in`() async throws {
        let federation = try await FederationHarness()
        let (launch, cookie) = try await federation.begin()
        let (query, _) = try await federation.go(launch, cookie)
        let other = ProviderDouble.provider(id: "other", issuer: "https://other.example")
        let changed = try await FederationHarness(other, after: federation)
        for id in ["plan", "other"] {
            #expect(try await changed.comeBack(query, cookie, at: id).shown != nil)
        }
        #expect(try await changed.store.logins().isEmpty)
    }

    @Test(.verifies("oauth-attack@U-23"))
    func `who was signed in by a provider that is there no more is somebody, and may hold nothing`() async throws {
        let federation = try await FederationHarness()
        let refresh = try #require(try await federation.launch().refreshToken).reveal()
        let other = ProviderDouble.provider(id: "other", issuer: "https://other.example")
        let changed = try await FederationHarness(other, after: federation)
        #expect(try await changed.harness.refresh(refresh).face == "400 invalid_grant")
    }

    @Test(.verifies("oauth-attack@U-23"))
    func `keys at an address that the document names no more count no more`() async throws {
        let federation = try await FederationHarness()
        _ = try await federation.launch()
        // A token with an unknown key has the keys fetched anew, so that they are kept for longer than the document.
        federation.harness.clock.advance(seconds: 300)
        federation.provider.set { $0.signingKey = ProviderDouble.otherKey }
        #expect(try await federation.signIn().shown != nil)
        federation.harness.clock.advance(seconds: 300)
        // The provider moved its keys, and the one that it left behind leaked.
        federation.provider.set {
            $0.metadata = ["jwks_uri": "https://keys.example/keys"]
            $0.keys = [ProviderDouble.otherKey]
            $0.signingKey = ProviderDouble.key
        }
        #expect(try await federation.signIn().shown != nil)
        federation.provider.set { $0.signingKey = ProviderDouble.otherKey }
        #expect(try await federation.signIn().interaction?.consent != nil)
    }

    @Test func `a sign-in that is dated a little ahead is no newer than now`() async throws {
        let federation = try await FederationHarness()
        let now = federation.harness.clock.now
        federation.provider.set { $0.claims = ["auth_time": .int(now + 20)] }
        _ = try await federation.launch()
        let login = try #require(try await federation.store.logins().first)
        let sessions = try await federation.store.sessions(of: login.account)
        #expect(sessions.map(\.signIn?.authenticatedAt) == [now])
    }

    @Test func `a provider that is down keeps nobody from signing out here`() async throws {
        let federation = try await FederationHarness()
        let cookie = try #require(try await federation.signIn().interaction?.newCookie)
        #expect(await federation.endpoint.endSessionLocation(session: cookie) != nil)
        federation.harness.clock.advance(seconds: 601)
        federation.provider.set { $0.isDown = true }
        #expect(await federation.endpoint.endSessionLocation(session: cookie) == nil)
        let answer = await federation.harness.server.interaction.signOut(
            session: cookie, from: federation.harness.source)
        guard case .clear = answer.session else {
            Issue.record("\(answer)")
            return
        }
        #expect(try await federation.harness.server.interaction.signedIn(session: cookie) == nil)
    }
}
