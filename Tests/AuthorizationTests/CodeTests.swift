import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// The C group of the attack catalogue: codes and proof keys.
@Suite struct CodeTests {
    @Test(.verifies("oauth-attack@C-01"))
    func `a replayed code ends everything that came of it`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let first = try #require(try await harness.exchange(code).response)
        harness.clock.advance(seconds: 30)
        let second = try await harness.exchange(code)
        #expect(second.face == "400 invalid_grant")
        #expect(try harness.isRefused(first))
        let refresh = try #require(first.refreshToken)
        #expect(try await harness.refresh(refresh.reveal()).face == "400 invalid_grant")
        #expect(harness.log.kinds.contains(.codeReplayed))
    }

    @Test(.verifies("oauth-attack@C-02"))
    func `of 64 parallel redemptions one gets tokens`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let answers = try await withThrowingTaskGroup(of: TokenAnswer.self) { group in
            for _ in 0..<64 { group.addTask { try await harness.exchange(code) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.compactMap(\.response).count == 1)
        #expect(answers.compactMap(\.face).allSatisfy { $0 == "400 invalid_grant" })
        #expect(answers.compactMap(\.face).count == 63)
    }

    @Test(.verifies("oauth-attack@C-03"))
    func `another client learns nothing and spoils nothing`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let stolen = try await harness.exchange(code, ["client_id": "app-2"])
        let unknown = try await harness.exchange("A" + code.dropFirst())
        #expect(stolen.face == "400 invalid_grant")
        #expect(stolen.error?.json == unknown.error?.json)
        let record = try #require(harness.log.records.first { $0.kind == .tokenRefused })
        #expect(record.clientID == ClientID("app-2"))
        #expect(record.outcome == .refused(reason: "invalid_grant"))
        #expect(record.detail == "the code belongs to another client")
        #expect(try await harness.exchange(code).response != nil)
    }

    @Test(.verifies("oauth-attack@C-04"), arguments: [(59, true), (60, false), (3600, false)])
    func `a code lives for a minute`(_ age: Int64, _ isGood: Bool) async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        harness.clock.advance(seconds: age)
        let answer = try await harness.exchange(code)
        #expect((answer.response != nil) == isGood)
        #expect(isGood || answer.face == "400 invalid_grant")
    }

    @Test(.verifies("oauth-attack@C-05"))
    func `guessing is slowed down`() async throws {
        let harness = try await LaunchHarness()
        var answers: [TokenAnswer] = []
        for index in 0..<102 { answers.append(try await harness.exchange("guess-\(index)")) }
        #expect(answers.prefix(100).allSatisfy { $0.face == "400 invalid_grant" })
        #expect(answers.dropFirst(100).allSatisfy { $0.isTooMany })
    }

    @Test(.verifies("oauth-attack@C-05"))
    func `a code has 256 bits and is kept as a hash only`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        #expect(Base64URL.decode(code)?.count == 32)
        #expect(try await harness.store.code(Secret(code).hash) != nil)
        #expect(!"\(harness.log.records)".contains(code))
    }

    @Test(
        .verifies("oauth-attack@C-06", "oauth-attack@C-11", "oauth-attack@C-12", "oauth-attack@C-22"),
        arguments: [
            ("redirect_uri", "https://app.example/other", "400 invalid_grant"),
            ("redirect_uri", nil, "400 invalid_request"), ("redirect_uri", "", "400 invalid_request"),
            ("code_verifier", nil, "400 invalid_grant"), ("code_verifier", "", "400 invalid_grant"),
            ("code_verifier", String(repeating: "a", count: 42), "400 invalid_grant"),
            ("code_verifier", String(repeating: "a", count: 129), "400 invalid_grant"),
            ("code_verifier", String(repeating: "a", count: 42) + "*", "400 invalid_grant"),
            ("code", String(repeating: "a", count: 4000), "400 invalid_grant"), ("code", "a\0b", "400 invalid_grant"),
            ("code", "\u{e9}", "400 invalid_grant"), ("code", nil, "400 invalid_request"),
            ("grant_type", nil, "400 invalid_request"), ("grant_type", "password", "400 unsupported_grant_type"),
            ("grant_type", "client_credentials", "400 unauthorized_client"),
        ] as [(String, String?, String)])
    func `what does not fit is refused by its right name and leaves the code alone`(
        _ name: String, _ value: String?, _ face: String
    ) async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        #expect(try await harness.exchange(code, [name: value]).face == face)
        #expect(try await harness.exchange(code).response != nil)
    }

    @Test(.verifies("oauth-attack@C-10", "oauth-attack@C-12", "oauth-attack@C-15"), arguments: [true, false])
    func `a wrong verifier from the right client spoils the code`(_ isChallenge: Bool) async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let right = try #require(CodeVerifier(LaunchHarness.verifier))
        let wrong = isChallenge ? CodeChallenge(of: right).text : String(repeating: "w", count: 43)
        #expect(try await harness.exchange(code, ["code_verifier": wrong]).face == "400 invalid_grant")
        #expect(try await harness.exchange(code).face == "400 invalid_grant")
        #expect(harness.log.records.contains { $0.outcome == .refused(reason: "wrong-verifier") })
    }

    @Test(.verifies("oauth-attack@C-09"))
    func `a verifier for a code without challenge is refused`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch([
            "client_id": "smart1", "code_challenge": nil, "code_challenge_method": nil,
        ])
        let basic = LaunchHarness.basic("smart1", "smart1-secret")
        let answer = try await harness.exchange(code, ["client_id": nil], authorization: basic)
        #expect(answer.face == "400 invalid_grant")
        let plain = try await harness.exchange(code, ["client_id": nil, "code_verifier": nil], authorization: basic)
        #expect(plain.response != nil)
    }

    @Test(.verifies("oauth-attack@C-07"))
    func `the profile without proof key ends on its day`() async throws {
        let harness = try await LaunchHarness()
        harness.clock.advance(seconds: 1000)
        let answer = try await harness.begin([
            "client_id": "smart1", "code_challenge": nil, "code_challenge_method": nil,
        ])
        #expect(answer.redirectParameters?["error"] == "invalid_request")
    }

    @Test(.verifies("oauth-attack@C-14"))
    func `one challenge may serve several launches`() async throws {
        let harness = try await LaunchHarness()
        let first = try await harness.launch()
        let second = try await harness.launch()
        #expect(try await harness.exchange(first).response != nil)
        #expect(try await harness.exchange(second).response != nil)
    }

    @Test(.verifies("oauth-attack@C-19"))
    func `a client suspended in between is no client`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        _ = try await harness.server.access.revoke(
            .client(ClientID("app")), because: .clientSuspended, by: "test", from: harness.source)
        #expect(try await harness.exchange(code).face == "401 invalid_client")
    }

    @Test(.verifies("oauth-attack@C-20"))
    func `a person disabled in between gets nothing`() async throws {
        let harness = try await LaunchHarness()
        let code = try await harness.launch()
        let anna = try #require(try await harness.store.user(named: "anna"))
        _ = try await harness.server.accounts.disable(anna.subject, by: "test", from: harness.source)
        #expect(try await harness.exchange(code).face == "400 invalid_grant")
    }

    @Test(.verifies("oauth-attack@C-21"))
    func `a code is worth nothing at another issuer`() async throws {
        let code = try await LaunchHarness().launch()
        let other = try await LaunchHarness(seed: 8)
        #expect(try await other.exchange(code).face == "400 invalid_grant")
    }
}
