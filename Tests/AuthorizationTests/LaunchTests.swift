import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Launches from the request to the end of the grant.
@Suite struct LaunchTests {
    @Test func `a member launches, reads, refreshes and is cut off`() async throws {
        let harness = try await LaunchHarness()
        let (page, session) = try await harness.reachConsent()
        #expect(page.clientName == "App app")
        #expect(page.personName == "ANNA")
        #expect(page.patient?.label == "Anna")
        let redirect = try #require(try await harness.decide(page, session: session).redirectParameters)
        #expect(redirect["state"] == "state-1")
        #expect(redirect["iss"] == LaunchHarness.issuer)
        let code = try #require(redirect["code"])
        let response = try #require(try await harness.exchange(code).response)

        let claims = try harness.access(response)
        let anna = try #require(try await harness.store.user(named: "anna"))
        #expect(claims.audience == LaunchHarness.fhirBase)
        #expect(claims.access.clientID.text == "app")
        #expect(claims.access.subject == anna.subject)
        #expect(claims.access.launch.patient?.text == "patient-a")
        #expect(claims.access.launch.fhirUser?.description == "Patient/patient-a")
        #expect(claims.access.program == .patientAccess)
        #expect(claims.access.expiresAt == harness.clock.now + 600)
        #expect(claims.authenticatedAt == harness.clock.now)
        #expect(claims.scope == LaunchHarness.scope)
        #expect(response.scope == LaunchHarness.scope)
        #expect(response.expiresIn == 600)
        #expect(response.launch.patient?.text == "patient-a")
        #expect(response.launch.needPatientBanner == true)

        let identity = try JWS.verify(
            try #require(response.idToken).reveal(), keys: harness.server.keys.signer.verificationKeys,
            rules: .idToken)
        #expect(identity.claims["sub"]?.string == anna.subject.text)
        #expect(identity.claims["aud"]?.string == "app")
        #expect(identity.claims["nonce"]?.string == "nonce-1")
        #expect(identity.claims["fhirUser"]?.string == "\(LaunchHarness.fhirBase)/Patient/patient-a")

        harness.clock.advance(seconds: 300)
        let first = try #require(response.refreshToken)
        let renewed = try #require(try await harness.refresh(first.reveal()).response)
        #expect(try harness.access(renewed).access.grantID == claims.access.grantID)
        #expect(try harness.access(renewed).access.launch.patient?.text == "patient-a")
        #expect(renewed.refreshToken != nil && renewed.refreshToken != first)
        #expect(renewed.idToken == nil)

        let outcome = try await harness.server.access.revoke(
            .grant(claims.access.grantID), because: .person, by: "anna", from: harness.source)
        #expect(outcome?.grants == [claims.access.grantID])
        #expect(try harness.isRefused(renewed))
        let last = try #require(renewed.refreshToken)
        #expect(try await harness.refresh(last.reveal()).face == "400 invalid_grant")
        #expect(
            harness.log.kinds.filter { $0 != .clientRegistered && $0 != .userChanged && $0 != .keyChanged } == [
                .login, .launch, .consent, .token, .refresh, .revoke, .tokenRefused,
            ])
    }

    @Test func `each step stands in the audit log before its answer, and the outbox is empty`() async throws {
        let harness = try await LaunchHarness()
        _ = try await harness.launch()
        #expect(try await harness.store.pending(limit: 10).isEmpty)
        let consent = try #require(harness.log.records.last)
        #expect(consent.kind == .consent)
        #expect(consent.patient == "patient-a")
        #expect(consent.sourceAddress == "192.0.2.1")
        #expect(consent.traceID == "trace")
        #expect(consent.scopes.contains("patient/Observation.rs"))
    }

    @Test func `when the audit log fails no code, no token and no refusal leaves`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let (page, session) = try await harness.reachConsent()
        harness.log.fill()
        #expect(try await harness.decide(page, session: session).isUnavailable)
        #expect(try await harness.exchange(code).face == "503 temporarily_unavailable")
        #expect(try await harness.begin(["scope": "junk"]).isUnavailable)
        // What happened is told as soon as the log works again.
        harness.log.empty()
        try await harness.server.audit.flush()
        #expect(harness.log.kinds.suffix(2) == [.consent, .authorizationRefused])
        #expect(Set(harness.log.records.map(\.id)).count == harness.log.records.count)
        // No state has moved without its record: the code is still good.
        #expect(try await harness.exchange(code).response != nil)
    }

    @Test func `once the audit log is known to fail no refresh token is replaced`() async throws {
        let harness = try await LaunchHarness()
        let response = try #require(try await harness.exchange(try await harness.launch()).response)
        let token = try #require(response.refreshToken).reveal()
        harness.log.fill()
        #expect(try await harness.begin(["scope": "junk"]).isUnavailable)
        #expect(try await harness.refresh(token).face == "503 temporarily_unavailable")
        harness.log.empty()
        harness.clock.advance(seconds: 60)
        #expect(try await harness.refresh(token).response != nil)
        #expect(try !harness.isRefused(response))
    }

    @Test func `refusals without end fill no disk`() async throws {
        let harness = try await LaunchHarness()
        var last: InteractionAnswer?
        for _ in 0..<520 { last = try await harness.begin(["client_id": "nobody"]) }
        #expect(last?.shownError?.code == .temporarilyUnavailable)
        #expect(harness.log.kinds.filter { $0 == .authorizationRefused }.count == 200)
        #expect(try await harness.exchange("unknown").isTooMany)
        harness.clock.advance(seconds: 60)
        #expect(try await harness.begin(["client_id": "nobody"]).shownError?.code == .invalidRequest)
        #expect(harness.log.records.last?.detail?.contains("321 refusals before this one") == true)
    }

    @Test func `launches without end fill no disk, and other sources go on`() async throws {
        let harness = try await LaunchHarness()
        for _ in 0..<300 { _ = try await harness.begin() }
        let refused = try await harness.begin()
        #expect(refused.newCookie == nil)
        #expect(refused.redirectParameters?["error"] == "temporarily_unavailable")
        let form = try LaunchHarness.form(try LaunchHarness.parameters())
        let other = await harness.server.authorization.begin(
            form, session: nil, from: RequestSource(address: "198.51.100.7"))
        #expect(other.login != nil)
        harness.clock.advance(seconds: 1)
        #expect(try await harness.begin().login != nil)
    }

    @Test func `who may act for several chooses, and only among those`() async throws {
        let harness = try await LaunchHarness()
        let begun = try await harness.begin()
        let login = try #require(begun.login)
        let answer = await harness.server.interaction.login(
            transaction: login.transaction, username: "parent", password: Secret("pass-parent"),
            session: begun.newCookie, from: harness.source)
        let session = try #require(answer.newCookie)
        let choice = try #require(answer.patientChoice)
        #expect(choice.patients.map(\.id.text) == ["patient-b", "patient-c"])
        for foreign in ["patient-a", "../x", ""] {
            let refused = await harness.server.interaction.choosePatient(
                transaction: choice.transaction, patient: foreign, session: session, from: harness.source)
            #expect(refused.patientChoice?.hasProblem == true)
        }
        let chosen = await harness.server.interaction.choosePatient(
            transaction: choice.transaction, patient: "patient-c", session: session, from: harness.source)
        #expect(chosen.consent?.patient?.label == "Carl")
        let told = harness.log.records.filter { [.launch, .patientChosen].contains($0.kind) }
        #expect(told.map(\.kind) == [.launch, .patientChosen])
        #expect(told.map(\.patient) == [nil, "patient-c"])
        #expect(told.allSatisfy { $0.subject != nil && $0.clientID?.text == "app" && $0.fhirUser != nil })
    }

    @Test(.verifies("house@LAUNCH-ROWS"))
    func `a choice that cannot be recorded shows no consent`() async throws {
        let harness = try await LaunchHarness()
        let begun = try await harness.begin()
        let login = try #require(begun.login)
        let answer = await harness.server.interaction.login(
            transaction: login.transaction, username: "parent", password: Secret("pass-parent"),
            session: begun.newCookie, from: harness.source)
        let session = try #require(answer.newCookie)
        let choice = try #require(answer.patientChoice)
        harness.log.refuse(.patientChosen)
        let chosen = await harness.server.interaction.choosePatient(
            transaction: choice.transaction, patient: "patient-c", session: session, from: harness.source)

        #expect(chosen.isUnavailable)
        // The move stands with its row, which reaches the log as soon as that works.
        harness.log.empty()
        try await harness.server.audit.flush()
        #expect(harness.log.kinds.filter { $0 == .patientChosen }.count == 1)
    }

    @Test(.verifies("house@GRANT-END"))
    func `a grant without lasting access ends with its token`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch(["scope": "launch/patient patient/Patient.rs"])
        let response = try #require(try await harness.exchange(code).response)
        let grants = try await harness.store.grants(matching: GrantFilter(), limit: 10)
        let grant = try #require(grants.first { !$0.scopes.contains(.offlineAccess) })

        #expect(response.refreshToken == nil)
        #expect(response.expiresIn == 600, "the grant's end cuts no token that was redeemed in time")
        #expect(grant.expiresAt == grant.createdAt + 60 + 600)
        #expect(grant.isAlive(at: grant.createdAt + 659) && !grant.isAlive(at: grant.createdAt + 660))
    }

    @Test(.verifies("house@GRANT-END"))
    func `a public client's lasting grant ends with its last possible token, a confidential client's does not`()
        async throws
    {
        let harness = try await LaunchHarness()
        _ = try await harness.exchange(try await harness.launch())
        let basic = LaunchHarness.basic("confidential", "confidential-secret")
        let code = try await harness.launch(["client_id": "confidential"])
        _ = try await harness.exchange(code, ["client_id": nil], authorization: basic)
        let grants = try await harness.store.grants(matching: GrantFilter(), limit: 10)

        let lasting = try #require(grants.first { $0.clientID.text == "app" })
        #expect(lasting.expiresAt == lasting.createdAt + 60 + 365 * 86_400 + 600)
        let sliding = try #require(grants.first { $0.clientID.text == "confidential" })
        #expect(sliding.expiresAt == nil)
    }

    @Test(arguments: [("doctor", "patient-c", true), ("doctor", "patient-b", false), ("chief", "patient-b", true)])
    func `a practitioner chooses from the panel`(_ who: String, _ patient: String, _ isAllowed: Bool) async throws {
        let harness = try await LaunchHarness()
        let begun = try await harness.begin()
        let login = try #require(begun.login)
        let answer = await harness.server.interaction.login(
            transaction: login.transaction, username: who, password: Secret("pass-\(who)"), session: begun.newCookie,
            from: harness.source)
        let choice = try #require(answer.patientChoice)
        let chosen = await harness.server.interaction.choosePatient(
            transaction: choice.transaction, patient: patient, session: answer.newCookie, from: harness.source)
        #expect((chosen.consent?.patient?.id.text == patient) == isAllowed)
        #expect((chosen.patientChoice?.hasProblem == true) == !isAllowed)
    }

    @Test(.verifies("oauth-attack@L-18"))
    func `a patient scope brings a patient even when none was asked for`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch(["scope": "patient/Patient.rs"])
        let response = try #require(try await harness.exchange(code).response)
        #expect(response.launch.patient?.text == "patient-a")
        #expect(response.refreshToken == nil)
        #expect(response.idToken == nil)
    }

    @Test(.verifies("oauth-attack@L-18"))
    func `who is linked to nobody gets no records`() async throws {
        let harness = try await LaunchHarness()
        let begun = try await harness.begin()
        let answer = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: "clerk", password: Secret("pass-clerk"),
            session: begun.newCookie, from: harness.source)
        #expect(answer.redirectParameters?["error"] == "access_denied")
    }

    @Test func `denying and allowing nothing are both told as access_denied`() async throws {
        let harness = try await LaunchHarness()
        for isDenied in [true, false] {
            let (page, session) = try await harness.reachConsent()
            let resources = page.offer.items.map(\.value).filter { $0.contains("/") }
            let answer = try await harness.decide(
                page, session: session, leavingOut: isDenied ? [] : Set(resources), deny: isDenied)
            #expect(answer.redirectParameters?["error"] == "access_denied")
        }
    }

    @Test func `the person's ticks are what is granted`() async throws {
        let harness = try await LaunchHarness()
        let laboratory =
            "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
        let code = try await harness.launch(leavingOut: ["patient/Condition.rs", laboratory, "offline_access"])
        let response = try #require(try await harness.exchange(code).response)
        let granted = response.scope.split(separator: " ").map(String.init)
        #expect(!granted.contains("patient/Condition.rs"))
        #expect(!granted.contains("patient/Observation.rs"))
        #expect(!granted.contains(laboratory))
        #expect(granted.filter { $0.hasPrefix("patient/Observation.rs?category=") }.count == 5)
        #expect(granted.contains("patient/Patient.rs"))
        #expect(response.refreshToken == nil)
    }

    @Test(.verifies("oauth-attack@L-07", "oauth-attack@L-08"))
    func `two tabs with two patients keep their own through refresh`() async throws {
        let harness = try await LaunchHarness()
        let first = try await harness.begin()
        let login = try #require(first.login)
        let signedIn = await harness.server.interaction.login(
            transaction: login.transaction, username: "parent", password: Secret("pass-parent"),
            session: first.newCookie, from: harness.source)
        let session = try #require(signedIn.newCookie)
        let tabs = [
            try #require(signedIn.patientChoice), try #require(try await harness.begin(session: session).patientChoice),
        ]
        var pages: [ConsentPage] = []
        for (tab, patient) in zip(tabs, ["patient-b", "patient-c"]) {
            let answer = await harness.server.interaction.choosePatient(
                transaction: tab.transaction, patient: patient, session: session, from: harness.source)
            pages.append(try #require(answer.consent))
        }
        var patients: [String?] = []
        for page in pages {
            let code = try #require(try await harness.decide(page, session: session).redirectParameters?["code"])
            let response = try #require(try await harness.exchange(code).response)
            let renewed = try await harness.refresh(try #require(response.refreshToken).reveal())
            patients.append(try #require(renewed.response).launch.patient?.text)
        }
        #expect(patients == ["patient-b", "patient-c"])
    }

    @Test(.verifies("oauth-attack@U-07"))
    func `a second submission of one consent gives no second code`() async throws {
        let harness = try await LaunchHarness()
        let (page, session) = try await harness.reachConsent()
        let answers = try await withThrowingTaskGroup(of: InteractionAnswer.self) { group in
            for _ in 0..<8 { group.addTask { try await harness.decide(page, session: session) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.compactMap { $0.redirectParameters?["code"] }.count == 1)
        #expect(answers.compactMap(\.shownError).count == 7)
    }

    @Test(.verifies("oauth-attack@U-01", "oauth-attack@U-06", "oauth-attack@U-10"))
    func `a launch goes on only in the browser that began it`() async throws {
        let harness = try await LaunchHarness()
        let (page, _) = try await harness.reachConsent()
        let (foreign, session) = try await harness.reachConsent(as: "parent", choosing: "patient-b")
        let stolen = try await harness.decide(page, session: session)
        #expect(stolen.shownError != nil)
        let without = await harness.server.interaction.consent(
            transaction: page.transaction, form: try LaunchHarness.form([("decision", "allow")]), session: nil,
            from: harness.source)
        #expect(without.shownError != nil)
        #expect(try await harness.decide(foreign, session: session).location != nil)
    }

    @Test(.verifies("oauth-attack@U-10"))
    func `who signs in second in a browser does not finish what the first one began`() async throws {
        let harness = try await LaunchHarness()
        let first = try await harness.begin()
        let second = try await harness.begin(session: first.newCookie)
        let asAnna = await harness.server.interaction.login(
            transaction: try #require(first.login).transaction, username: "anna", password: Secret("pass-anna"),
            session: first.newCookie, from: harness.source)
        let page = try #require(asAnna.consent)
        let asParent = await harness.server.interaction.login(
            transaction: try #require(second.login).transaction, username: "parent", password: Secret("pass-parent"),
            session: asAnna.newCookie, from: harness.source)
        let session = try #require(asParent.newCookie)
        #expect(asParent.patientChoice != nil)
        let shown = await harness.server.interaction.show(
            transaction: page.transaction, session: session, from: harness.source)
        #expect(shown.shownError != nil)
        #expect(try await harness.decide(page, session: session).shownError != nil)
    }

    @Test(.verifies("oauth-attack@T-11"))
    func `a link undone during a launch leaves no launch, and no code after the consent`() async throws {
        let harness = try await LaunchHarness()
        let anna = try #require(try await harness.store.user(named: "anna"))
        let (page, session) = try await harness.reachConsent()
        let code = try await harness.launch()
        _ = try await harness.server.access.unlink(anna.subject, by: "steward", from: harness.source)
        #expect(try await harness.decide(page, session: session).shownError != nil)
        #expect(try await harness.exchange(code).face == "400 invalid_grant")
    }

    @Test(.verifies("oauth-attack@T-11"), arguments: [true, false])
    func `the directory is asked again before a code is made and before it is redeemed`(
        _ hasCode: Bool
    ) async throws {
        let directory = DirectoryDouble()
        let harness = try await LaunchHarness(directory: directory)
        let (page, session) = try await harness.reachConsent()
        if hasCode {
            let code = try #require(try await harness.decide(page, session: session).redirectParameters?["code"])
            directory.forget()
            #expect(try await harness.exchange(code).face == "400 invalid_grant")
            #expect(harness.log.kinds.contains(.revoke))
        } else {
            directory.forget()
            let answer = try await harness.decide(page, session: session)
            #expect(answer.redirectParameters?["error"] == "access_denied")
            #expect(answer.redirectParameters?["code"] == nil)
        }
    }

    @Test func `a launch that took too long is over`() async throws {
        let harness = try await LaunchHarness()
        let (page, session) = try await harness.reachConsent()
        harness.clock.advance(seconds: 1800)
        #expect(try await harness.decide(page, session: session).shownError != nil)
    }
}
