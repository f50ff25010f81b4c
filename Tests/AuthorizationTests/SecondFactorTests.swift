import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import Authorization

/// Second factors: nobody gets around them, and what they did is told.
@Suite struct SecondFactorTests {
    // MARK: - moves

    /// The authenticator app of a person, which knows the key that was shown to it.
    private struct App {
        let key: OneTimePasswordKey
        let recovery: [String]

        func code(at time: Int64) -> Secret { Secret(key.code(at: OneTimePasswordKey.step(at: time))) }
    }

    private func account(_ harness: LaunchHarness, _ name: String = "anna") async throws -> UserAccount {
        try #require(try await harness.store.user(named: name))
    }

    /// Signs in on the account pages with the password alone.
    private func signIn(_ harness: LaunchHarness, _ name: String = "anna") async throws -> Secret {
        let answer = await harness.server.interaction.signIn(
            username: name, password: Secret("pass-\(name)"), session: nil, from: harness.source)
        guard case .signedIn(_, .set(let cookie, _)) = answer else { throw Unexpected("\(answer)") }
        return cookie
    }

    private struct Unexpected: Error {
        let what: String
        init(_ what: String) { self.what = what }
    }

    /// The raw key of an enrolment, read back from its base32.
    private func key(of enrolment: SecondFactorEnrolment) throws -> OneTimePasswordKey {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        var bytes: [UInt8] = []
        var (buffer, bits) = (0, 0)
        for letter in enrolment.key.reveal() {
            buffer = buffer << 5 | (try #require(alphabet.firstIndex(of: letter)))
            bits += 5
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(buffer >> bits & 0xFF))
            }
            buffer &= (1 << bits) - 1
        }
        return try #require(OneTimePasswordKey(bytes))
    }

    /// Sets a factor up on the account pages, and lets the step of its first code pass.
    private func enrol(_ harness: LaunchHarness, _ name: String = "anna") async throws -> App {
        let cookie = try await signIn(harness, name)
        let begun = try await harness.server.secondFactors.begin(
            for: try await account(harness, name), password: Secret("pass-\(name)"),
            in: SessionID(presented: cookie), from: harness.source)
        guard case .done(let enrolment) = begun else { throw Unexpected("\(begun)") }
        let key = try key(of: enrolment)
        let outcome = try await harness.server.interaction.confirmSecondFactor(
            code: Secret(key.code(at: OneTimePasswordKey.step(at: harness.clock.now))), session: cookie,
            from: harness.source)
        guard case .done(let codes) = outcome.answer else { throw Unexpected("\(outcome.answer)") }
        harness.clock.advance(seconds: 30)
        return App(key: key, recovery: codes.map(\.text))
    }

    /// A launch as far as its second step; the page and the session that knows the password.
    private func half(
        _ harness: LaunchHarness, _ name: String = "anna", _ changes: [String: String?] = [:]
    ) async throws -> (page: SecondFactorPage, session: Secret) {
        let begun = try await harness.begin(changes)
        let answer = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: name, password: Secret("pass-\(name)"),
            session: begun.newCookie, from: harness.source)
        return (try #require(answer.secondFactor, "\(answer.outcome)"), try #require(answer.newCookie))
    }

    private func show(
        _ harness: LaunchHarness, _ code: Secret, _ half: (page: SecondFactorPage, session: Secret)
    ) async throws -> InteractionAnswer {
        await harness.server.interaction.secondFactor(
            transaction: try #require(half.page.transaction), code: code, session: half.session, from: harness.source)
    }

    // MARK: - around it

    @Test(.verifies("oauth-attack@U-21"))
    func `the password alone opens nothing of the launch`() async throws {
        let harness = try await LaunchHarness()
        _ = try await enrol(harness)
        let half = try await half(harness)
        let handle = try #require(half.page.transaction)
        #expect(half.page.enrolment == nil)
        #expect(try await harness.server.interaction.signedIn(session: half.session) == nil)

        let form = try LaunchHarness.form([("decision", "allow")])
        let consent = await harness.server.interaction.consent(
            transaction: handle, form: form, session: half.session, from: harness.source)
        let patient = await harness.server.interaction.choosePatient(
            transaction: handle, patient: "patient-a", session: half.session, from: harness.source)
        let resumed = await harness.server.interaction.resume(
            transaction: handle, session: half.session, from: harness.source)
        let shown = await harness.server.interaction.show(
            transaction: handle, session: half.session, from: harness.source)

        for answer in [consent, patient, resumed, shown] { #expect(answer.secondFactor != nil, "\(answer.outcome)") }
        #expect(try await harness.store.grants(matching: GrantFilter(), limit: 10).isEmpty)
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `another launch in the half open browser asks for the code too, and a silent one fails`() async throws {
        let harness = try await LaunchHarness()
        _ = try await enrol(harness)
        let half = try await half(harness)
        let other = try await harness.begin(session: half.session)
        #expect(other.secondFactor != nil)
        let silent = try await harness.begin(["prompt": "none"], session: half.session)
        #expect(silent.redirectParameters?["error"] == "login_required")
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `the step belongs to its browser session and its launch`() async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        let half = try await half(harness)
        let stranger = try await harness.begin()
        let code = app.code(at: harness.clock.now)
        let elsewhere = await harness.server.interaction.secondFactor(
            transaction: try #require(half.page.transaction), code: code, session: stranger.newCookie,
            from: harness.source)
        #expect(elsewhere.shownError != nil)
        let foreign = await harness.server.interaction.secondFactor(
            transaction: try #require(stranger.login).transaction, code: code, session: half.session,
            from: harness.source)
        #expect(foreign.shownError != nil)
        let none = await harness.server.interaction.secondFactor(
            transaction: try #require(half.page.transaction), code: code, session: nil, from: harness.source)
        #expect(none.shownError != nil)
        // Nothing of that used the code up.
        #expect(try await show(harness, code, half).consent != nil)
    }

    @Test(.verifies("oauth-attack@U-21"), arguments: ["", "000000", "12345", "abcd-efgh-ijkl-mnop", "１２３４５６"])
    func `a wrong code is refused, whatever it looks like`(_ code: String) async throws {
        let harness = try await LaunchHarness()
        _ = try await enrol(harness)
        let half = try await half(harness)
        let answer = try await show(harness, Secret(code), half)
        #expect(answer.secondFactor?.problem == .wrongCode)
        #expect(harness.log.records.last?.outcome == .refused(reason: "wrong-code"))
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `a code is good once, also the one that set the factor up`() async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        // The code of setting up is of the step before, and still within the drift.
        let first = try await half(harness)
        #expect(
            try await show(harness, app.code(at: harness.clock.now - 30), first).secondFactor?.problem == .wrongCode)
        let code = app.code(at: harness.clock.now)
        #expect(try await show(harness, code, first).consent != nil)
        let second = try await half(harness)
        #expect(try await show(harness, code, second).secondFactor?.problem == .wrongCode)
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `of many who show one code at once, one gets in`() async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        // Fewer than are let through before one has to wait.
        var halves: [(page: SecondFactorPage, session: Secret)] = []
        for _ in 0..<4 { halves.append(try await half(harness)) }
        let code = app.code(at: harness.clock.now)
        let answers = try await withThrowingTaskGroup(of: InteractionAnswer.self) { group in
            for half in halves { group.addTask { try await show(harness, code, half) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.filter { $0.consent != nil }.count == 1)
        #expect(answers.filter { $0.secondFactor?.problem == .wrongCode }.count == 3)
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `codes are guessed a few times and then not for a while, even with the right one`() async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        let half = try await half(harness)
        for _ in 0..<5 { #expect(try await show(harness, Secret("000000"), half).secondFactor?.problem == .wrongCode) }
        let closed = try await show(harness, app.code(at: harness.clock.now), half)
        #expect(closed.secondFactor?.problem == .tooManyAttempts(retryAfter: 60))
        // A new session and another address change nothing: it is the account that waits.
        let again = try await self.half(harness)
        let elsewhere = await harness.server.interaction.secondFactor(
            transaction: try #require(again.page.transaction), code: app.code(at: harness.clock.now),
            session: again.session, from: RequestSource(address: "203.0.113.9"))
        #expect(elsewhere.secondFactor?.problem == .tooManyAttempts(retryAfter: 60))
        harness.clock.advance(seconds: 60)
        #expect(try await show(harness, app.code(at: harness.clock.now), again).consent != nil)
    }

    @Test func `the second step has ten minutes`() async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        let half = try await half(harness)
        harness.clock.advance(seconds: 600)
        #expect(try await show(harness, app.code(at: harness.clock.now), half).shownError != nil)
    }

    @Test func `a password that is changed between the steps ends the login`() async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        let half = try await half(harness)
        try await harness.server.accounts.setPassword(
            Secret("another-one"), of: try await account(harness).subject, by: "admin", from: harness.source)
        #expect(try await show(harness, app.code(at: harness.clock.now), half).shownError != nil)
    }

    // MARK: - setting up at once

    /// Two browsers that know the password, each at the step at which a factor is set up.
    private func two(
        _ harness: LaunchHarness
    ) async throws -> [(page: SecondFactorPage, session: Secret)] {
        [try await half(harness), try await half(harness)]
    }

    private static func demanding() async throws -> LaunchHarness {
        try await LaunchHarness(configure: { $0.secondFactor.roles = [.member] })
    }

    private func show(
        _ harness: LaunchHarness, _ key: OneTimePasswordKey, in half: (page: SecondFactorPage, session: Secret)
    ) async throws -> InteractionAnswer {
        try await show(
            harness, Secret(key.code(at: OneTimePasswordKey.step(at: harness.clock.now))), half)
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `a thief who knows the password is never shown the key that the owner sets up`() async throws {
        let harness = try await Self.demanding()
        let owner = try await half(harness)
        let ownKey = try key(of: try #require(owner.page.enrolment))
        let thief = try await half(harness)
        let otherKey = try key(of: try #require(thief.page.enrolment))
        #expect(ownKey.bytes != otherKey.bytes)

        // The thief's key took the place of the owner's, which is void, in whoever's session it is shown.
        for (key, half) in [(ownKey, owner), (ownKey, thief), (otherKey, owner)] {
            let answer = try await show(harness, key, in: half)
            #expect(answer.recoveryCodes == nil, "\(answer.outcome)")
        }
        #expect(try await harness.server.secondFactors.confirmed(of: try await account(harness).subject) == nil)
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `whose key was voided is told, and shown a new one of their own`() async throws {
        let harness = try await Self.demanding()
        let owner = try await half(harness)
        let first = try key(of: try #require(owner.page.enrolment))
        let thief = try await half(harness)
        let told = try #require(try await show(harness, first, in: owner).secondFactor)
        #expect(told.problem == .changedMeanwhile && told.isVoid)
        // Being told begins nothing: the thief's key still waits. Looking again does.
        let again = await harness.server.interaction.show(
            transaction: try #require(told.transaction), session: owner.session, from: harness.source)
        let second = try key(of: try #require(again.secondFactor?.enrolment))
        #expect(second.bytes != first.bytes)
        #expect(try await show(harness, second, in: owner).recoveryCodes?.codes.count == 10)
        // The thief's session ended with the setting up.
        let late = try await show(harness, try key(of: try #require(thief.page.enrolment)), in: thief)
        #expect(late.shownError != nil, "\(late.outcome)")
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `of two sessions that set a factor up at once one wins and the other is told`() async throws {
        let harness = try await Self.demanding()
        let halves = try await two(harness)
        let keys = try halves.map { try key(of: try #require($0.page.enrolment)) }
        let answers = try await withThrowingTaskGroup(of: InteractionAnswer.self) { group in
            for (key, half) in zip(keys, halves) { group.addTask { try await show(harness, key, in: half) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.filter { $0.recoveryCodes != nil }.count == 1)
        let loser = try #require(answers.first { $0.recoveryCodes == nil })
        // Told on the page, or by the end of the session when the other one was quicker.
        #expect(loser.secondFactor?.problem == .changedMeanwhile || loser.shownError != nil, "\(loser.outcome)")
    }

    @Test(.verifies("oauth-attack@U-21"))
    func `a key that waited too long is not confirmed`() async throws {
        let harness = try await LaunchHarness()
        let cookie = try await signIn(harness)
        let anna = try await account(harness)
        let begun = try await harness.server.secondFactors.begin(
            for: anna, password: Secret("pass-anna"), in: SessionID(presented: cookie), from: harness.source)
        guard case .done(let enrolment) = begun else { throw Unexpected("\(begun)") }
        harness.clock.advance(seconds: 900)
        let code = Secret(try key(of: enrolment).code(at: OneTimePasswordKey.step(at: harness.clock.now)))
        let outcome = try await harness.server.interaction.confirmSecondFactor(
            code: code, session: cookie, from: harness.source)
        guard case .refused(.changedMeanwhile) = outcome.answer else { throw Unexpected("\(outcome.answer)") }
    }

    // MARK: - what is demanded

    @Test(.verifies("oauth-attack@U-21"))
    func `a program that demands two factors gets nobody with one, signed in already or not`() async throws {
        let harness = try await LaunchHarness(configure: { $0.secondFactor.programs = [.patientAccess] })
        let cookie = try await signIn(harness)
        let begun = try await harness.begin(session: cookie)
        let page = try #require(begun.secondFactor)
        let enrolment = try #require(page.enrolment)
        let silent = try await harness.begin(["prompt": "none"], session: cookie)
        #expect(silent.redirectParameters?["error"] == "login_required")

        let key = try key(of: enrolment)
        let code = Secret(key.code(at: OneTimePasswordKey.step(at: harness.clock.now)))
        let codes = await harness.server.interaction.secondFactor(
            transaction: try #require(page.transaction), code: code, session: cookie, from: harness.source)
        let shown = try #require(codes.recoveryCodes)
        #expect(shown.codes.count == 10)
        let resumed = await harness.server.interaction.resume(
            transaction: try #require(shown.transaction), session: codes.newCookie, from: harness.source)
        #expect(resumed.consent != nil, "\(resumed.outcome)")
    }

    @Test func `a role that demands two factors has them set up at the first login`() async throws {
        let harness = try await LaunchHarness(configure: { $0.secondFactor.roles = [.admin] })
        let new = NewAccount(username: "root", password: Secret("pass-root"), displayName: "Root", roles: [.admin])
        _ = try await harness.server.accounts.add(new, by: "test", from: harness.source)
        let answer = await harness.server.interaction.signIn(
            username: "root", password: Secret("pass-root"), session: nil, from: harness.source)
        guard case .secondFactor(let page, .set(let cookie, _)) = answer else { throw Unexpected("\(answer)") }
        let enrolment = try #require(page.enrolment)
        #expect(try await harness.server.interaction.signedIn(session: cookie) == nil)
        // A reload shows the same key, or the app would hold a wrong one.
        #expect(try await harness.server.interaction.secondStep(session: cookie)?.enrolment?.key == enrolment.key)
        let key = try key(of: enrolment)
        let done = await harness.server.interaction.secondStep(
            code: Secret(key.code(at: OneTimePasswordKey.step(at: harness.clock.now))), session: cookie,
            from: harness.source)
        guard case .recoveryCodes(_, .set(let raised, _)) = done else { throw Unexpected("\(done)") }
        #expect(try await harness.server.interaction.signedIn(session: raised)?.username == "root")
    }

    /// What was done to an account whose roles do not tell that its person is a practitioner.
    enum Way: CaseIterable { case added, linkedLater, rolesSet, configured }

    @Test(.verifies("oauth-attack@U-21"), arguments: Way.allCases)
    func `two factors of clinicians are demanded of who opens records as one, whatever roles were given`(
        way: Way
    ) async throws {
        let harness = try await LaunchHarness(configure: { $0.secondFactor.roles = [.clinician] })
        let accounts = harness.server.accounts
        var name = "doctor"
        switch way {
        case .added: break
        case .linkedLater:
            name = "clerk"
            let clerk = try await account(harness, name)
            let before = try await signIn(harness, name)
            let person = try #require(InstanceKey("PractitionerRole/clerk"))
            let link = MemberLink(subject: clerk.subject, fhirUser: person, patients: [])
            #expect(try await accounts.link(link, by: "root", from: harness.source))
            #expect(try await harness.server.interaction.signedIn(session: before) == nil)
        case .rolesSet:
            let doctor = try await account(harness, name)
            #expect(try await accounts.setRoles([.auditor], of: doctor.subject, by: "root", from: harness.source))
        case .configured:
            let doctor = try await account(harness, name)
            let link = try #require(try await harness.store.link(for: doctor.subject))
            // What nobody knows of is narrowed first; from then on the configuration's word counts.
            for roles in [[.auditor], [.admin]] as [Set<UserRole>] {
                _ = try await accounts.reconcile(doctor.subject, roles: roles, person: link, from: harness.source)
            }
        }
        #expect(try await !account(harness, name).roles.contains(.clinician))

        let answer = await harness.server.interaction.signIn(
            username: name, password: Secret("pass-\(name)"), session: nil, from: harness.source)
        guard case .secondFactor = answer else { throw Unexpected("\(answer)") }
        #expect(try await harness.server.secondFactors.isDemanded(of: try await account(harness, name)))
        _ = try await signIn(harness, "anna")
        #expect(try await !harness.server.secondFactors.isDemanded(of: try await account(harness, "anna")))
    }

    @Test(arguments: [
        ([AuthenticationContext.secondFactorClass], true),
        ([AuthenticationContext.secondFactorClass, AuthenticationContext.passwordClass], false),
        ([AuthenticationContext.passwordClass], false), (["urn:nothing"], false), ([], false),
    ])
    func `an app that asks for the stronger class and no other gets it`(_ values: [String], _ isDue: Bool) async throws
    {
        let harness = try await LaunchHarness()
        let begun = try await harness.begin(["acr_values": values.joined(separator: " ")])
        let answer = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: "anna", password: Secret("pass-anna"),
            session: begun.newCookie, from: harness.source)
        #expect((answer.secondFactor?.enrolment != nil) == isDue, "\(answer.outcome)")
    }

    // MARK: - what is told

    @Test(arguments: [
        ("none", AuthenticationContext.password), ("app", .oneTimePassword), ("recovery", .recoveryCode),
    ])
    func `tokens say how the person proved who they are`(_ how: String, _ expected: AuthenticationContext) async throws
    {
        let harness = try await LaunchHarness()
        let code: String
        if how == "none" {
            code = try await harness.launch()
        } else {
            let app = try await enrol(harness)
            let half = try await half(harness)
            let secret = how == "app" ? app.code(at: harness.clock.now) : Secret(app.recovery[3].uppercased())
            let answer = try await show(harness, secret, half)
            let decided = try await harness.decide(
                try #require(answer.consent, "\(answer.outcome)"), session: try #require(answer.newCookie))
            code = try #require(decided.redirectParameters?["code"])
        }
        let first = try #require(try await harness.exchange(code).response)
        let renewed = try #require(try await harness.refresh(first.refreshToken?.reveal() ?? "").response)
        for response in [first, renewed] {
            #expect(try harness.access(response).authenticationContext == expected.classReference)
        }
        let text = try #require(first.idToken).reveal().split(separator: ".")[1]
        let claims = try JSONValue(parsing: try #require(Base64URL.decode(String(text))))
        #expect(claims["acr"]?.string == expected.classReference)
        #expect(claims["amr"]?.array?.compactMap(\.string) == expected.methods)
    }

    @Test func `no record holds a key, a code or a recovery code, and none is stored in clear`() async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        let half = try await half(harness)
        let code = app.code(at: harness.clock.now)
        _ = try await show(harness, code, half)
        let stored = try #require(
            try await harness.store.secondFactor(of: try await account(harness).subject))
        let records = "\(harness.log.records)"
        #expect(records.contains(stored.subject.text), "a record prints what it holds")
        for secret in [app.key.base32, code.reveal(), app.recovery[0], Base64URL.encode(app.key.bytes)] {
            #expect(!records.contains(secret))
        }
        let sealed = try #require(Base64URL.decode(stored.sealedKey), "the seal is base64url")
        #expect(sealed.firstRange(of: app.key.bytes) == nil)
        #expect(sealed.firstRange(of: Array(app.key.base32.utf8)) == nil)
        let opened = try SharedKeys.sealer().open(
            stored.sealedKey, context: "second-factor:\(stored.subject.text)")
        #expect(opened == app.key.bytes, "it is the key that is sealed")
    }

    // MARK: - recovery, renewal, removal

    @Test func `a recovery code lets in once`() async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        let typed = Secret(" " + app.recovery[0].replacing("-", with: " ").uppercased())
        let first = try await half(harness)
        #expect(try await show(harness, typed, first).consent != nil)
        let second = try await half(harness)
        #expect(try await show(harness, typed, second).secondFactor?.problem == .wrongCode)
        #expect(
            try await harness.server.secondFactors.confirmed(of: try await account(harness).subject)?
                .recoveryCodesLeft == 9)
    }

    @Test(arguments: [("wrong", true), ("pass-anna", false)])
    func `removing and renewing ask for the password and a code`(_ password: String, _ hasCode: Bool) async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        let anna = try await account(harness)
        let code = hasCode ? app.code(at: harness.clock.now) : Secret("000000")
        let removal = try await harness.server.secondFactors.remove(
            from: anna, password: Secret(password), code: code, from: harness.source)
        let renewal = try await harness.server.secondFactors.renewRecoveryCodes(
            of: anna, password: Secret(password), code: code, from: harness.source)
        let expected: SecondFactorProblem = hasCode ? .wrongPassword : .wrongCode
        guard case .refused(expected) = removal, case .refused(expected) = renewal else {
            throw Unexpected("\(removal) \(renewal)")
        }
        #expect(try await harness.server.secondFactors.confirmed(of: anna.subject)?.recoveryCodesLeft == 10)
    }

    @Test func `after removal the password is enough again, and a new key may be set up`() async throws {
        let harness = try await LaunchHarness()
        let app = try await enrol(harness)
        let anna = try await account(harness)
        let removal = try await harness.server.secondFactors.remove(
            from: anna, password: Secret("pass-anna"), code: app.code(at: harness.clock.now), from: harness.source)
        guard case .done(true) = removal else { throw Unexpected("\(removal)") }
        #expect(try await harness.reachConsent().page.personName == "ANNA")
        let again = try await enrol(harness)
        #expect(again.key.bytes != app.key.bytes)
    }

    @Test func `setting up ends what other browsers had opened with less, and asks for the password`() async throws {
        let harness = try await LaunchHarness()
        let other = try await signIn(harness)
        let refused = try await harness.server.secondFactors.begin(
            for: try await account(harness), password: Secret("wrong"), in: SessionID(presented: other),
            from: harness.source)
        guard case .refused(.wrongPassword) = refused else { throw Unexpected("\(refused)") }
        _ = try await enrol(harness)
        #expect(try await harness.server.interaction.signedIn(session: other) == nil)
    }

    @Test func `keys outlive the exchange of root keys and are sealed anew`() async throws {
        let store = InMemoryAuthorizationStore()
        let harness = try await LaunchHarness(store: store)
        let app = try await enrol(harness)
        let (old, new) = ([UInt8](repeating: 9, count: 32), [UInt8](repeating: 8, count: 32))
        _ = try await LaunchHarness(
            store: store, clock: harness.clock, seed: 8, isFresh: false, sealer: Sealer(keys: [new, old]))
        let last = try await LaunchHarness(
            store: store, clock: harness.clock, seed: 9, isFresh: false, sealer: Sealer(keys: [new]))
        let half = try await half(last)
        #expect(try await show(last, app.code(at: last.clock.now), half).consent != nil)
    }
}

extension InteractionAnswer {
    var secondFactor: SecondFactorPage? { if case .page(.secondFactor(let page)) = outcome { page } else { nil } }
    var recoveryCodes: RecoveryCodesPage? { if case .page(.recoveryCodes(let page)) = outcome { page } else { nil } }
}
