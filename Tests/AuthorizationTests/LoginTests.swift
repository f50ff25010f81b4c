import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// Signing in.
@Suite struct LoginTests {
    private func attempt(
        _ harness: LaunchHarness, _ username: String, _ password: String, address: String = "192.0.2.1"
    ) async throws -> InteractionAnswer {
        let begun = try await harness.begin()
        return await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: username, password: Secret(password),
            session: begun.newCookie, from: RequestSource(address: address))
    }

    @Test(
        .verifies("oauth-attack@U-20"),
        arguments: [("anna", "wrong"), ("nobody", "pass-anna"), ("Anna", "pass-anna"), ("anna", ""), ("", "")])
    func `every wrong login reads the same`(_ username: String, _ password: String) async throws {
        let harness = try await LaunchHarness()
        let answer = try await attempt(harness, username, password)
        #expect(answer.login?.problem == .wrongCredentials)
        #expect(answer.newCookie == nil)
        #expect(harness.log.kinds.last == .loginFailed)
        #expect(!"\(harness.log.records)".contains("pass-"))
    }

    @Test(.verifies("oauth-attack@U-20"))
    func `a disabled account reads like a wrong password`() async throws {
        let harness = try await LaunchHarness()
        let anna = try #require(try await harness.store.user(named: "anna"))
        _ = try await harness.server.accounts.disable(anna.subject, by: "admin", from: harness.source)
        #expect(try await attempt(harness, "anna", "pass-anna").login?.problem == .wrongCredentials)
    }

    @Test(.verifies("oauth-attack@U-20"), arguments: ["anna", "nobody"])
    func `after five wrong tries an account waits, whether or not it exists`(_ username: String) async throws {
        let harness = try await LaunchHarness()
        for _ in 0..<5 {
            let answer = try await attempt(harness, username, "wrong", address: "192.0.2.9")
            #expect(answer.login?.problem == .wrongCredentials)
        }
        let closed = try await attempt(harness, username, "pass-anna", address: "192.0.2.9")
        #expect(closed.login?.problem == .tooManyAttempts(retryAfter: 30))
        harness.clock.advance(seconds: 30)
        let open = try await attempt(harness, username, "pass-anna", address: "192.0.2.9")
        #expect((open.consent != nil) == (username == "anna"))
    }

    @Test(.verifies("oauth-attack@U-20"))
    func `nobody is locked out by tries from elsewhere, and many sources together still cannot guess`() async throws {
        let harness = try await LaunchHarness()
        for index in 0..<50 { _ = try await attempt(harness, "anna", "wrong", address: "192.0.2.\(index)") }
        #expect(try await attempt(harness, "anna", "pass-anna", address: "198.51.100.1").consent != nil)
        for index in 0..<150 { _ = try await attempt(harness, "anna", "wrong", address: "203.0.113.\(index)") }
        let closed = try await attempt(harness, "anna", "pass-anna", address: "198.51.100.3")
        #expect(closed.login?.problem == .tooManyAttempts(retryAfter: 30))
    }

    @Test(.verifies("oauth-attack@U-20"))
    func `nobody keeps an owner out where they have signed in before`() async throws {
        let harness = try await LaunchHarness()
        #expect(try await attempt(harness, "anna", "pass-anna", address: "198.51.100.1").consent != nil)
        for index in 0..<210 {
            _ = try await attempt(harness, "anna", "wrong", address: "2001:db8:\(String(index, radix: 16))::1")
        }
        let stranger = try await attempt(harness, "anna", "pass-anna", address: "198.51.100.2")
        #expect(stranger.login?.problem == .tooManyAttempts(retryAfter: 30))
        #expect(try await attempt(harness, "anna", "pass-anna", address: "198.51.100.1").consent != nil)
        // It is known for that account, and wrong passwords count there as everywhere.
        for _ in 0..<5 { _ = try await attempt(harness, "anna", "wrong", address: "198.51.100.1") }
        let closed = try await attempt(harness, "anna", "pass-anna", address: "198.51.100.1")
        #expect(closed.login?.problem == .tooManyAttempts(retryAfter: 30))
        harness.clock.advance(seconds: ThrottleKey.memory + 1)
        for index in 0..<210 {
            _ = try await attempt(harness, "anna", "wrong", address: "2001:db8:\(String(index, radix: 16))::1")
        }
        let forgotten = try await attempt(harness, "anna", "pass-anna", address: "198.51.100.1")
        #expect(forgotten.login?.problem == .tooManyAttempts(retryAfter: 30))
    }

    @Test(.verifies("oauth-attack@U-20"))
    func `a house of many people that mistype now and then is never closed`() async throws {
        let harness = try await LaunchHarness()
        for index in 0..<400 {
            harness.clock.advance(seconds: 75)
            let answer = try await attempt(harness, "user-\(index)", "wrong")
            #expect(answer.login?.problem == .wrongCredentials, "\(index)")
        }
    }

    @Test(.verifies("oauth-attack@U-20"))
    func `an invisible suffix does not open an account that waits`() async throws {
        let harness = try await LaunchHarness()
        for suffix in ["\0", "\0x", "\u{200B}", "\n"] {
            let answer = try await attempt(harness, "anna" + suffix, "pass-anna")
            #expect(answer.login?.problem == .wrongCredentials)
        }
    }

    @Test(.verifies("oauth-attack@U-20"))
    func `one address cannot spray over many accounts`() async throws {
        let harness = try await LaunchHarness()
        for index in 0..<50 { _ = try await attempt(harness, "user-\(index)", "wrong") }
        let closed = try await attempt(harness, "anna", "pass-anna")
        #expect(closed.login?.problem == .tooManyAttempts(retryAfter: 30))
        #expect(try await attempt(harness, "anna", "pass-anna", address: "198.51.100.1").consent != nil)
    }

    @Test func `a login makes a new session and the old one is worth nothing`() async throws {
        let harness = try await LaunchHarness()
        let begun = try await harness.begin()
        let planted = try #require(begun.newCookie)
        let answer = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: "anna", password: Secret("pass-anna"),
            session: planted, from: harness.source)
        let cookie = try #require(answer.newCookie)
        let page = try #require(answer.consent)
        #expect(cookie != planted)
        #expect(try await harness.decide(page, session: planted).shownError != nil)
        #expect(try await harness.decide(page, session: cookie).location != nil)
    }

    @Test func `a signed-in browser goes straight to consent`() async throws {
        let harness = try await LaunchHarness()
        let (_, session) = try await harness.reachConsent()
        let again = try await harness.begin(session: session)
        #expect(again.consent != nil)
        #expect(again.newCookie == nil)
    }

    @Test(
        .verifies("oauth-attack@U-13", "oauth-attack@U-14"),
        arguments: [["prompt": "login"], ["max_age": "0"], ["max_age": "9"]])
    func `a fresh login can be demanded`(_ changes: [String: String]) async throws {
        let harness = try await LaunchHarness()
        let (_, session) = try await harness.reachConsent()
        harness.clock.advance(seconds: 10)
        let answer = try await harness.begin(changes.mapValues { $0 }, session: session)
        let login = try #require(answer.login)
        let done = await harness.server.interaction.login(
            transaction: login.transaction, username: "anna", password: Secret("pass-anna"), session: session,
            from: harness.source)
        #expect(done.consent != nil)
    }

    @Test(arguments: [(1799, true), (1800, false)])
    func `an idle session is over`(_ idle: Int64, _ isLive: Bool) async throws {
        let harness = try await LaunchHarness()
        let (_, session) = try await harness.reachConsent()
        harness.clock.advance(seconds: idle)
        #expect((try await harness.begin(session: session).consent != nil) == isLive)
    }

    @Test func `signing out ends the session`() async throws {
        let harness = try await LaunchHarness()
        let (_, session) = try await harness.reachConsent()
        #expect(try await harness.server.interaction.signedIn(session: session)?.username == "anna")
        _ = await harness.server.interaction.signOut(session: session, from: harness.source)
        #expect(try await harness.server.interaction.signedIn(session: session) == nil)
        #expect(try await harness.begin(session: session).login != nil)
    }

    @Test func `a new password ends the sessions made with the old one`() async throws {
        let harness = try await LaunchHarness()
        let (_, session) = try await harness.reachConsent()
        let anna = try #require(try await harness.store.user(named: "anna"))
        try await harness.server.accounts.setPassword(
            Secret("changed"), of: anna.subject, by: "admin", from: harness.source)
        #expect(try await harness.server.interaction.signedIn(session: session) == nil)
        #expect(try await attempt(harness, "anna", "pass-anna").login?.problem == .wrongCredentials)
        #expect(try await attempt(harness, "anna", "changed").consent != nil)
    }

    @Test func `names and passwords that cannot be used are refused`() async throws {
        let harness = try await LaunchHarness()
        let cases: [(String, String, AccountFailure)] = [
            ("", "long enough", .unusableUsername), ("a\u{200B}", "long enough", .unusableUsername),
            ("x", "abc", .unusablePassword), ("x", String(repeating: "p", count: 2000), .unusablePassword),
        ]
        for (name, password, failure) in cases {
            await #expect(throws: failure) {
                try await harness.server.accounts.add(
                    NewAccount(username: name, password: Secret(password), displayName: ""), by: "test",
                    from: harness.source)
            }
        }
        let taken = NewAccount(username: "anna", password: Secret("long enough"), displayName: "")
        #expect(try await harness.server.accounts.add(taken, by: "test", from: harness.source) == nil)
    }
}

@Suite struct PasswordHasherTests {
    private let random = SeededRandom().source.bytes
    private let cost = Argon2Parameters(passes: 1, memoryKiB: 64)

    @Test func `a password fits its own hash only`() async throws {
        let hasher = try PasswordHasher(parameters: cost, random: random)
        let hash = try await hasher.hash(Secret("s3cret"))
        #expect(hash.encoded.hasPrefix("$argon2id$v=19$m=64,t=1,p=1$"))
        #expect("\(hash)" == "<redacted>")
        #expect(try await hasher.verify(Secret("s3cret"), against: hash))
        #expect(try await !hasher.verify(Secret("s3creT"), against: hash))
        #expect(try await !hasher.verify(Secret(""), against: nil))
    }

    @Test func `the standard cost is what RFC 9106 calls for at least`() async throws {
        let hasher = try PasswordHasher(random: random)
        let hash = try await hasher.hash(Secret("x"))
        #expect(hash.encoded.hasPrefix("$argon2id$v=19$m=19456,t=2,p=1$"))
    }

    @Test func `many callers all get their answer, and too many are told to wait`() async throws {
        let hasher = try PasswordHasher(parameters: cost, width: 2, waiting: 100, random: random)
        let hash = try await hasher.hash(Secret("x"))
        let answers = try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<80 {
                group.addTask { try await hasher.verify(Secret(index.isMultiple(of: 2) ? "x" : "y"), against: hash) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.filter { $0 }.count == 40)
        // Nobody may wait here, and one hash takes long enough for the others to arrive.
        let narrow = try PasswordHasher(
            parameters: Argon2Parameters(passes: 4, memoryKiB: 32 * 1024), width: 1, waiting: 0, random: random)
        let refused = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    do {
                        _ = try await narrow.hash(Secret("x"))
                        return false
                    } catch { return (error as? PasswordHashingError) == .busy }
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(refused > 0)
    }
}
