import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Signing in at an OpenID Provider (U-23, L-22): refusals first.
@Suite struct FederationTests {
    /// Nobody got anything: no session, no account, no grant.
    private func nothingWasGiven(_ answer: FederationAnswer, _ federation: FederationHarness) async throws {
        #expect(answer.shown != nil, "\(answer)")
        #expect(try await federation.store.logins().isEmpty)
        #expect(try await federation.store.grants(matching: GrantFilter(), limit: 9).isEmpty)
        #expect(!federation.harness.log.kinds.contains(.login))
    }

    // MARK: - the answer in the address

    @Test(
        .verifies("oauth-attack@U-23"),
        arguments: [
            ["state": nil], ["state": "another"], ["state": ""], ["iss": "https://other.example"], ["iss": nil],
            ["iss": "https://idp.example/"], ["code": nil], ["code": ""], ["error": "access_denied"],
            ["error": "<script>"], ["code": "code-1", "error": "server_error"],
        ] as [[String: String?]])
    func `an answer without its state, issuer or code is refused`(_ changes: [String: String?]) async throws {
        let federation = try await FederationHarness()
        let answer = try await federation.signIn(changes)
        try await nothingWasGiven(answer, federation)
        #expect(federation.provider.requests.allSatisfy { $0.method == .get }, "no code was redeemed")
    }

    @Test(.verifies("oauth-attack@U-23")) func `an answer is taken once`() async throws {
        let federation = try await FederationHarness()
        let (launch, cookie) = try await federation.begin()
        let (query, _) = try await federation.go(launch, cookie)
        #expect(try await federation.comeBack(query, cookie, ["error": "temporarily_unavailable"]).shown != nil)
        try await nothingWasGiven(try await federation.comeBack(query, cookie), federation)
    }

    @Test(.verifies("oauth-attack@U-23")) func `an answer belongs to the browser that set out`() async throws {
        let federation = try await FederationHarness()
        let (launch, cookie) = try await federation.begin()
        let (_, stranger) = try await federation.begin()
        let (query, _) = try await federation.go(launch, cookie)
        try await nothingWasGiven(try await federation.comeBack(query, stranger), federation)
        try await nothingWasGiven(try await federation.comeBack(query, nil), federation)
    }

    @Test(.verifies("oauth-attack@U-23")) func `an answer of one provider is not taken for another's`() async throws {
        let federation = try await FederationHarness(more: [ProviderDouble.provider(id: "other")])
        let (launch, cookie) = try await federation.begin()
        let (query, location) = try await federation.go(launch, cookie)
        #expect(location.contains("callback%2Fplan"))
        try await nothingWasGiven(try await federation.comeBack(query, cookie, at: "other"), federation)
        try await nothingWasGiven(try await federation.comeBack(query, cookie, at: "nowhere"), federation)
    }

    @Test func `an answer comes within a quarter of an hour`() async throws {
        let federation = try await FederationHarness()
        let (launch, cookie) = try await federation.begin()
        let (query, _) = try await federation.go(launch, cookie)
        federation.harness.clock.advance(seconds: 900)
        try await nothingWasGiven(try await federation.comeBack(query, cookie), federation)
    }

    @Test(.verifies("oauth-attack@U-23")) func `a launch of another browser is not taken along`() async throws {
        let federation = try await FederationHarness()
        let (launch, _) = try await federation.begin()
        let (_, stranger) = try await federation.begin()
        for cookie in [stranger, nil] {
            let answer = await federation.endpoint.begin(
                provider: "plan", launch: launch, session: cookie, from: federation.harness.source)
            #expect(answer.shown != nil)
        }
        #expect(federation.provider.requests.isEmpty)
    }

    // MARK: - the ID token

    @Test(
        .verifies("oauth-attack@U-23"),
        arguments: [
            ["nonce": "another"], ["nonce": nil], ["nonce": ""], ["iss": "https://other.example"], ["iss": nil],
            ["aud": "somebody"], ["aud": ["chaperone", "somebody"]], ["aud": nil], ["azp": "somebody"],
            ["exp": .int(1_799_999_000)], ["exp": nil], ["exp": .string("1900000000")], ["iat": .int(1_799_990_000)],
            ["iat": .int(1_800_009_000)], ["iat": nil], ["nbf": .int(1_800_009_000)], ["sub": nil], ["sub": ""],
            ["sub": .int(7)], ["auth_time": .int(1_800_009_000)], ["auth_time": "now"], ["acr": .int(3)],
            ["amr": "pwd"],
        ] as [[String: JSONValue?]])
    func `an ID token with one wrong claim is refused`(_ claims: [String: JSONValue?]) async throws {
        let federation = try await FederationHarness()
        federation.provider.set { $0.claims = claims }
        let answer = try await federation.signIn()
        try await nothingWasGiven(answer, federation)
        #expect(federation.failures == ["provider"])
    }

    @Test(.verifies("oauth-attack@U-23")) func `an ID token of a key that is not published is refused`() async throws {
        let federation = try await FederationHarness()
        federation.provider.set { $0.signingKey = ProviderDouble.otherKey }
        try await nothingWasGiven(try await federation.signIn(), federation)
    }

    @Test(.verifies("oauth-attack@U-23")) func `an ID token in an algorithm that is not configured is refused`()
        async throws
    {
        let key = try PrivateJWK.generate(.es256, keyID: "es")
        let federation = try await FederationHarness()
        federation.provider.set {
            $0.keys = [key]
            $0.signingKey = key
        }
        try await nothingWasGiven(try await federation.signIn(), federation)
    }

    @Test func `keys that were changed are fetched anew, and not for every bad token`() async throws {
        let federation = try await FederationHarness()
        _ = try await federation.launch()
        federation.provider.set {
            $0.keys = [ProviderDouble.otherKey]
            $0.signingKey = ProviderDouble.otherKey
        }
        _ = try await federation.launch()
        federation.provider.set { $0.signingKey = ProviderDouble.key }
        for _ in 0..<3 { #expect(try await federation.signIn().shown != nil) }
        let fetches = federation.provider.requests.filter { $0.url.hasSuffix("/keys") }
        #expect(fetches.count == 2)
    }

    @Test(arguments: [
        OutboundAnswer(status: 400, body: Array(#"{"error":"invalid_grant"}"#.utf8)),
        OutboundAnswer(status: 200, body: Array("{}".utf8)), OutboundAnswer(status: 200, body: Array("<html>".utf8)),
        OutboundAnswer(status: 200, body: Array(#"{"id_token":"a.b.c"}"#.utf8)), OutboundAnswer(status: 500, body: []),
    ])
    func `a token endpoint that gives no token gives nothing`(_ answer: OutboundAnswer) async throws {
        let federation = try await FederationHarness()
        federation.provider.set { $0.tokenAnswer = answer }
        try await nothingWasGiven(try await federation.signIn(), federation)
    }

    // MARK: - the provider's documents

    @Test(
        .verifies("oauth-attack@U-23"),
        arguments: [
            ["issuer": "https://other.example"], ["issuer": "https://idp.example/"], ["issuer": nil],
            ["authorization_endpoint": nil], ["token_endpoint": "http://idp.example/token"],
            ["authorization_endpoint": "javascript:alert(1)"], ["jwks_uri": "https://user@idp.example/keys"],
            ["jwks_uri": nil], ["response_types_supported": ["id_token"]],
            ["code_challenge_methods_supported": ["plain"]], ["id_token_signing_alg_values_supported": ["HS256"]],
            ["authorization_response_iss_parameter_supported": "yes"], ["end_session_endpoint": "ftp://x"],
        ] as [[String: JSONValue?]])
    func `nobody is sent to a provider whose document is not right`(_ changes: [String: JSONValue?]) async throws {
        let federation = try await FederationHarness()
        federation.provider.set { $0.metadata = changes }
        let (launch, cookie) = try await federation.begin()
        let answer = await federation.endpoint.begin(
            provider: "plan", launch: launch, session: cookie, from: federation.harness.source)
        #expect(answer.shown?.code == .temporarilyUnavailable)
        #expect(federation.failures == ["unavailable"])
    }

    @Test func `a provider that is down is told from a sign-in that was refused`() async throws {
        let federation = try await FederationHarness()
        let (launch, cookie) = try await federation.begin()
        federation.provider.set { $0.isDown = true }
        let answer = await federation.endpoint.begin(
            provider: "plan", launch: launch, session: cookie, from: federation.harness.source)
        #expect(answer.shown?.code == .temporarilyUnavailable)
        federation.provider.set { $0.isDown = false }
        let (query, _) = try await federation.go(launch, cookie)
        federation.provider.set { $0.isDown = true }
        let back = try await federation.comeBack(query, cookie)
        #expect(back.shown?.code == .temporarilyUnavailable)
        #expect(back.shown?.summary.contains("idp.example") == false, "nothing of the inside is told")
    }

    // MARK: - who it is

    @Test(.verifies("oauth-attack@U-23"), arguments: [MemberDirectoryAnswer.unknown, .ambiguous])
    func `a login that the site does not know for certain gets nothing`(_ answer: MemberDirectoryAnswer) async throws {
        let federation = try await FederationHarness()
        federation.site.say(answer)
        try await nothingWasGiven(try await federation.signIn(), federation)
        #expect(federation.failures.first?.hasPrefix("directory-") == true)
    }

    @Test func `a directory that cannot be asked refuses`() async throws {
        let federation = try await FederationHarness()
        federation.site.goDown()
        let answer = try await federation.signIn()
        try await nothingWasGiven(answer, federation)
        #expect(answer.shown?.code == .temporarilyUnavailable)
    }

    @Test(
        .verifies("oauth-attack@U-23"), .verifies("oauth-attack@L-22"),
        arguments: [
            ["member_id": nil], ["member_id": ""], ["member_id": ["M-1"]], ["member_id": "M-2"],
            ["member_id": nil, "email": "anna@example.org", "email_verified": true, "name": "ANNA"],
            ["member_id": nil, "fhirUser": "Patient/patient-a"],
            ["member_id": "M-2", "fhirUser": "https://as.example/fhir/Patient/patient-a"],
        ] as [[String: JSONValue?]])
    func `nobody is found by another claim than the configured one`(_ claims: [String: JSONValue?]) async throws {
        let federation = try await FederationHarness()
        federation.provider.set { $0.claims = claims }
        try await nothingWasGiven(try await federation.signIn(), federation)
    }

    @Test(.verifies("oauth-attack@L-22")) func `a claimed fhirUser is never copied through`() async throws {
        let federation = try await FederationHarness()
        federation.provider.set {
            $0.claims = ["fhirUser": "Patient/patient-b", "patient": "patient-b", "scope": "user/*.cruds"]
        }
        let response = try await federation.launch()
        let access = try federation.harness.access(response)
        #expect(access.access.launch.fhirUser == MemberChoiceTests.key("Patient/patient-a"))
        #expect(access.access.launch.patient?.text == "patient-a")
        #expect(access.access.subject?.text != "s-1", "the provider's subject is not ours")
    }

    @Test(.verifies("oauth-attack@U-23"))
    func `the same subject at another issuer, and the same e-mail, are other logins`() async throws {
        let federation = try await FederationHarness(links: true)
        #expect(
            try await federation.harness.store.insertLinked(
                issuer: "https://other.example", subject: "s-1", person: "Patient/patient-a"))
        federation.provider.set { $0.claims = ["email": "anna@example.org", "preferred_username": "anna"] }
        let answer = try await federation.signIn()
        #expect(answer.shown != nil)
        #expect(federation.failures == ["not-linked"])
        #expect(try await federation.store.logins().count == 1)
    }

    @Test func `an account that nobody linked gets nothing, and a linked one its own`() async throws {
        let federation = try await FederationHarness(links: true)
        try await nothingWasGiven(try await federation.signIn(), federation)
        #expect(
            try await federation.store.insertLinked(
                issuer: ProviderDouble.issuer, subject: "s-1", person: "Patient/patient-b"))
        let access = try federation.harness.access(try await federation.launch())
        #expect(access.access.launch.patient?.text == "patient-b")
    }

    @Test func `nobody signs in with a password to the account of a provider's login`() async throws {
        let federation = try await FederationHarness()
        _ = try await federation.launch()
        let account = try #require(
            try await federation.store.users().first { $0.username.hasPrefix(ProviderDouble.issuer) })
        let (launch, cookie) = try await federation.begin()
        for password in ["", "none", "$argon2id$none", account.passwordHash.encoded] {
            let answer = await federation.harness.server.interaction.login(
                transaction: launch, username: account.username, password: Secret(password), session: cookie,
                from: federation.harness.source)
            #expect(answer.login?.problem == .wrongCredentials)
        }
    }

    @Test func `local accounts can be switched off`() async throws {
        let federation = try await FederationHarness(takesPasswords: false)
        let (launch, cookie) = try await federation.begin()
        let answer = await federation.harness.server.interaction.login(
            transaction: launch, username: "anna", password: Secret("pass-anna"), session: cookie,
            from: federation.harness.source)
        #expect(answer.shownError?.code == .accessDenied)
        #expect(try await federation.launch().launch.patient?.text == "patient-a")
    }

    // MARK: - asked again

    private func granted(_ federation: FederationHarness) async throws -> String {
        try #require(try await federation.launch().refreshToken).reveal()
    }

    @Test(
        .verifies("house@MEMBER-REFRESH"),
        arguments: [
            .unknown, .ambiguous, FederationHarness.patient("patient-b"),
            .known(
                MemberFacts(
                    records: [
                        MemberRecord(
                            id: MemberChoiceTests.id("patient-a"), label: "", coverageEnd: CalendarDate("2020-01-01"))
                    ])),
            .known(
                MemberFacts(
                    person: MemberChoiceTests.key("Patient/patient-a"),
                    survivors: [
                        MemberChoiceTests.key("Patient/patient-a"): MemberChoiceTests.key("Patient/patient-z")
                    ])),
        ] as [MemberDirectoryAnswer])
    func `a grant ends at the refresh at which the site says otherwise`(_ answer: MemberDirectoryAnswer) async throws {
        let federation = try await FederationHarness()
        let refresh = try await granted(federation)
        federation.site.say(answer)
        #expect(try await federation.harness.refresh(refresh).face == "400 invalid_grant")
        let grants = try await federation.store.grants(matching: GrantFilter(), limit: 9)
        #expect(grants.map(\.revocation?.reason) == [.memberChanged])
        federation.site.say(FederationHarness.patient("patient-a"))
        #expect(try await federation.harness.refresh(refresh).face == "400 invalid_grant", "what has ended stays ended")
    }

    @Test(.verifies("house@MEMBER-REFRESH"))
    func `a directory that cannot be asked refuses the refresh and ends nothing`() async throws {
        let federation = try await FederationHarness()
        let refresh = try await granted(federation)
        let saying = federation.site
        saying.goDown()
        let answer = try await federation.harness.refresh(refresh)
        #expect(answer.response == nil)
        let grants = try await federation.store.grants(matching: GrantFilter(), limit: 9)
        #expect(grants.map(\.revocation) == [nil])
    }

    @Test func `a login whose person has changed is linked anew, and its old grants end`() async throws {
        let federation = try await FederationHarness()
        let response = try await federation.launch()
        federation.site.say(FederationHarness.patient("patient-b"))
        let second = try await federation.launch()
        #expect(second.launch.patient?.text == "patient-b")
        #expect(try federation.harness.isRefused(response))
        #expect(try await federation.store.logins().count == 1)
        #expect(federation.harness.log.records.contains { $0.kind == .userChanged && $0.actor == "directory" })
    }

    // MARK: - undone

    @Test(.verifies("house@MEMBER-UNDO")) func `an undone link ends its grants and stays undone`() async throws {
        let federation = try await FederationHarness()
        let response = try await federation.launch()
        let login = try #require(try await federation.store.logins().first)
        let outcome = try await federation.harness.server.access.undoLogin(
            login.account, by: "admin", from: federation.harness.source)
        #expect(outcome?.grants.count == 1)
        #expect(try federation.harness.isRefused(response))
        #expect(try await federation.signIn().shown != nil, "the source still knows the member")
        #expect(federation.failures == ["link-undone"])
        #expect(federation.harness.log.records.contains { $0.kind == .userChanged && $0.actor == "admin" })
    }

    @Test(.verifies("house@MEMBER-UNDO")) func `an undoing at the moment of a sign-in holds`() async throws {
        let federation = try await FederationHarness()
        _ = try await federation.launch()
        let login = try #require(try await federation.store.logins().first)
        federation.site.say(FederationHarness.patient("patient-b"))
        let access = federation.harness.server.access
        let source = federation.harness.source
        federation.site.whenAsked { _ = try await access.undoLogin(login.account, by: "admin", from: source) }
        #expect(try await federation.signIn().shown != nil)
        #expect(try await federation.store.login(of: login.account)?.undoneAt != nil)
        #expect(try await federation.store.link(for: login.account) == nil)
    }

    @Test func `a disabled account of a login gets nothing`() async throws {
        let federation = try await FederationHarness()
        _ = try await federation.launch()
        let login = try #require(try await federation.store.logins().first)
        _ = try await federation.harness.server.accounts.disable(
            login.account, by: "admin", from: federation.harness.source)
        #expect(try await federation.signIn().shown != nil)
        #expect(federation.failures == ["disabled"])
    }

    // MARK: - how strongly

    static let order = ["urn:low", "urn:mid", "urn:high"]

    @Test(
        .verifies("house@MINIMUM-ACR"),
        arguments: [(nil, false), ("urn:low", false), ("urn:other", false), ("urn:mid", true), ("urn:high", true)])
    func `a program opens only to a sign-in that is strong enough`(_ context: String?, _ opens: Bool) async throws {
        let federation = try await FederationHarness(
            ProviderDouble.provider(contextOrder: Self.order),
            assurance: AssuranceRules(programs: ["patient-access": "urn:mid"]))
        federation.provider.set { $0.claims = ["acr": context.map { .string($0) }] }
        let (launch, cookie) = try await federation.begin()
        let (query, _) = try await federation.go(launch, cookie)
        #expect(query["acr_values"] == "urn:mid urn:high")
        let answer = try await federation.comeBack(query, cookie)
        #expect((answer.interaction?.consent != nil) == opens)
        if !opens { #expect(answer.interaction?.shownError?.code == .accessDenied) }
    }

    @Test(
        arguments: [
            ("patient/Observation.rs", "patient/Observation.r", true), ("patient/*.rs", "patient/Condition.rs", true),
            ("patient/Observation.rs", "patient/Observation.read", true),
            ("patient/Observation.rs", "patient/Observation.s?category=a|b", true),
            ("patient/Condition.rs", "patient/*.r", true), ("offline_access", "offline_access", true),
            ("patient/Observation.cud", "patient/Observation.rs", false),
            ("patient/Observation.rs", "user/Observation.rs", false), ("openid", "fhirUser", false),
            ("patient/Observation.rs", "patient/Condition.rs", false),
        ])
    func `a demand on a scope holds however the scope is asked for`(_ named: String, _ asked: String, _ holds: Bool) {
        let rules = AssuranceRules(scopes: [named: "urn:high"])
        #expect(
            rules.demands(program: "general", scopes: [Scope(parsing: asked)]) == (holds ? ["urn:high"] : []))
    }

    @Test func `a sign-in of which nobody knows when it was is none of late`() async throws {
        let federation = try await FederationHarness()
        federation.provider.set { $0.claims = ["auth_time": nil] }
        let answer = try await federation.signIn()
        let cookie = try #require(answer.interaction?.newCookie)
        // The provider did not say when: no demand of a recent sign-in is met, and nothing is claimed of it.
        for age in ["3600", "9999999999"] {
            let again = try await federation.harness.begin(["max_age": age], session: cookie)
            #expect(again.login != nil, "however old it may be")
        }
    }

    @Test(.verifies("house@id-token-without-auth-time"))
    func `with openid there is an ID token, also where the provider did not say when the person signed in`()
        async throws
    {
        let federation = try await FederationHarness()
        federation.provider.set { $0.claims = ["auth_time": nil] }
        let response = try await federation.launch()
        let text = try #require(response.idToken).reveal().split(separator: ".")[1]
        let claims = try JSONValue(parsing: try #require(Base64URL.decode(String(text))))
        #expect(claims["sub"]?.string?.isEmpty == false && claims["nonce"]?.string == "nonce-1")
        #expect(claims["auth_time"] == nil)
        // It comes back as a hint like any other.
        let hinted = try await federation.harness.begin(["id_token_hint": response.idToken?.reveal()])
        #expect(hinted.login != nil, "\(hinted.outcome)")
    }

    @Test(.verifies("house@MINIMUM-ACR")) func `a password of this server meets no demand`() async throws {
        let federation = try await FederationHarness(
            ProviderDouble.provider(contextOrder: Self.order),
            assurance: AssuranceRules(scopes: ["patient/Condition.rs": "urn:low"]))
        let (launch, cookie) = try await federation.begin()
        let answer = await federation.harness.server.interaction.login(
            transaction: launch, username: "anna", password: Secret("pass-anna"), session: cookie,
            from: federation.harness.source)
        #expect(answer.login != nil, "the login page again")
        let narrower = try await federation.harness.begin(
            ["scope": "launch/patient patient/Patient.rs"], session: answer.newCookie)
        #expect(narrower.consent != nil, "without the scope nothing is demanded")
    }

    // MARK: - what is asked

    @Test(.verifies("oauth-attack@U-23")) func `each request has a state, a nonce and a challenge of its own`()
        async throws
    {
        let federation = try await FederationHarness()
        var seen: Set<String> = []
        for _ in 0..<3 {
            let (launch, cookie) = try await federation.begin()
            let (query, location) = try await federation.go(launch, cookie)
            #expect(location.hasPrefix(ProviderDouble.issuer + "/authorize?"))
            #expect(query["response_type"] == "code" && query["code_challenge_method"] == "S256")
            #expect(query["redirect_uri"] == "https://as.example/login/callback/plan")
            for name in ["state", "nonce", "code_challenge"] {
                #expect(seen.insert(try #require(query[name])).inserted)
            }
        }
        #expect(seen.count == 9)
    }

    @Test func `the verifier that is sent belongs to the challenge, and the client proves itself`() async throws {
        for authentication in [
            ProviderAuthentication.secretBasic(Secret("s:1")), .secretPost(Secret("s:1")),
            .privateKey(ProviderDouble.key),
        ] {
            let federation = try await FederationHarness(ProviderDouble.provider(authentication: authentication))
            let (launch, cookie) = try await federation.begin()
            let (query, _) = try await federation.go(launch, cookie)
            #expect(try await federation.comeBack(query, cookie).interaction?.consent != nil)
            let sent = try #require(federation.provider.requests.last { $0.url.hasSuffix("/token") })
            guard case .postForm(let text) = sent.method else {
                Issue.record("no form")
                continue
            }
            let form = try FormParameters(parsing: text)
            let verifier = try #require(form["code_verifier"].flatMap { CodeVerifier($0) })
            #expect(CodeChallenge(of: verifier).text == query["code_challenge"])
            switch authentication {
            case .secretBasic:
                #expect(sent.headers == [.init("authorization", "Basic Y2hhcGVyb25lOnMlM0Ex")])
                #expect(form["client_secret"] == nil)
            case .secretPost: #expect(form["client_secret"] == "s:1" && sent.headers.isEmpty)
            case .privateKey:
                let assertion = try JWS.verify(
                    try #require(form["client_assertion"]), keys: JWKSet([ProviderDouble.key.publicKey]),
                    rules: JWSRules(algorithms: [.rs256], types: ["jwt"]))
                #expect(assertion.claims["aud"]?.string == ProviderDouble.issuer + "/token")
                #expect(assertion.claims["iss"]?.string == "chaperone" && assertion.claims["jti"] != nil)
            }
        }
    }

    @Test(
        arguments: [
            (["prompt": "login"], "0", "login"), (["max_age": "300"], "300", nil), ([:], nil, nil),
        ] as [([String: String?], String?, String?)])
    func `how new a sign-in must be is passed on`(
        _ changes: [String: String?], _ age: String?, _ prompt: String?
    ) async throws {
        let federation = try await FederationHarness()
        let (launch, cookie) = try await federation.begin(changes)
        let (query, _) = try await federation.go(launch, cookie)
        #expect(query["max_age"] == age)
        #expect(query["prompt"] == prompt)
        guard let age = age.flatMap({ Int64($0) }) else { return }
        let now = federation.harness.clock.now
        federation.provider.set { $0.claims = ["auth_time": .int(now - age - 61)] }
        #expect(try await federation.comeBack(query, cookie).shown?.code == .accessDenied)
    }

    @Test func `outside a launch a sign-in leads to a session and nothing else`() async throws {
        let federation = try await FederationHarness()
        let answer = await federation.endpoint.begin(
            provider: "plan", launch: nil, session: nil, from: federation.harness.source)
        guard case .redirect(let location, .set(let cookie, _)) = answer else {
            Issue.record("\(answer)")
            return
        }
        let query = try #require(InteractionAnswer.query(of: location))
        federation.provider.set { $0.nonce = query["nonce"] ?? "" }
        guard case .signedIn(.set(let session, _)) = try await federation.comeBack(query, cookie) else {
            Issue.record("not signed in")
            return
        }
        #expect(session != cookie)
        let account = try await federation.harness.server.interaction.signedIn(session: session)
        #expect(account?.displayName == "Patient patient-a")
        #expect(try await federation.harness.server.interaction.signedIn(session: cookie) == nil)
        let onward = try #require(await federation.endpoint.endSessionLocation(session: session)).location
        let there = try #require(InteractionAnswer.query(of: onward))
        #expect(onward.hasPrefix(ProviderDouble.issuer + "/logout?"))
        #expect(there["post_logout_redirect_uri"] == "https://as.example/oauth/logout")
        #expect(there["id_token_hint"]?.split(separator: ".").count == 3)
        #expect(await federation.endpoint.endSessionLocation(session: cookie) == nil)
    }
}

extension InMemoryAuthorizationStore {
    /// A login that an administrator linked.
    func insertLinked(issuer: String, subject: String, person: String) async throws -> Bool {
        let key = MemberChoiceTests.key(person)
        let made = ExternalAccount(
            identity: ExternalIdentity(provider: "plan", issuer: issuer, subject: subject, identifier: subject),
            subject: SubjectID("linked-\(issuer)-\(subject)"), fhirUser: key,
            patients: [LinkedPatient(id: key.id, label: "Linked")], displayName: "Linked", at: 1)
        return try await insert(
            made.login, account: made.account, link: made.link,
            record: AuthorizationRecord(id: DecisionID(person + issuer), kind: .userChanged, outcome: .succeeded, at: 1)
        )
    }
}
