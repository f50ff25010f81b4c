import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// The renewal of access (decision 17, the T group of the attack catalogue).
@Suite struct RefreshTests {
    private func granted(_ harness: LaunchHarness) async throws -> (response: TokenResponse, token: String) {
        let code = try await harness.launch()
        let response = try #require(try await harness.exchange(code).response)
        return (response, try #require(response.refreshToken).reveal())
    }

    @Test(.verifies("oauth-attack@T-01"))
    func `a replaced token after the grace window ends the grant`() async throws {
        let harness = try await LaunchHarness()
        let (response, first) = try await granted(harness)
        let second = try #require(try await harness.refresh(first).response?.refreshToken)
        harness.clock.advance(seconds: 31)
        #expect(try await harness.refresh(first).face == "400 invalid_grant")
        #expect(try harness.isRefused(response))
        #expect(try await harness.refresh(second.reveal()).face == "400 invalid_grant")
        #expect(harness.log.kinds.contains(.refreshReplayed))
    }

    @Test(.verifies("oauth-attack@T-02"), arguments: [0, 30])
    func `a repeat within the grace window gets the same successor`(_ delay: Int64) async throws {
        let harness = try await LaunchHarness()
        let (_, first) = try await granted(harness)
        let second = try #require(try await harness.refresh(first).response?.refreshToken)
        harness.clock.advance(seconds: delay)
        #expect(try await harness.refresh(first).response?.refreshToken == second)
        #expect(try await harness.refresh(second.reveal()).response != nil)
    }

    @Test(.verifies("house@UNDELIVERED"), arguments: [5, 3600, 86_400] as [Int64])
    func `a successor that could not be recorded replaces nothing, however late the client comes again`(
        _ delay: Int64
    ) async throws {
        let harness = try await LaunchHarness()
        let (response, first) = try await granted(harness)
        // The log works before the rotation and fails at its row.
        harness.log.refuse(.refresh)
        #expect(try await harness.refresh(first).face == "503 temporarily_unavailable")
        #expect(try await harness.refresh(first).face == "503 temporarily_unavailable")
        harness.clock.advance(seconds: delay)
        harness.log.empty()

        let second = try #require(try await harness.refresh(first).response?.refreshToken)
        let alive = try await harness.store.grants(matching: GrantFilter(onlyActive: true), limit: 9)
        #expect(alive.count == 1, "the grant of \(response.scope) lives on")
        #expect(try await harness.refresh(first).response?.refreshToken == second, "now the grace window runs")
        harness.clock.advance(seconds: 31)
        #expect(try await harness.refresh(first).face == "400 invalid_grant", "and after it the old token is stolen")
        #expect(try await harness.refresh(second.reveal()).face == "400 invalid_grant")
    }

    @Test(.verifies("house@UNDELIVERED"))
    func `what was replaced before an undelivered successor is still theft`() async throws {
        let harness = try await LaunchHarness()
        let (_, first) = try await granted(harness)
        let second = try #require(try await harness.refresh(first).response?.refreshToken).reveal()
        harness.log.refuse(.refresh)
        #expect(try await harness.refresh(second).face == "503 temporarily_unavailable")
        harness.log.empty()

        #expect(try await harness.refresh(first).face == "400 invalid_grant")
        #expect(try await harness.refresh(second).face == "400 invalid_grant")
        #expect(harness.log.kinds.contains(.refreshReplayed))
    }

    @Test(.verifies("oauth-attack@T-03"))
    func `64 parallel refreshes all get one successor and nobody is logged out`() async throws {
        let harness = try await LaunchHarness()
        let (_, first) = try await granted(harness)
        let answers = try await withThrowingTaskGroup(of: TokenAnswer.self) { group in
            for _ in 0..<64 { group.addTask { try await harness.refresh(first) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let successors = Set(answers.compactMap { $0.response?.refreshToken?.reveal() })
        #expect(answers.compactMap(\.response).count == 64)
        #expect(successors.count == 1)
        let successor = try #require(successors.first)
        #expect(try await harness.refresh(successor).response != nil)
    }

    @Test(.verifies("oauth-attack@T-04"))
    func `an old token after its successor was used is theft, also within the window`() async throws {
        let harness = try await LaunchHarness()
        let (response, first) = try await granted(harness)
        let second = try #require(try await harness.refresh(first).response?.refreshToken)
        #expect(try await harness.refresh(second.reveal()).response != nil)
        #expect(try await harness.refresh(first).face == "400 invalid_grant")
        #expect(try harness.isRefused(response))
    }

    @Test(.verifies("oauth-attack@T-05"))
    func `another client cannot use a token, nor end its family`() async throws {
        let harness = try await LaunchHarness()
        let (response, first) = try await granted(harness)
        let second = try #require(try await harness.refresh(first).response?.refreshToken)
        harness.clock.advance(seconds: 60)
        #expect(try await harness.refresh(first, client: "app-2").face == "400 invalid_grant")
        #expect(try await harness.refresh(second.reveal(), client: "app-2").face == "400 invalid_grant")
        let records = harness.log.records.filter { $0.kind == .tokenRefused }
        #expect(records.map(\.clientID) == [ClientID("app-2"), ClientID("app-2")])
        #expect(records.allSatisfy { $0.outcome == .refused(reason: "invalid_grant") })
        #expect(records.allSatisfy { $0.detail == "the token belongs to another client" })
        #expect(try !harness.isRefused(response))
        #expect(try await harness.refresh(second.reveal()).response != nil)
    }

    @Test(.verifies("oauth-attack@T-13", "oauth-attack@T-14"))
    func `what is no refresh token of ours ends nothing`() async throws {
        let harness = try await LaunchHarness()
        let (response, first) = try await granted(harness)
        let parts = first.split(separator: ".").map(String.init)
        let forged = [
            first + "A", String(first.dropLast()), "\(parts[0]).1.\(parts[2])", "\(parts[0]).-1.\(parts[2])",
            "\(parts[0]).0." + String(repeating: "A", count: 43), response.accessToken.reveal(), "x", "..",
        ]
        for token in forged {
            #expect(try await harness.refresh(token).face == "400 invalid_grant", "\(token)")
        }
        #expect(try !harness.isRefused(response))
        #expect(try await harness.refresh(first).response != nil)
    }

    @Test(
        .verifies("oauth-attack@T-08"),
        arguments: [
            ("patient/Patient.rs", "patient/Patient.rs"), ("patient/Patient.r", "patient/Patient.r"),
            ("patient/Observation.rs?category=http://x|lab", "patient/Observation.rs?category=http://x|lab"),
            (LaunchHarness.scope, LaunchHarness.scope),
        ])
    func `a smaller scope is given and keeps the patient`(_ asked: String, _ granted: String) async throws {
        let harness = try await LaunchHarness()
        let (_, first) = try await self.granted(harness)
        let response = try #require(try await harness.refresh(first, scope: asked).response)
        #expect(response.scope == granted)
        #expect(response.launch.patient?.text == "patient-a")
        let whole = try await harness.refresh(try #require(response.refreshToken).reveal())
        #expect(whole.response?.scope == LaunchHarness.scope)
    }

    @Test(
        .verifies("oauth-attack@T-08"),
        arguments: [
            "patient/Patient.cruds", "patient/*.rs", "patient/Immunization.rs", "user/Patient.rs", "patient/Patient.*",
            "system/Patient.rs",
        ])
    func `a greater scope is refused and the token stays good`(_ asked: String) async throws {
        let harness = try await LaunchHarness()
        let (_, first) = try await granted(harness)
        #expect(try await harness.refresh(first, scope: asked).face == "400 invalid_scope")
        #expect(try await harness.refresh(first).response != nil)
    }

    @Test(.verifies("oauth-attack@T-12"))
    func `a family ends when idle and at its last day`() async throws {
        let harness = try await LaunchHarness()
        let (_, first) = try await granted(harness)
        let day: Int64 = 86_400
        harness.clock.advance(seconds: 99 * day)
        var token = try #require(try await harness.refresh(first).response?.refreshToken).reveal()
        for _ in 0..<2 {
            harness.clock.advance(seconds: 99 * day)
            token = try #require(try await harness.refresh(token).response?.refreshToken).reveal()
        }
        harness.clock.advance(seconds: 68 * day)
        #expect(try await harness.refresh(token).face == "400 invalid_grant")
        let (_, idle) = try await granted(harness)
        harness.clock.advance(seconds: 100 * day)
        #expect(try await harness.refresh(idle).face == "400 invalid_grant")
    }

    @Test func `a confidential client keeps its token, which slides on without end`() async throws {
        let harness = try await LaunchHarness()
        let basic = LaunchHarness.basic("confidential", "confidential-secret")
        let code = try await harness.launch(["client_id": "confidential"])
        let response = try #require(
            try await harness.exchange(code, ["client_id": nil], authorization: basic).response)
        let token = try #require(response.refreshToken).reveal()
        for _ in 0..<5 {
            harness.clock.advance(seconds: 99 * 86_400)
            let renewed = try await harness.refresh(token, client: "confidential", authorization: basic)
            #expect(renewed.response?.refreshToken?.reveal() == token)
        }
    }

    @Test(.verifies("oauth-attack@T-11"))
    func `the directory is asked again, and an undone link ends the grant`() async throws {
        let harness = try await LaunchHarness()
        let (response, first) = try await granted(harness)
        let anna = try #require(try await harness.store.user(named: "anna"))
        let outcome = try await harness.server.access.unlink(anna.subject, by: "steward", from: harness.source)
        #expect(outcome?.grants.count == 1)
        #expect(try harness.isRefused(response))
        #expect(try await harness.refresh(first).face == "400 invalid_grant")
    }

    @Test(.verifies("oauth-attack@T-11"))
    func `a disabled person's tokens are dead at once`() async throws {
        let harness = try await LaunchHarness()
        let (response, first) = try await granted(harness)
        let anna = try #require(try await harness.store.user(named: "anna"))
        _ = try await harness.server.accounts.disable(anna.subject, by: "admin", from: harness.source)
        #expect(try harness.isRefused(response))
        #expect(try await harness.refresh(first).face == "400 invalid_grant")
        try await harness.server.accounts.enable(anna.subject, by: "admin", from: harness.source)
        #expect(try await harness.refresh(first).face == "400 invalid_grant")
    }

    @Test(.verifies("oauth-attack@T-11"))
    func `who lost offline access refreshes no more`() async throws {
        let harness = try await LaunchHarness()
        let (_, first) = try await granted(harness)
        var client = try #require(try await harness.store.client(ClientID("app")))
        client.approvedScopes = try ScopeSet(parsing: "patient/Patient.r launch/patient")
        #expect(try await harness.server.clients.reconcile(client, from: harness.source) == .changed)
        #expect(try await harness.refresh(first).face == "400 invalid_grant")
    }

    @Test func `a lowered ceiling shows at the next refresh`() async throws {
        let harness = try await LaunchHarness()
        let (_, first) = try await granted(harness)
        var client = try #require(try await harness.store.client(ClientID("app")))
        client.approvedScopes = try ScopeSet(parsing: "patient/Patient.r offline_access launch/patient")
        #expect(try await harness.server.clients.reconcile(client, from: harness.source) == .changed)
        let response = try await harness.refresh(first).response
        #expect(response?.scope == "launch/patient offline_access patient/Patient.r")
    }
}
