import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Choices that are remembered, and access that lasts as long as the person is there.
@Suite struct RememberedConsentTests {
    /// A consent with the wish to be remembered; answers the code and the session.
    private func remember(
        _ harness: LaunchHarness, leavingOut: Set<String> = [], scope: String = LaunchHarness.scope,
        with changes: [String: String?] = [:]
    ) async throws -> (code: String, session: Secret) {
        var parameters = changes
        parameters["scope"] = scope
        let (page, session) = try await harness.reachConsent(parameters)
        var fields = [("decision", "allow"), ("remember", "yes")]
        for item in page.offer.items {
            if !leavingOut.contains(item.value) { fields.append((item.field, item.value)) }
            for part in item.parts where !leavingOut.contains(part.value) { fields.append((part.field, part.value)) }
        }
        let answer = await harness.server.interaction.consent(
            transaction: page.transaction, form: try LaunchHarness.form(fields), session: session, from: harness.source)
        return (try #require(answer.redirectParameters?["code"]), session)
    }

    @Test func `without the wish nothing is remembered`() async throws {
        let harness = try await LaunchHarness()
        let (page, session) = try await harness.reachConsent()
        _ = try await harness.decide(page, session: session)
        #expect(try await harness.begin(session: session).consent != nil)
    }

    @Test func `a remembered choice is taken again, with what was left out`() async throws {
        let harness = try await LaunchHarness()
        let (_, session) = try await remember(harness, leavingOut: ["patient/Observation.rs"])
        let again = try await harness.begin(session: session)
        let code = try #require(again.redirectParameters?["code"])
        let response = try #require(try await harness.exchange(code).response)
        #expect(!response.scope.contains("Observation"))
        #expect(response.scope.contains("patient/Condition.rs"))
        let consents = harness.log.records.filter { $0.kind == .consent }
        #expect(consents.map(\.detail) == [nil, "remembered"])
    }

    @Test func `nothing is remembered for an installed app that anybody could be`() async throws {
        let harness = try await LaunchHarness()
        let native: [String: String?] = ["client_id": "native", "redirect_uri": "http://127.0.0.1/cb"]
        let (_, session) = try await remember(harness, with: native)
        #expect(try await harness.begin(native, session: session).consent != nil)
    }

    @Test(.verifies("house@MEMORY-SEEN"))
    func `the page is shown when the app looks another way than before, or the code goes elsewhere`() async throws {
        let harness = try await LaunchHarness()
        let (_, session) = try await remember(harness, with: ["client_id": "two"])
        let elsewhere: [String: String?] = ["client_id": "two", "redirect_uri": "https://app.example/second"]
        #expect(try await harness.begin(elsewhere, session: session).consent != nil)
        #expect(try await harness.begin(["client_id": "two"], session: session).redirectParameters?["code"] != nil)
        let seen = try #require(try await harness.store.client(ClientID("two")))
        for change in [\.trusted, \.renamed] as [KeyPath<Changed, ClientRegistration?>] {
            let client = try #require(Changed(client: seen)[keyPath: change])
            #expect(try await harness.server.clients.reconcile(client, from: harness.source) == .changed)
            #expect(try await harness.begin(["client_id": "two"], session: session).consent != nil)
            #expect(try await harness.server.clients.reconcile(seen, from: harness.source) == .changed)
            #expect(try await harness.begin(["client_id": "two"], session: session).redirectParameters?["code"] != nil)
        }
    }

    /// Registrations that a person would see another way.
    private struct Changed {
        let client: ClientRegistration

        var trusted: ClientRegistration? {
            var other = client
            other.isTrusted.toggle()
            return other
        }

        var renamed: ClientRegistration? {
            var other = client
            guard
                let metadata = try? ClientMetadata(
                    name: "Another", redirectURIs: client.metadata.redirectURIs.map(\.text),
                    grantTypes: client.metadata.grantTypes,
                    authenticationMethod: client.metadata.authenticationMethod)
            else { return nil }
            other.metadata = metadata
            return other
        }
    }

    @Test(.verifies("house@MEMORY-SEEN"))
    func `a client that was suspended by a mistake is let in again without a question`() async throws {
        let harness = try await LaunchHarness()
        let (_, session) = try await remember(harness)
        let others = Set(try LaunchHarness.clients().map(\.id)).subtracting([ClientID("app")])
        #expect(try await harness.server.clients.suspendAbsent(others, from: harness.source) == [ClientID("app")])
        #expect(try await harness.server.clients.activate(ClientID("app"), by: "root", from: harness.source))
        #expect(try await harness.begin(session: session).redirectParameters?["code"] != nil)
    }

    @Test func `the page is shown again after the access was revoked`() async throws {
        let harness = try await LaunchHarness()
        let (code, session) = try await remember(harness)
        let response = try #require(try await harness.exchange(code).response)
        _ = try await harness.server.access.revoke(
            .grant(try harness.access(response).access.grantID), because: .person, by: "t", from: harness.source)
        #expect(try await harness.begin(session: session).consent != nil)
    }

    @Test(.verifies("oauth-attack@U-13"))
    func `the page is shown when the app asks for it or wants more`() async throws {
        let harness = try await LaunchHarness()
        let small = "launch/patient openid patient/Patient.rs"
        let (_, session) = try await remember(harness, scope: small)
        #expect(try await harness.begin(["scope": small], session: session).redirectParameters?["code"] != nil)
        #expect(try await harness.begin(["scope": small, "prompt": "consent"], session: session).consent != nil)
        let more = small + " patient/Condition.rs"
        #expect(try await harness.begin(["scope": more], session: session).consent != nil)
        #expect(try await harness.begin(["scope": small + " offline_access"], session: session).consent != nil)
    }

    @Test func `a choice is for one app and one person, and ends`() async throws {
        let harness = try await LaunchHarness()
        let (_, session) = try await remember(harness)
        #expect(try await harness.begin(["client_id": "app-2"], session: session).consent != nil)
        let subject = try #require(try await harness.store.user(named: "anna")).subject
        let key = ConsentKey(
            subject: subject, clientID: ClientID("app"), patient: ResourceID("patient-a"),
            fhirBase: LaunchHarness.fhirBase)
        let kept = try #require(try await harness.store.remembered(key))
        #expect(
            kept.answer(to: ConsentOffer(of: try ScopeSet(parsing: LaunchHarness.scope)), at: kept.expiresAt) == nil)
        #expect(kept.expiresAt - kept.givenAt == 90 * 86_400)
    }

    @Test(.verifies("oauth-attack@U-11"))
    func `without pages only what was remembered is given`() async throws {
        let harness = try await LaunchHarness()
        #expect(try await harness.begin(["prompt": "none"]).redirectParameters?["error"] == "login_required")
        let (page, first) = try await harness.reachConsent()
        _ = try await harness.decide(page, session: first)
        let asked = try await harness.begin(["prompt": "none"], session: first)
        #expect(asked.redirectParameters?["error"] == "consent_required")
        let (_, session) = try await remember(harness)
        let silent = try await harness.begin(["prompt": "none"], session: session)
        #expect(silent.redirectParameters?["code"] != nil)
    }

    @Test func `lasting access can be refused, and is then not given by another name`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch(leavingOut: ["offline_access"])
        let response = try #require(try await harness.exchange(code).response)
        #expect(response.refreshToken == nil)
        #expect(!response.scope.contains("offline_access"))
    }

    // MARK: - online access

    private static let online = "launch/patient openid online_access patient/Patient.rs"

    @Test func `online access is renewed while the person is signed in, and not after`() async throws {
        let harness = try await LaunchHarness()
        let (page, session) = try await harness.reachConsent(["scope": Self.online])
        let end = try await harness.decide(page, session: session)
        let code = try #require(end.redirectParameters?["code"])
        let response = try #require(try await harness.exchange(code).response)
        #expect(response.scope.contains("online_access"))
        let first = try #require(response.refreshToken).reveal()
        let renewed = try #require(try await harness.refresh(first).response)
        let second = try #require(renewed.refreshToken).reveal()
        _ = await harness.server.interaction.signOut(session: session, from: harness.source)
        #expect(try await harness.refresh(second).face == "400 invalid_grant")
    }

    @Test func `online access ends when the session has been idle for too long`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch(["scope": Self.online])
        let response = try #require(try await harness.exchange(code).response)
        let token = try #require(response.refreshToken).reveal()
        harness.clock.advance(seconds: 1800)
        #expect(try await harness.refresh(token).face == "400 invalid_grant")
    }

    @Test func `who asks for both gets the lasting one, by name`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch(["scope": Self.online + " offline_access"])
        let response = try #require(try await harness.exchange(code).response)
        #expect(response.scope.contains("offline_access") && !response.scope.contains("online_access"))
    }

    @Test func `a repeat within the grace window stands in the record as one`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let response = try #require(try await harness.exchange(code).response)
        let first = try #require(response.refreshToken).reveal()
        let renewed = try #require(try await harness.refresh(first).response)
        // The thief comes with the predecessor, within the window; then the head is used.
        _ = try await harness.refresh(first)
        let head = try #require(renewed.refreshToken).reveal()
        #expect(try await harness.refresh(head).response != nil)
        #expect(harness.log.records.contains { ($0.detail ?? "").contains("came again within the grace window") })
        #expect(try await harness.refresh(first).face == "400 invalid_grant")
        #expect(try harness.isRefused(response))
    }
}
