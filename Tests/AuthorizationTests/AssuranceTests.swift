import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import Authorization

/// Demands on sign-ins hold whenever something rests on a sign-in: refusals first.
@Suite struct AssuranceTests {
    private static let order = ["urn:low", "urn:mid", "urn:high"]
    private static let mid = AssuranceRules(programs: ["patient-access": "urn:mid"])

    private static func provider(_ evidence: SecondFactorEvidence = SecondFactorEvidence()) -> IdentityProvider {
        ProviderDouble.provider(contextOrder: order, secondFactor: evidence)
    }

    /// A process that was started after another one, with other demands.
    private static func restarted(
        _ earlier: FederationHarness, _ assurance: AssuranceRules = AssuranceRules(),
        provider: IdentityProvider = provider(), configure: (inout AuthorizationConfiguration) -> Void = { _ in }
    ) async throws -> FederationHarness {
        try await FederationHarness(provider, assurance: assurance, after: earlier, configure: configure)
    }

    /// Somebody signed in at the provider, at a process without demands.
    private static func signedIn(
        _ context: String?, _ methods: [String] = ["pwd"]
    ) async throws -> (federation: FederationHarness, cookie: Secret, page: ConsentPage) {
        let federation = try await FederationHarness(provider())
        federation.provider.set {
            $0.claims = ["acr": context.map { .string($0) }, "amr": .array(methods.map { .string($0) })]
        }
        let answer = try #require(try await federation.signIn().interaction)
        return (federation, try #require(answer.newCookie), try #require(answer.consent, "\(answer.outcome)"))
    }

    private static func granted(
        _ context: String?, _ methods: [String] = ["pwd"]
    ) async throws -> (federation: FederationHarness, cookie: Secret, refresh: String) {
        let (federation, cookie, page) = try await signedIn(context, methods)
        let decided = try await federation.harness.decide(page, session: cookie)
        let code = try #require(decided.redirectParameters?["code"])
        let response = try #require(try await federation.harness.exchange(code).response)
        return (federation, cookie, try #require(response.refreshToken).reveal())
    }

    private static func demandFactor(_ configuration: inout AuthorizationConfiguration) {
        configuration.secondFactor.programs = [.patientAccess]
    }

    // MARK: - refresh

    @Test(.verifies("house@ASSURANCE-TODAY"), .verifies("house@MINIMUM-ACR"), arguments: [nil, "urn:low", "urn:other"])
    func `a refresh is refused when more is demanded by now, and the grant stays`(_ context: String?) async throws {
        let (federation, _, refresh) = try await Self.granted(context)
        let strict = try await Self.restarted(federation, Self.mid)

        let refused = try await strict.harness.refresh(refresh)

        #expect(refused.face == "400 invalid_grant")
        #expect(refused.error?.summary.contains("the person must sign in again") == true)
        let grants = try await strict.store.grants(matching: GrantFilter(), limit: 9)
        #expect(grants.map(\.revocation) == [nil])
        let bearer = "Bearer " + (try await EHR.token(strict.harness, client: "resource-server", scope: "__introspect"))
        let told = await strict.harness.server.introspection.answer(
            try LaunchHarness.form([("token", refresh)]), authorization: bearer, from: strict.harness.source)
        guard case .facts(["active": false]) = told else {
            Issue.record("\(told)")
            return
        }
        // The token was not used up: it works again when the demand is lowered.
        let mild = try await Self.restarted(strict)
        #expect(try await mild.harness.refresh(refresh).response != nil)
    }

    @Test(.verifies("house@ASSURANCE-TODAY"), arguments: ["urn:mid", "urn:high"])
    func `a refresh goes on when the sign-in meets what is demanded by now`(_ context: String) async throws {
        let (federation, _, refresh) = try await Self.granted(context)
        let strict = try await Self.restarted(federation, Self.mid)
        #expect(try await strict.harness.refresh(refresh).response != nil)
    }

    @Test(.verifies("house@ASSURANCE-TODAY"))
    func `a demand on a scope that the grant holds counts at the refresh, also of fewer scopes`() async throws {
        let (federation, _, refresh) = try await Self.granted("urn:low")
        let strict = try await Self.restarted(
            federation, AssuranceRules(scopes: ["patient/Condition.rs": "urn:high"]))
        #expect(try await strict.harness.refresh(refresh).face == "400 invalid_grant")
        #expect(try await strict.harness.refresh(refresh, scope: "patient/Patient.rs").face == "400 invalid_grant")
        let elsewhere = try await Self.restarted(
            federation, AssuranceRules(scopes: ["user/Condition.rs": "urn:high"]))
        #expect(try await elsewhere.harness.refresh(refresh).response != nil)
    }

    @Test(.verifies("house@ASSURANCE-TODAY"))
    func `the word of a provider that is there no more counts for nothing`() async throws {
        let (federation, _, refresh) = try await Self.granted("urn:high", ["mfa"])
        let other = ProviderDouble.provider(contextOrder: Self.order, issuer: "https://other.example")
        let moved = try await Self.restarted(federation, Self.mid, provider: other)
        #expect(try await moved.harness.refresh(refresh).face == "400 invalid_grant")
    }

    @Test(.verifies("house@ASSURANCE-TODAY"))
    func `a second factor that is demanded by now is demanded at the refresh`() async throws {
        let (federation, _, weak) = try await Self.granted("urn:low")
        let strict = try await Self.restarted(federation, configure: Self.demandFactor)
        #expect(try await strict.harness.refresh(weak).face == "400 invalid_grant")
        let (other, _, strong) = try await Self.granted("urn:low", ["pwd", "mfa"])
        let strictToo = try await Self.restarted(other, configure: Self.demandFactor)
        #expect(try await strictToo.harness.refresh(strong).response != nil)
    }

    @Test(.verifies("house@ASSURANCE-TODAY"), arguments: [true, false])
    func `a password of this server is no second factor at the refresh either`(_ isProgram: Bool) async throws {
        let store = InMemoryAuthorizationStore()
        let mild = try await LaunchHarness(store: store)
        let code = try await mild.launch()
        let refresh = try #require(try await mild.exchange(code).response?.refreshToken).reveal()
        let strict = try await LaunchHarness(
            store: store, clock: mild.clock, seed: 8, isFresh: false,
            configure: { configuration in
                if isProgram {
                    configuration.secondFactor.programs = [.patientAccess]
                } else {
                    configuration.secondFactor.roles = [.member]
                }
            })
        #expect(try await strict.refresh(refresh).face == "400 invalid_grant")
        #expect(try await strict.store.grants(matching: GrantFilter(), limit: 9).map(\.revocation) == [nil])
    }

    @Test(.verifies("house@ASSURANCE-TODAY"))
    func `a code is not redeemed when more is demanded by now`() async throws {
        let (federation, cookie, page) = try await Self.signedIn("urn:low")
        let decided = try await federation.harness.decide(page, session: cookie)
        let code = try #require(decided.redirectParameters?["code"])
        let strict = try await Self.restarted(federation, Self.mid)
        #expect(try await strict.harness.exchange(code).face == "400 invalid_grant")
    }

    // MARK: - a session that is used again

    @Test(.verifies("house@ASSURANCE-TODAY"), .verifies("oauth-attack@U-21"))
    func `a session that proved less serves no launch, silent or not, and sets nothing up`() async throws {
        for demand in ["acr", "factor", "role"] {
            let (federation, cookie, _) = try await Self.granted("urn:low")
            let strict = try await Self.restarted(federation, demand == "acr" ? Self.mid : AssuranceRules()) {
                if demand == "factor" { Self.demandFactor(&$0) }
                if demand == "role" { $0.secondFactor.roles = [.member] }
            }
            let silent = try await strict.harness.begin(["prompt": "none"], session: cookie)
            #expect(silent.redirectParameters?["error"] == "login_required", "\(demand)")
            let shown = try await strict.harness.begin(session: cookie)
            #expect(shown.login != nil, "\(demand): \(shown.outcome)")
            let account = try await strict.harness.server.interaction.signedIn(session: cookie)
            #expect((account == nil) == (demand == "role"))
        }
    }

    @Test(.verifies("house@ASSURANCE-TODAY"))
    func `a password session of an account whose role needs two factors asks for the code`() async throws {
        let store = InMemoryAuthorizationStore()
        let mild = try await LaunchHarness(store: store)
        let (page, cookie) = try await mild.reachConsent()
        let strict = try await LaunchHarness(
            store: store, clock: mild.clock, seed: 8, isFresh: false,
            configure: { $0.secondFactor.roles = [.member] })

        #expect(try await strict.begin(session: cookie).secondFactor?.enrolment != nil)
        let silent = try await strict.begin(["prompt": "none"], session: cookie)
        #expect(silent.redirectParameters?["error"] == "login_required")
        #expect(try await strict.server.interaction.signedIn(session: cookie) == nil)
        // The page that was open gives nothing either.
        let decided = try await strict.decide(page, session: cookie)
        #expect(decided.redirectParameters?["error"] == "access_denied", "\(decided.outcome)")
        #expect(try await store.grants(matching: GrantFilter(), limit: 9).isEmpty)
    }

    @Test(.verifies("house@ASSURANCE-TODAY"))
    func `a consent that is remembered is not taken in a session that proved less`() async throws {
        let (federation, cookie, page) = try await Self.signedIn("urn:low")
        var fields = [("decision", "allow"), ("remember", "yes")]
        fields += page.offer.items.flatMap { item in
            [(item.field, item.value)] + item.parts.map { ($0.field, $0.value) }
        }
        _ = await federation.harness.server.interaction.consent(
            transaction: page.transaction, form: try LaunchHarness.form(fields), session: cookie,
            from: federation.harness.source)
        #expect(try await federation.harness.begin(session: cookie).redirectParameters?["code"] != nil)
        let strict = try await Self.restarted(federation, Self.mid)
        #expect(try await strict.harness.begin(session: cookie).login != nil)
        let silent = try await strict.harness.begin(["prompt": "none"], session: cookie)
        #expect(silent.redirectParameters?["error"] == "login_required")
    }

    @Test(.verifies("house@ASSURANCE-TODAY"))
    func `a consent page that was open when more was demanded gives nothing`() async throws {
        let (federation, cookie, page) = try await Self.signedIn("urn:low")
        let strict = try await Self.restarted(federation, Self.mid)
        let decided = try await strict.harness.decide(page, session: cookie)
        #expect(decided.redirectParameters?["error"] == "access_denied", "\(decided.outcome)")
        #expect(try await strict.store.grants(matching: GrantFilter(), limit: 9).isEmpty)
    }

    // MARK: - two factors elsewhere

    private static let byClass = SecondFactorEvidence(contexts: ["urn:high"])

    @Test(
        .verifies("house@SECOND-FACTOR-ELSEWHERE"),
        arguments: [
            (nil, ["pwd"], false), ("urn:low", ["pwd"], false), ("urn:mid", ["pwd", "otp"], false),
            (AuthenticationContext.secondFactorClass, ["pwd"], false), ("urn:high", ["pwd"], true),
            ("urn:high", [], true), (nil, ["mfa"], true),
        ] as [(String?, [String], Bool)])
    func `a program that demands two factors takes a provider's acr where the operator says so`(
        _ context: String?, _ methods: [String], _ opens: Bool
    ) async throws {
        let federation = try await FederationHarness(Self.provider(Self.byClass), configure: Self.demandFactor)
        federation.provider.set {
            $0.claims = ["acr": context.map { .string($0) }, "amr": .array(methods.map { .string($0) })]
        }
        let (launch, cookie) = try await federation.begin()
        let (query, _) = try await federation.go(launch, cookie)
        #expect(query["acr_values"] == "urn:high")
        let answer = try #require(try await federation.comeBack(query, cookie).interaction)
        #expect((answer.consent != nil) == opens, "\(answer.outcome)")
        if !opens { #expect(answer.shownError?.code == .accessDenied) }
    }

    @Test(.verifies("house@SECOND-FACTOR-ELSEWHERE"), .verifies("oauth-attack@U-21"))
    func `who signs in elsewhere sets no second factor up here`() async throws {
        let (federation, cookie, _) = try await Self.granted("urn:low")
        let login = try #require(try await federation.store.logins().first)
        let account = try #require(try await federation.store.user(login.account))
        let strict = try await Self.restarted(federation, configure: Self.demandFactor)
        let desk = strict.harness.server.secondFactors
        let session = SessionID(presented: cookie)

        let begun = try #require(try await strict.harness.begin(session: cookie).login)
        let answer = await strict.harness.server.interaction.secondFactor(
            transaction: begun.transaction, code: Secret("000000"), session: cookie, from: strict.harness.source)
        #expect(answer.secondFactor == nil, "\(answer.outcome)")
        #expect(try await desk.enrolment(of: account, in: session) == nil)
        for password in ["", "none", account.passwordHash.encoded] {
            let refused = try await desk.begin(
                for: account, password: Secret(password), in: session, from: strict.harness.source)
            guard case .refused(.wrongPassword) = refused else {
                Issue.record("\(refused)")
                continue
            }
        }
        let confirmed = try await desk.confirm(
            Secret("000000"), of: account, in: session, from: strict.harness.source)
        guard case .refused(.changedMeanwhile) = confirmed else {
            Issue.record("\(confirmed)")
            return
        }
        #expect(try await strict.store.secondFactor(of: account.subject) == nil)
    }

    @Test(.verifies("house@SECOND-FACTOR-ELSEWHERE"))
    func `a role that is demanded counts for who the person is by now`() async throws {
        let federation = try await FederationHarness(Self.provider()) { $0.secondFactor.roles = [.clinician] }
        // A member: nothing is demanded.
        _ = try await federation.launch()
        // The same login is a practitioner by now; the account still has the role that it was made with.
        federation.site.say(
            .known(MemberFacts(person: MemberChoiceTests.key("Practitioner/doctor"))))
        #expect(try await federation.signIn().shown?.code == .accessDenied)
        #expect(federation.failures == ["second-factor"])
        let login = try #require(try await federation.store.logins().first)
        #expect(try await federation.store.user(login.account)?.roles == [.member])
        federation.provider.set { $0.claims = ["amr": ["pwd", "mfa"]] }
        #expect(try await federation.signIn().interaction?.patientChoice != nil)
        // And back: a member's sign-in needs one factor again.
        federation.provider.set { $0.claims = [:] }
        federation.site.say(FederationHarness.patient("patient-a"))
        #expect(try await federation.signIn().shown == nil)
    }

    @Test(.verifies("house@SECOND-FACTOR-ELSEWHERE"))
    func `an app that asks for two factors gets them from the provider or nothing`() async throws {
        let asks: [String: String?] = ["acr_values": AuthenticationContext.secondFactorClass]
        for (methods, opens) in [(["pwd"], false), (["pwd", "mfa"], true)] {
            let federation = try await FederationHarness(Self.provider())
            federation.provider.set { $0.claims = ["amr": .array(methods.map { .string($0) })] }
            let (launch, cookie) = try await federation.begin(asks)
            let (query, _) = try await federation.go(launch, cookie)
            let answer = try #require(try await federation.comeBack(query, cookie).interaction)
            #expect((answer.consent != nil) == opens, "\(answer.outcome)")
        }
    }

    @Test func `acr_values that come twice are refused`() async throws {
        let harness = try await LaunchHarness()
        let answer = try await harness.begin(
            adding: [("acr_values", AuthenticationContext.secondFactorClass), ("acr_values", "urn:other")])
        #expect(answer.redirectParameters?["error"] == "invalid_request", "\(answer.outcome)")
    }

    // MARK: - addresses in a provider's document

    @Test(.verifies("house@PROVIDER-DOCUMENT"))
    func `what a provider's document names elsewhere is asked as anybody's address`() async throws {
        let federation = try await FederationHarness(Self.provider())
        federation.provider.set { $0.metadata = ["jwks_uri": "https://keys.example/keys"] }
        _ = try await federation.launch()
        let trusts = federation.provider.requests.map { "\($0.url.dropFirst(8)) \($0.trust)" }
        #expect(
            Set(trusts) == [
                "idp.example/.well-known/openid-configuration configured", "idp.example/token configured",
                "keys.example/keys client",
            ])
    }

    @Test(.verifies("house@PROVIDER-DOCUMENT"))
    func `a token endpoint elsewhere is asked as anybody's address, and one at a named host as the operator's`()
        async throws
    {
        for hosts in [[], ["tokens.example"]] as [Set<String>] {
            let federation = try await FederationHarness(ProviderDouble.provider(documentHosts: hosts))
            federation.provider.set { $0.metadata = ["token_endpoint": "https://tokens.example/token"] }
            #expect(try await federation.signIn().shown != nil, "nobody answers there")
            let sent = try #require(federation.provider.requests.last)
            #expect(sent.url == "https://tokens.example/token")
            #expect(sent.trust == (hosts.isEmpty ? .client : .configured))
        }
    }
}
