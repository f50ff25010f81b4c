import AccessPolicy
import Audit
import ChaperoneTesting
import OAuthCore
import RequirementTraits
import Testing

@testable import Authorization

/// Each lockout that begins has one record, and no number of tries makes more.
@Suite(.verifies("audit@lockouts")) struct LockoutTests {
    private func attempt(
        _ harness: LaunchHarness, _ username: String, _ password: String = "wrong", address: String = "192.0.2.9"
    ) async throws {
        let begun = try await harness.begin()
        let page = try #require(begun.login)
        _ = await harness.server.interaction.login(
            transaction: page.transaction, username: username, password: Secret(password),
            session: begun.newCookie, from: RequestSource(address: address))
    }

    private func lockouts(_ harness: LaunchHarness) -> [AuthorizationRecord] {
        harness.log.records.filter { $0.kind == .accountLocked }
    }

    @Test func `five wrong passwords lock an account, and forty more tries lock nothing more`() async throws {
        let harness = try await LaunchHarness()
        let anna = try #require(try await harness.store.user(named: "anna"))

        for _ in 0..<4 { try await attempt(harness, "anna") }
        #expect(lockouts(harness) == [])
        for _ in 0..<20 { try await attempt(harness, "anna") }
        // Each try that the wait lets through makes it longer; it is the same lockout.
        for _ in 0..<20 {
            harness.clock.advance(seconds: 31)
            try await attempt(harness, "anna")
        }

        let record = try #require(lockouts(harness).first)
        #expect(lockouts(harness).count == 1)
        #expect(record.subject == anna.subject)
        #expect(record.outcome == .refused(reason: "account-source"))
        #expect(record.sourceAddress == "192.0.2.9")
        #expect(!"\(record)".contains("wrong"))
    }

    @Test func `a lockout after an hour's rest is another`() async throws {
        let harness = try await LaunchHarness()
        for _ in 0..<5 { try await attempt(harness, "anna") }
        harness.clock.advance(seconds: 3600 + 900)
        for _ in 0..<5 { try await attempt(harness, "anna") }
        #expect(lockouts(harness).count == 2)
    }

    @Test func `four wrong passwords and the right one lock nothing`() async throws {
        let harness = try await LaunchHarness()
        for _ in 0..<4 { try await attempt(harness, "anna") }
        try await attempt(harness, "anna", "pass-anna")
        #expect(lockouts(harness) == [])
        #expect(harness.log.kinds.contains(.login))
    }

    @Test func `a name that is nobody's is no account, and is not written down`() async throws {
        let harness = try await LaunchHarness()
        for _ in 0..<10 { try await attempt(harness, "My-Password-7") }
        #expect(lockouts(harness) == [])
        #expect(!"\(harness.log.records)".contains("My-Password-7"))
    }

    @Test func `a network that tries many names is locked out once`() async throws {
        let harness = try await LaunchHarness()
        for number in 0..<80 { try await attempt(harness, "name-\(number)") }

        #expect(lockouts(harness).map(\.outcome) == [.refused(reason: "login-source")])
        #expect(lockouts(harness).first?.subject == nil)
    }

    /// The ledger of refusals bounds what networks can write (ADR 62): with a budget of three records in all, a fourth
    /// network's lockout is in a sum.
    @Test(.verifies("audit@junk-bounded")) func `many networks write no more than the ledger lets them`() async throws {
        let harness = try await LaunchHarness(configure: {
            $0.sourceThrottle = ThrottlePolicy(free: 1, window: 3600, firstWait: 30, longestWait: 30)
            $0.budget.refusals = .init(burst: 3, perSecond: 0.001, perSource: 100)
        })
        for number in 0..<20 { try await attempt(harness, "nobody-\(number)", address: "10.\(number).0.1") }

        #expect(harness.log.kinds.filter { $0 == .accountLocked || $0 == .loginFailed }.count == 3)
        #expect(harness.server.refusals.close().reduce(0) { $0 + $1.count } >= 17)
    }

    @Test func `an account that many networks guess at is locked for all of them once`() async throws {
        let harness = try await LaunchHarness()
        for number in 0..<205 { try await attempt(harness, "anna", address: "10.0.\(number).1") }

        let everywhere = lockouts(harness).filter { $0.outcome == .refused(reason: "account") }
        #expect(everywhere.count == 1)
        #expect(lockouts(harness).count == 1)
    }

    @Test func `a client whose secret is guessed is named, and a name that is no client's is not`() async throws {
        for (name, expected) in [("confidential", ClientID("confidential")), ("my-secret", nil)] {
            let harness = try await LaunchHarness(configure: {
                $0.guessThrottle = ThrottlePolicy(free: 3, window: 600, firstWait: 30, longestWait: 900)
            })
            for _ in 0..<9 {
                _ = try await harness.token(
                    ["grant_type": "client_credentials"], authorization: LaunchHarness.basic(name, "guess"))
            }
            #expect(lockouts(harness).map(\.outcome) == [.refused(reason: "secret-source")])
            #expect(lockouts(harness).map(\.clientID) == [expected])
        }
    }

    @Test func `a network that guesses codes is locked out once`() async throws {
        let harness = try await LaunchHarness(configure: {
            $0.guessThrottle = ThrottlePolicy(free: 3, window: 600, firstWait: 30, longestWait: 900)
        })
        for number in 0..<9 { _ = try await harness.exchange("guess-\(number)") }
        #expect(lockouts(harness).map(\.outcome) == [.refused(reason: "guess-source")])
    }

    /// The process ends after the attempt was counted and before it is known how it ended: the count stands, so the lockout
    /// has begun, and the next start records it.
    @Test(.verifies("house@LOCKOUT-RECORD"))
    func `a lockout that nobody lived to record is recorded at the next start, once`() async throws {
        let harness = try await LaunchHarness()
        let anna = try #require(try await harness.store.user(named: "anna"))
        for _ in 0..<4 { try await attempt(harness, "anna") }
        let counter = harness.server.introspection.parts.attempts
        let maker = harness.server.introspection.parts.records(for: RequestSource(address: "192.0.2.9"))
        let verdict = try await counter.count(
            [.account("anna", from: "192.0.2.9"): .account], of: anna.subject, at: harness.clock.now, maker)
        guard case .counted(let counted) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        #expect(counted.announced.count == 1)
        #expect(lockouts(harness) == [])

        let next = try await LaunchHarness(store: harness.store, clock: harness.clock, seed: 8, isFresh: false)

        #expect(lockouts(next).map(\.subject) == [anna.subject])
        #expect(lockouts(next).map(\.outcome) == [.refused(reason: "account-source")])
        try await attempt(next, "anna", "pass-anna")
        #expect(!next.log.kinds.contains(.login), "the lockout stands")
        let third = try await LaunchHarness(store: next.store, clock: next.clock, seed: 9, isFresh: false)
        #expect(lockouts(third) == [])
    }

    @Test(.verifies("house@LOCKOUT-RECORD"))
    func `an attempt that never said how it ended is recorded by the sweep, and one that may still say is not`()
        async throws
    {
        let harness = try await LaunchHarness()
        let anna = try #require(try await harness.store.user(named: "anna"))
        for _ in 0..<4 { try await attempt(harness, "anna") }
        let parts = harness.server.introspection.parts
        _ = try await parts.attempts.count(
            [.account("anna", from: "192.0.2.9"): .account], of: anna.subject, at: harness.clock.now,
            parts.records(for: RequestSource(address: "192.0.2.9")))
        harness.clock.advance(seconds: AttemptCounter.longestAttempt - 1)
        _ = try await harness.server.sweep()
        #expect(lockouts(harness) == [])
        harness.clock.advance(seconds: 1)
        _ = try await harness.server.sweep()
        #expect(lockouts(harness).count == 1)
    }

    @Test(.verifies("house@LOCKOUT-RECORD"))
    func `the fifth attempt announces a lockout, and when it is right nothing was locked`() async throws {
        let harness = try await LaunchHarness()
        for _ in 0..<4 { try await attempt(harness, "anna") }
        try await attempt(harness, "anna", "pass-anna")
        let next = try await LaunchHarness(store: harness.store, clock: harness.clock, seed: 8, isFresh: false)
        #expect(lockouts(harness) == [] && lockouts(next) == [])
    }
}
