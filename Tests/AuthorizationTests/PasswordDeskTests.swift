import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import Authorization

/// A person changes their own password: refusals first.
@Suite(.verifies("house@OWN-PASSWORD")) struct PasswordDeskTests {
    /// Somebody who is signed in on the account pages.
    private func signIn(
        _ harness: LaunchHarness, as user: String = "anna", password: String? = nil
    ) async throws -> Secret {
        let answer = await harness.server.interaction.signIn(
            username: user, password: Secret(password ?? "pass-\(user)"), session: nil, from: harness.source)
        guard case .signedIn(_, .set(let cookie, _)) = answer else {
            throw Unexpected(text: "\(answer)")
        }
        return cookie
    }

    private struct Unexpected: Error { let text: String }

    private func change(
        _ harness: LaunchHarness, _ cookie: Secret, present: String = "pass-anna", new: String = "another",
        repeated: String? = nil, code: Secret = Secret("")
    ) async throws -> Result<SessionInstruction, PasswordProblem> {
        let account = try #require(try await harness.store.user(named: "anna"))
        return try await harness.server.passwords.change(
            PasswordChange(
                present: Secret(present), new: Secret(new), repeated: Secret(repeated ?? new), code: code),
            of: account, session: cookie, from: harness.source)
    }

    private func problem(_ result: Result<SessionInstruction, PasswordProblem>) -> PasswordProblem? {
        if case .failure(let problem) = result { problem } else { nil }
    }

    private func changes(_ harness: LaunchHarness) -> [AuthorizationRecord] {
        harness.log.records.filter { $0.detail == AccountNotice.passwordChanged.rawValue }
    }

    @Test(arguments: [
        ("pass-anna", "abc", "abc", PasswordProblem.unusable(shortest: 4)),
        ("pass-anna", String(repeating: "x", count: 1025), String(repeating: "x", count: 1025), .unusable(shortest: 4)),
        ("pass-anna", "", "", .unusable(shortest: 4)), ("pass-anna", "another", "Another", .repetitionDiffers),
        ("pass-anna", "pass-anna", "pass-anna", .unchanged),
        ("wrong", "another", "another", .notProved(.wrongPassword)),
        ("", "another", "another", .notProved(.wrongPassword)),
    ])
    func `what is not good enough changes nothing`(
        _ present: String, _ new: String, _ repeated: String, _ expected: PasswordProblem
    ) async throws {
        let harness = try await LaunchHarness()
        let cookie = try await signIn(harness)
        let result = try await change(harness, cookie, present: present, new: new, repeated: repeated)
        #expect(problem(result) == expected)
        #expect(try await harness.server.interaction.signedIn(session: cookie) != nil)
        #expect(changes(harness).isEmpty)
        _ = try await signIn(harness)
    }

    @Test func `wrong passwords are counted with those of the sign-in, and lock it`() async throws {
        let harness = try await LaunchHarness()
        let cookie = try await signIn(harness)
        // What is wrong with the new one costs no attempt.
        for _ in 0..<9 { _ = try await change(harness, cookie, present: "wrong", new: "x") }
        for _ in 0..<5 { #expect(try await problem(change(harness, cookie, present: "wrong")) != nil) }
        #expect(try await problem(change(harness, cookie)) == .notProved(.tooManyAttempts(retryAfter: 30)))
        #expect(harness.log.kinds.filter { $0 == .accountLocked }.count == 1)
        let answer = await harness.server.interaction.signIn(
            username: "anna", password: Secret("pass-anna"), session: nil, from: harness.source)
        guard case .refused(.tooManyAttempts) = answer else { throw Unexpected(text: "\(answer)") }
    }

    @Test func `a session of somebody else, or one that is gone, changes nothing`() async throws {
        let harness = try await LaunchHarness()
        let cookie = try await signIn(harness)
        let other = try await signIn(harness, as: "ben")
        for session in [other, Secret("none")] {
            #expect(try await problem(change(harness, session)) == .notProved(.changedMeanwhile))
        }
        #expect(try await harness.server.interaction.signedIn(session: cookie) != nil)
        #expect(changes(harness).isEmpty)
    }

    @Test func `a change ends every other session, and this one gets a new value`() async throws {
        let harness = try await LaunchHarness()
        let elsewhere = try await signIn(harness)
        let cookie = try await signIn(harness)
        let others = try await signIn(harness, as: "ben")

        guard case .success(.set(let next, _)) = try await change(harness, cookie) else {
            throw Unexpected(text: "not changed")
        }

        for gone in [elsewhere, cookie] {
            #expect(try await harness.server.interaction.signedIn(session: gone) == nil)
        }
        #expect(try await harness.server.interaction.signedIn(session: next)?.username == "anna")
        #expect(try await harness.server.interaction.signedIn(session: others)?.username == "ben")
        let old = await harness.server.interaction.signIn(
            username: "anna", password: Secret("pass-anna"), session: nil, from: harness.source)
        guard case .refused(.wrongCredentials) = old else { throw Unexpected(text: "\(old)") }
        _ = try await signIn(harness, password: "another")
        let record = try #require(changes(harness).first)
        #expect(changes(harness).count == 1)
        #expect(record.kind == .userChanged)
        #expect(record.actor == "anna")
        #expect(record.sourceAddress == harness.source.address)
        #expect(!"\(harness.log.records)".contains("another"))
    }

    @Test func `apps keep what they were allowed, lasting or while the person is there`() async throws {
        let harness = try await LaunchHarness()
        let lasting = try #require(try await harness.exchange(try await harness.launch()).response)
        let (page, cookie) = try await harness.reachConsent(
            ["scope": "launch/patient online_access patient/Patient.rs"])
        let decided = try await harness.decide(page, session: cookie)
        let code = try #require(decided.redirectParameters?["code"])
        let present = try #require(try await harness.exchange(code).response)
        // A second launch waits at its consent page.
        let open = try #require(try await harness.begin(["client_id": "app-2"], session: cookie).consent)

        guard case .success(.set(let next, _)) = try await change(harness, cookie) else {
            throw Unexpected(text: "not changed")
        }

        for response in [lasting, present] {
            #expect(try !harness.isRefused(response))
            #expect(try await harness.refresh(try #require(response.refreshToken).reveal()).response != nil)
        }
        #expect(try await harness.decide(open, session: next).redirectParameters?["code"] != nil)
    }

    @Test func `who has a second factor shows it, and a wrong code counts as at the sign-in`() async throws {
        let harness = try await LaunchHarness()
        let cookie = try await signIn(harness)
        let account = try #require(try await harness.store.user(named: "anna"))
        let desk = harness.server.secondFactors
        let begun = try await desk.begin(
            for: account, password: Secret("pass-anna"), in: SessionID(presented: cookie), from: harness.source)
        guard case .done = begun,
            let stored = try await harness.store.secondFactor(of: account.subject),
            let bytes = try SharedKeys.sealer().open(
                stored.sealedKey, context: "second-factor:\(stored.subject.text)"),
            let key = OneTimePasswordKey(bytes)
        else { throw Unexpected(text: "\(begun)") }
        func code() -> Secret { Secret(key.code(at: OneTimePasswordKey.step(at: harness.clock.now))) }
        let confirmed = try await harness.server.interaction.confirmSecondFactor(
            code: code(), session: cookie, from: harness.source)
        guard case .set(let raised, _) = confirmed.session else { throw Unexpected(text: "\(confirmed)") }
        harness.clock.advance(seconds: 60)

        #expect(try await problem(change(harness, raised)) == .notProved(.wrongCode), "no code")
        #expect(try await problem(change(harness, raised, code: Secret("000000"))) == .notProved(.wrongCode))
        #expect(try await harness.server.interaction.signedIn(session: raised) != nil)

        let good = code()
        guard case .success(.set(let next, _)) = try await change(harness, raised, code: good) else {
            throw Unexpected(text: "not changed")
        }
        #expect(try await harness.server.interaction.signedIn(session: next) != nil)
        let reused = try await change(harness, next, present: "another", new: "a third one", code: good)
        #expect(problem(reused) == .notProved(.wrongCode), "a code is good once")
    }

    @Test func `who signs in elsewhere has no password to change`() async throws {
        let federation = try await FederationHarness()
        let answer = try #require(try await federation.signIn().interaction)
        let cookie = try #require(answer.newCookie)
        let login = try #require(try await federation.store.logins().first)
        let account = try #require(try await federation.store.user(login.account))
        for present in ["", "none", account.passwordHash.encoded] {
            let result = try await federation.harness.server.passwords.change(
                PasswordChange(
                    present: Secret(present), new: Secret("another"), repeated: Secret("another"), code: Secret("")),
                of: account, session: cookie, from: federation.harness.source)
            #expect(problem(result) == .notProved(.wrongPassword))
        }
        #expect(try await federation.store.user(login.account)?.passwordHash == account.passwordHash)
    }
}
