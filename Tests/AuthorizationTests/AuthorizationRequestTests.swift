import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// The R group of the attack catalogue: what happens at the authorization endpoint before anybody has signed in.
@Suite struct AuthorizationRequestTests {
    /// A page of ours: status 400, no address to go to.
    private func expectPage(_ answer: InteractionAnswer, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(answer.shownError?.code == .invalidRequest, sourceLocation: sourceLocation)
        #expect(answer.shownError?.status == 400, sourceLocation: sourceLocation)
        #expect(answer.location == nil, sourceLocation: sourceLocation)
    }

    @Test(
        .verifies(
            "oauth-attack@R-03", "oauth-attack@R-06", "oauth-attack@R-07", "oauth-attack@R-08", "oauth-attack@R-09",
            "oauth-attack@R-10", "oauth-attack@R-11", "oauth-attack@R-12", "oauth-attack@R-14"),
        arguments: [
            "https://app.example/cb/../evil", "https://app.example/%2e%2e%2fevil", "https://app.example/..;/cb",
            "https://app.example/cb#f", "https://app.example.evil.test/cb", "https://evil-app.example/cb",
            "https://app.example@evil.test/cb", "https://app.example\\@evil.test/cb", "https://app.example/cb\t",
            "https://app.example/cb\r\nLocation: https://evil.test", "https://app.example/cb\0",
            "https://app.example/cb%00", "https://app.example/cb%0d%0a", "HTTPS://app.example/cb",
            "https://APP.example/cb", "https://app.example/CB", "https://app.example/cb/", "https://app.example:443/cb",
            "https://app.example./cb", "https://\u{0430}pp.example/cb", "https://xn--pp-7kc.example/cb",
            "http://app.example/cb", "http://localhost/cb", "http://127.1/cb", "javascript:alert(1)",
            "https://app.example/cb?x=1", "//app.example/cb", "/cb",
        ])
    func `a redirect URI that is not the registered bytes is answered with a page`(_ uri: String) async throws {
        let harness = try await LaunchHarness()
        expectPage(try await harness.begin(["redirect_uri": uri]))
    }

    @Test(
        .verifies("oauth-attack@R-05"),
        arguments: ["a=2&b=2", "b=2&a=1", "a=1", "a=1&b=2&c=3", "a=%31&b=2"])
    func `a changed query of the redirect is answered with a page`(_ query: String) async throws {
        let harness = try await LaunchHarness()
        expectPage(
            try await harness.begin(["client_id": "query", "redirect_uri": "https://app.example/cb?\(query)"]))
    }

    @Test(.verifies("oauth-attack@R-13"), arguments: ["http://127.0.0.1:51234/cb", "http://127.0.0.1/cb"])
    func `a native client may vary the port of its loopback address`(_ uri: String) async throws {
        let harness = try await LaunchHarness()
        let answer = try await harness.begin(["client_id": "native", "redirect_uri": uri])
        #expect(answer.login != nil)
    }

    @Test(
        .verifies("oauth-attack@R-14", "oauth-attack@R-35"),
        arguments: [
            ("native", "http://localhost:51234/cb"), ("native", "http://127.1:51234/cb"),
            ("native", "http://2130706433/cb"), ("native", "http://[::ffff:127.0.0.1]/cb"),
            ("native", "http://127.0.0.1:51234/other"), ("native", "http://127.0.0.1:51234@evil.test/cb"),
            ("app", "http://127.0.0.1:51234/cb"),
        ])
    func `no other address stands for loopback, and no web client has one`(_ client: String, _ uri: String) async throws
    {
        let harness = try await LaunchHarness()
        expectPage(try await harness.begin(["client_id": client, "redirect_uri": uri]))
    }

    @Test(.verifies("oauth-attack@R-18", "oauth-attack@R-19"), arguments: ["app", "two"])
    func `an omitted redirect URI is answered with a page`(_ client: String) async throws {
        let harness = try await LaunchHarness()
        expectPage(try await harness.begin(["client_id": client, "redirect_uri": nil, "scope": "patient/Patient.rs"]))
    }

    @Test(.verifies("oauth-attack@R-21"), arguments: ["client_id", "redirect_uri"])
    func `a second client or redirect is answered with a page`(_ name: String) async throws {
        let harness = try await LaunchHarness()
        let value = name == "client_id" ? "app" : LaunchHarness.redirect
        expectPage(try await harness.begin(adding: [(name, value)]))
    }

    @Test(
        .verifies("oauth-attack@R-21"),
        arguments: ["scope", "response_type", "aud", "code_challenge", "nonce", "state"])
    func `any other second parameter is told to the client`(_ name: String) async throws {
        let harness = try await LaunchHarness()
        let answer = try await harness.begin(adding: [(name, "again")])
        #expect(answer.redirectParameters?["error"] == "invalid_request")
        #expect(answer.redirectParameters?["state"] == (name == "state" ? nil : "state-1"))
    }

    @Test(.verifies("oauth-attack@R-24"))
    func `an unknown client and an unknown redirect read the same`() async throws {
        let harness = try await LaunchHarness()
        let client = try await harness.begin(["client_id": "nobody"])
        let redirect = try await harness.begin(["redirect_uri": "https://evil.test/"])
        expectPage(client)
        #expect(client.shownError?.json == redirect.shownError?.json)
    }

    @Test(.verifies("oauth-attack@R-24"))
    func `a suspended client reads like an unknown one`() async throws {
        let harness = try await LaunchHarness()
        _ = try await harness.server.access.revoke(
            .client(ClientID("app")), because: .clientSuspended, by: "test", from: harness.source)
        expectPage(try await harness.begin())
    }

    @Test(
        .verifies("oauth-attack@R-25", "oauth-attack@R-26"),
        arguments: [["scope": "junk"], ["prompt": "none"], ["response_type": "token"]])
    func `an app that nobody vouches for gets no silent redirect`(_ changes: [String: String]) async throws {
        let harness = try await LaunchHarness()
        var all: [String: String?] = ["client_id": "untrusted"]
        for (name, value) in changes { all[name] = value }
        let answer = try await harness.begin(all)
        #expect(answer.location == nil)
        #expect(answer.leaving?.redirectHost == "app.example")
    }

    @Test func `a refusal of a silent request reaches an app that nobody vouches for as what it is`() async throws {
        let harness = try await LaunchHarness()
        let signedIn = await harness.server.interaction.signIn(
            username: "clerk", password: Secret("pass-clerk"), session: nil, from: harness.source)
        guard case .signedIn(_, .set(let cookie, _)) = signedIn else {
            Issue.record("\(signedIn)")
            return
        }
        let answer = try await harness.begin(["client_id": "untrusted", "prompt": "none"], session: cookie)
        let leaving = try #require(answer.leaving, "\(answer.outcome)")
        #expect(InteractionAnswer.query(of: leaving.location)?["error"] == "access_denied")
        #expect(harness.log.kinds.filter { $0 == .consentDenied || $0 == .authorizationRefused }.count == 1)
    }

    @Test(
        .verifies("oauth-attack@R-25"),
        arguments: [
            ("com.evil.app://www.medicare.gov/cb", "com.evil.app:"),
            ("com.evil.app:/www.medicare.gov", "com.evil.app:"),
            ("com.evil.app:///cb", "com.evil.app:"), ("com.evil.app:/cb?x=//www.medicare.gov/", "com.evil.app:"),
            ("http://127.0.0.1:8765/cb", "127.0.0.1:8765"), ("https://app.example?a=//b/c", "app.example"),
        ])
    func `what stands behind a private scheme is no host, so it is not shown as one`(
        _ redirect: String, _ shown: String
    ) async throws {
        let harness = try await LaunchHarness()
        let app = ClientRegistration(
            id: ClientID("installed"),
            metadata: try ClientMetadata(
                name: "Installed", redirectURIs: [redirect], grantTypes: [.authorizationCode],
                authenticationMethod: .none, isNative: true),
            status: .active, approvedScopes: try ScopeSet(parsing: LaunchHarness.scope), program: .patientAccess)
        #expect(try await harness.server.clients.reconcile(app, from: harness.source) == .added)
        let request: [String: String?] = ["client_id": "installed", "redirect_uri": redirect]
        let refused = try await harness.begin(request.merging(["prompt": "none"]) { $1 })
        #expect(refused.leaving?.redirectHost == shown)
        #expect(try await harness.reachConsent(request).page.redirectHost == shown)
    }

    @Test(.verifies("oauth-attack@R-27"))
    func `cancelling does not bounce to an app that nobody vouches for`() async throws {
        let harness = try await LaunchHarness()
        let (page, session) = try await harness.reachConsent(["client_id": "untrusted"])
        let answer = try await harness.decide(page, session: session, deny: true)
        #expect(answer.leaving?.location.contains("error=access_denied") == true)
    }

    @Test(.verifies("oauth-attack@R-26", "oauth-attack@U-11"))
    func `without a page nothing is granted`() async throws {
        let harness = try await LaunchHarness()
        let stranger = try await harness.begin(["prompt": "none"])
        #expect(stranger.redirectParameters?["error"] == "login_required")
        let (_, session) = try await harness.reachConsent()
        let known = try await harness.begin(["prompt": "none"], session: session)
        #expect(known.redirectParameters?["error"] == "consent_required")
    }

    @Test(
        .verifies(
            "oauth-attack@R-29", "oauth-attack@R-30", "oauth-attack@R-31", "oauth-attack@C-07", "oauth-attack@C-08",
            "oauth-attack@C-13", "oauth-attack@L-02", "oauth-attack@L-03", "oauth-attack@L-04", "oauth-attack@L-06",
            "oauth-attack@L-12", "oauth-attack@L-13", "oauth-attack@U-12", "oauth-attack@U-14", "oauth-attack@P-09",
            "oauth-attack@P-10", "oauth-attack@S-02", "oauth-attack@S-05"),
        arguments: [
            ("response_type", nil, "invalid_request"), ("response_type", "token", "unsupported_response_type"),
            ("response_type", "id_token", "unsupported_response_type"),
            ("response_type", "code id_token", "unsupported_response_type"),
            ("response_type", "code token", "unsupported_response_type"),
            ("response_type", "none", "unsupported_response_type"),
            ("response_mode", "fragment", "invalid_request"), ("response_mode", "form_post", "invalid_request"),
            ("response_mode", "web_message", "invalid_request"), ("response_mode", "query.jwt", "invalid_request"),
            ("response_mode", "junk", "invalid_request"), ("state", nil, "invalid_request"),
            ("code_challenge", nil, "invalid_request"), ("code_challenge_method", "plain", "invalid_request"),
            ("code_challenge_method", nil, "invalid_request"),
            ("code_challenge", "not*base64url*not*base64url*not*base64url*n", "invalid_request"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", "invalid_request"),
            ("aud", nil, "invalid_request"), ("aud", "https://evil.test/fhir", "invalid_target"),
            ("aud", "https://as.example/fhir/", "invalid_target"), ("aud", "https://as.example/FHIR", "invalid_target"),
            ("aud", "https://as.example:443/fhir", "invalid_target"),
            ("aud", "https://as.example/fhir/Patient/1", "invalid_target"),
            ("resource", "https://as.example/other", "invalid_target"), ("scope", nil, "invalid_scope"),
            ("scope", "junk", "invalid_scope"), ("scope", "system/Patient.rs", "invalid_scope"),
            ("scope", "patient/Patient.sr", "invalid_scope"), ("scope", "patient/Patient.rs user/.rs", "invalid_scope"),
            ("scope", "patient/Patient.rs\tpatient/Observation.rs", "invalid_scope"),
            ("scope", "patient/Practitioner.rs", "invalid_scope"),
            ("scope", "launch patient/Patient.rs", "invalid_request"), ("prompt", "none login", "invalid_request"),
            ("max_age", "-1", "invalid_request"), ("max_age", "1000000000000000000000000000000", "invalid_request"),
            ("request", "e30.e30.", "request_not_supported"),
            ("request_uri", "https://evil.test/r", "request_uri_not_supported"),
        ] as [(String, String?, String)])
    func `what is wrong after the redirect is told to the client`(
        _ name: String, _ value: String?, _ error: String
    ) async throws {
        let harness = try await LaunchHarness()
        let answer = try await harness.begin([name: value])
        #expect(answer.redirectParameters?["error"] == error, "\(answer.outcome)")
        #expect(answer.redirectParameters?["state"] == (name == "state" ? nil : "state-1"))
        #expect(answer.redirectParameters?["iss"] == LaunchHarness.issuer)
        #expect(answer.redirectParameters?["code"] == nil)
        #expect(harness.log.kinds.last == .authorizationRefused)
    }

    @Test(
        .verifies("oauth-attack@R-36"),
        arguments: ["a\r\nb", "\"'<>&=#+ %", "\u{e9}\u{1F600}", String(repeating: "x", count: 2000)])
    func `the state comes back byte for byte`(_ state: String) async throws {
        let harness = try await LaunchHarness()
        let (page, session) = try await harness.reachConsent(["state": state])
        let answer = try await harness.decide(page, session: session)
        #expect(answer.redirectParameters?["state"] == state)
        #expect(answer.location?.utf8.allSatisfy { (0x21...0x7E).contains($0) } == true)
    }

    @Test(.verifies("oauth-attack@R-36"))
    func `a state of more than 2000 bytes is refused and not repeated`() async throws {
        let harness = try await LaunchHarness()
        let answer = try await harness.begin(["state": String(repeating: "x", count: 2001)])
        #expect(answer.redirectParameters?["error"] == "invalid_request")
        #expect(answer.redirectParameters?["state"] == nil)
    }

    @Test func `a client without the code grant is told so`() async throws {
        let harness = try await LaunchHarness()
        var client = try #require(try await harness.store.client(ClientID("app")))
        client.metadata = try ClientMetadata(
            name: "App", redirectURIs: [LaunchHarness.redirect], grantTypes: [.authorizationCode],
            authenticationMethod: .none)
        _ = try await harness.server.clients.reconcile(client, from: harness.source)
        let answer = try await harness.begin(["scope": "patient/Patient.rs offline_access"])
        // offline_access needs the refresh grant, so it is not offered.
        #expect(answer.login != nil)
    }

    @Test(.verifies("oauth-attack@L-19"))
    func `a patient in the request is not looked at`() async throws {
        let harness = try await LaunchHarness()
        let (page, _) = try await harness.reachConsent(["patient": "patient-b"])
        #expect(page.patient?.id.text == "patient-a")
    }

    @Test(.verifies("oauth-attack@L-20"))
    func `system scopes are dropped from a person's launch`() async throws {
        let harness = try await LaunchHarness()
        let (page, _) = try await harness.reachConsent(["scope": "patient/Patient.rs system/Patient.rs openid"])
        #expect(page.offer.items.map(\.value) == ["patient/Patient.rs", "openid"])
    }
}
