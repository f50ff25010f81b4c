import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import Authorization

/// Tokens that are out are held against today's demands, and what an app asked for stays asked for: refusals first.
@Suite struct IssuedSignInTests {
    private static let order = ["urn:low", "urn:mid", "urn:high"]

    private static func provider(_ evidence: SecondFactorEvidence = SecondFactorEvidence()) -> IdentityProvider {
        ProviderDouble.provider(contextOrder: order, secondFactor: evidence)
    }

    /// Somebody signed in at the provider for an app, which may have asked for something.
    private static func granted(
        _ context: String, _ methods: [String] = ["pwd"], asking: [String: String?] = [:],
        _ evidence: SecondFactorEvidence = SecondFactorEvidence()
    ) async throws -> (federation: FederationHarness, response: TokenResponse) {
        let federation = try await FederationHarness(provider(evidence))
        federation.provider.set {
            $0.claims = ["acr": .string(context), "amr": .array(methods.map { .string($0) })]
        }
        let (launch, cookie) = try await federation.begin(asking)
        let (query, _) = try await federation.go(launch, cookie)
        let answer = try #require(try await federation.comeBack(query, cookie).interaction)
        let decided = try await federation.harness.decide(
            try #require(answer.consent, "\(answer.outcome)"), session: try #require(answer.newCookie))
        let code = try #require(decided.redirectParameters?["code"])
        return (federation, try #require(try await federation.harness.exchange(code).response))
    }

    private static func isEnough(_ harness: LaunchHarness, _ response: TokenResponse) throws -> Bool {
        try harness.server.signIns.isEnough(for: try harness.access(response).grantedAccess())
    }

    private static func introspected(_ harness: LaunchHarness, _ token: Secret) async throws -> JSONValue {
        let bearer = "Bearer " + (try await EHR.token(harness, client: "resource-server", scope: "__introspect"))
        let answer = await harness.server.introspection.answer(
            try LaunchHarness.form([("token", token.reveal())]), authorization: bearer, from: harness.source)
        guard case .facts(let facts) = answer else {
            Issue.record("\(answer)")
            return [:]
        }
        return facts
    }

    private struct Unexpected: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    // MARK: - access tokens

    @Test(.verifies("house@ASSURANCE-TOKENS"), .verifies("house@MINIMUM-ACR"))
    func `an access token counts no longer when more is demanded by now, and again when less is`() async throws {
        let (federation, response) = try await Self.granted("urn:low")
        #expect(try Self.isEnough(federation.harness, response))
        let mid = AssuranceRules(programs: ["patient-access": "urn:mid"])
        let strict = try await FederationHarness(Self.provider(), assurance: mid, after: federation)

        #expect(try !Self.isEnough(strict.harness, response))
        #expect(try await Self.introspected(strict.harness, response.accessToken) == ["active": false])
        let userInfo = await strict.harness.server.userInfo.answer(
            .bearer(response.accessToken), from: strict.harness.source)
        guard case .unauthorized(let error) = userInfo, error?.code == .invalidToken else {
            throw Unexpected("\(userInfo)")
        }
        let grants = try await strict.store.grants(matching: GrantFilter(), limit: 9)
        #expect(grants.filter { $0.subject != nil }.map(\.revocation) == [nil])
        let mild = try await FederationHarness(Self.provider(), after: strict)
        #expect(try Self.isEnough(mild.harness, response))
        #expect(try await Self.introspected(mild.harness, response.accessToken)["active"] == true)
    }

    @Test(.verifies("house@ASSURANCE-TOKENS"), .verifies("house@MEMBER-ISSUER"))
    func `an access token counts no longer when its provider is configured no more, and again when it is`() async throws
    {
        let (federation, response) = try await Self.granted("urn:low")
        let local = try #require(try await federation.harness.exchange(try await federation.harness.launch()).response)
        let gone = try await FederationHarness(
            ProviderDouble.provider(id: "other", issuer: "https://new.example"), after: federation)

        #expect(try !Self.isEnough(gone.harness, response))
        #expect(try await Self.introspected(gone.harness, response.accessToken) == ["active": false])
        // Who signed in with a password of this server needs no provider.
        #expect(try Self.isEnough(gone.harness, local))
        let grants = try await gone.store.grants(matching: GrantFilter(), limit: 9)
        #expect(grants.filter { $0.subject != nil }.map(\.revocation) == [nil, nil])
        let back = try await FederationHarness(Self.provider(), after: gone)
        #expect(try Self.isEnough(back.harness, response))
        #expect(try await Self.introspected(back.harness, response.accessToken)["active"] == true)
    }

    @Test(.verifies("house@ASSURANCE-TOKENS"), arguments: ["urn:mid", "urn:high"])
    func `an access token goes on when its sign-in meets what is demanded by now`(_ context: String) async throws {
        let (federation, response) = try await Self.granted(context)
        let mid = AssuranceRules(programs: ["patient-access": "urn:mid"])
        let strict = try await FederationHarness(Self.provider(), assurance: mid, after: federation)
        #expect(try Self.isEnough(strict.harness, response))
        #expect(try await Self.introspected(strict.harness, response.accessToken)["active"] == true)
    }

    @Test(.verifies("house@ASSURANCE-TOKENS"))
    func `what a new role demands holds for the access tokens that are out, at once`() async throws {
        let harness = try await LaunchHarness(configure: { $0.secondFactor.roles = [.clinician] })
        let response = try #require(try await harness.exchange(try await harness.launch()).response)
        let told = Mutex(0)
        harness.server.signIns.observe { told.withLock { $0 += 1 } }
        #expect(try Self.isEnough(harness, response))
        let anna = try #require(try await harness.store.user(named: "anna"))

        #expect(
            try await harness.server.accounts.setRoles([.clinician], of: anna.subject, by: "test", from: harness.source)
        )

        #expect(told.withLock { $0 } == 1, "the enforcer forgets what it remembers")
        #expect(try !Self.isEnough(harness, response))
        #expect(try await Self.introspected(harness, response.accessToken) == ["active": false])
    }

    @Test(.verifies("house@ASSURANCE-TOKENS"))
    func `of a grant that is not there, or cannot be read, nothing is known`() async throws {
        let harness = try await LaunchHarness()
        let response = try #require(try await harness.exchange(try await harness.launch()).response)
        let access = try harness.access(response).grantedAccess()
        let other = try await LaunchHarness()
        #expect(try !other.server.signIns.isEnough(for: access))
        var unreadable = try #require(try harness.store.footing(of: access.grantID)).grant
        unreadable.isReadable = false
        let footing = try #require(try harness.store.footing(of: access.grantID))
        #expect(AssurancePolicy().isEnough(footing))
        #expect(
            !AssurancePolicy().isEnough(
                GrantFooting(grant: unreadable, client: footing.client, account: footing.account)))
        #expect(!AssurancePolicy().isEnough(GrantFooting(grant: footing.grant, client: nil, account: footing.account)))
        #expect(!AssurancePolicy().isEnough(GrantFooting(grant: footing.grant, client: footing.client)))
    }

    @Test(.verifies("house@ASSURANCE-TOKENS"))
    func `nobody signed in for a backend service, so nothing is demanded of it`() async throws {
        let harness = try await LaunchHarness(configure: {
            $0.secondFactor.programs = [.payerToPayer]
            $0.secondFactor.roles = Set(UserRole.allCases)
        })
        let token = try await EHR.token(harness, client: "service", scope: "system/Patient.rs")
        let claims = try #require(
            try IssuedTokens(parts: harness.server.introspection.parts).claims(of: Secret(token), at: harness.clock.now)
        )
        #expect(try harness.server.signIns.isEnough(for: claims.grantedAccess()))
    }

    // MARK: - what an app asked for

    private static let asked: [String: String?] = ["acr_values": AuthenticationContext.secondFactorClass]
    private static let byOTP = SecondFactorEvidence(methods: ["otp"])

    @Test(.verifies("house@ASKED-ACR"))
    func `two factors that an app asked for are held to when the operator believes less by now`() async throws {
        let (federation, response) = try await Self.granted("urn:low", ["otp"], asking: Self.asked, Self.byOTP)
        let refresh = try #require(response.refreshToken).reveal()
        let doubting = try await FederationHarness(Self.provider(), after: federation)

        #expect(try await doubting.harness.refresh(refresh).face == "400 invalid_grant")
        #expect(try !Self.isEnough(doubting.harness, response))
        #expect(try await Self.introspected(doubting.harness, Secret(refresh)) == ["active": false])
        // Nothing was ended: it goes on when the operator believes it again.
        let believing = try await FederationHarness(Self.provider(Self.byOTP), after: doubting)
        #expect(try await believing.harness.refresh(refresh).response != nil)
    }

    @Test(.verifies("house@ASKED-ACR"))
    func `who did not ask for two factors goes on when the operator believes less by now`() async throws {
        let (federation, response) = try await Self.granted("urn:low", ["otp"], Self.byOTP)
        let doubting = try await FederationHarness(Self.provider(), after: federation)
        #expect(try Self.isEnough(doubting.harness, response))
        #expect(
            try await doubting.harness.refresh(try #require(response.refreshToken).reveal()).response != nil)
    }

    /// RFC 9068 §2.2.1: what is said of the sign-in is fixed for every token of one authorization.
    @Test(.verifies("house@ASKED-ACR"))
    func `a refresh says how and when the person signed in when they allowed it, whatever they did since`() async throws
    {
        let (federation, response) = try await Self.granted("urn:mid", ["pwd"])
        let harness = federation.harness
        let first = try harness.access(response)
        let began = harness.clock.now
        harness.clock.advance(seconds: 600)
        // The same person signs in again, with more, for the same app.
        federation.provider.set { $0.claims = ["acr": "urn:high", "amr": ["pwd", "mfa"]] }
        let stronger = try harness.access(try await federation.launch())
        #expect(stronger.authenticationContext == "urn:high")
        harness.clock.advance(seconds: 60)

        let refresh = try #require(response.refreshToken).reveal()
        let renewed = try #require(try await harness.refresh(refresh).response)

        let claims = try harness.access(renewed)
        #expect(claims.authenticationContext == "urn:mid")
        #expect(claims.authenticatedAt == first.authenticatedAt)
        #expect(try #require(claims.authenticatedAt) <= began)
        // OpenID Connect Core §12.2 leaves the id_token to the server; the first one goes on saying it.
        #expect(renewed.idToken == nil)
        // RFC 9470 §6.2.
        for token in [renewed.accessToken, try #require(renewed.refreshToken)] {
            let facts = try await Self.introspected(harness, token)
            #expect(facts["acr"] == "urn:mid")
            #expect(facts["auth_time"] == first.authenticatedAt.map { .int($0) })
        }
    }

    @Test(.verifies("house@ASKED-ACR"))
    func `an app that may not know of the sign-in is not told of it by introspection either`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch(["client_id": "confidential", "scope": "launch/patient patient/Patient.rs"])
        let basic = LaunchHarness.basic("confidential", "confidential-secret")
        let response = try #require(
            try await harness.exchange(code, ["client_id": nil], authorization: basic).response)
        let own = await harness.server.introspection.answer(
            try LaunchHarness.form([("token", response.accessToken.reveal())]), authorization: basic,
            from: harness.source)
        guard case .facts(let facts) = own else { throw Unexpected("\(own)") }
        #expect(facts["active"] == true)
        #expect(facts["acr"] == nil && facts["auth_time"] == nil)
        let told = try await Self.introspected(harness, response.accessToken)
        #expect(told["acr"]?.string == AuthenticationContext.passwordClass)
        #expect(told["auth_time"] != nil)
    }
}
