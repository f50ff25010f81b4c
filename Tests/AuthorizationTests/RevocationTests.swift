import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

/// The end of access: by clients (RFC 7009), by operators, and across a restart.
@Suite struct RevocationTests {
    private func revoke(
        _ harness: LaunchHarness, _ token: String?, client: String? = "app", hint: String? = nil,
        authorization: String? = nil
    ) async throws -> RevocationAnswer {
        let pairs = [("token", token), ("client_id", client), ("token_type_hint", hint)]
        return await harness.server.revocation.answer(
            try LaunchHarness.form(pairs.compactMap { name, value in value.map { (name, $0) } }),
            authorization: authorization, from: harness.source)
    }

    private func response(_ harness: LaunchHarness) async throws -> TokenResponse {
        try #require(try await harness.exchange(try await harness.launch()).response)
    }

    @Test(.verifies("oauth-attack@T-17"))
    func `giving a refresh token back ends the whole grant`() async throws {
        let harness = try await LaunchHarness()
        let response = try await response(harness)
        let token = try #require(response.refreshToken).reveal()
        #expect(try await revoke(harness, token, hint: "access_token").isDone)
        #expect(try harness.isRefused(response))
        #expect(try await harness.refresh(token).face == "400 invalid_grant")
    }

    @Test(.verifies("oauth-attack@T-17"))
    func `giving an access token back ends that token alone`() async throws {
        let harness = try await LaunchHarness()
        let response = try await response(harness)
        #expect(try await revoke(harness, response.accessToken.reveal()).isDone)
        #expect(try harness.isRefused(response))
        let renewed = try await harness.refresh(try #require(response.refreshToken).reveal())
        let fresh = try #require(renewed.response)
        #expect(try !harness.isRefused(fresh))
    }

    @Test(.verifies("oauth-attack@T-17"), arguments: ["garbage", "a.b.c", "AAAAAAAAAAAAAAAAAAAAAA.0.x"])
    func `an unknown token is no error`(_ token: String) async throws {
        let harness = try await LaunchHarness()
        #expect(try await revoke(harness, token).isDone)
    }

    @Test(.verifies("oauth-attack@T-15"))
    func `another client's tokens stay good`() async throws {
        let harness = try await LaunchHarness()
        let response = try await response(harness)
        let refresh = try #require(response.refreshToken).reveal()
        #expect(try await revoke(harness, refresh, client: "app-2").isDone)
        #expect(try await revoke(harness, response.accessToken.reveal(), client: "app-2").isDone)
        let records = harness.log.records.filter { $0.kind == .revoke }
        #expect(records.count == 2)
        for record in records {
            #expect(record.clientID == ClientID("app-2"))
            #expect(record.outcome == .refused(reason: "other-client"))
            #expect(record.grantID == (try harness.access(response)).access.grantID)
            #expect(record.patient == "patient-a")
            #expect(record.detail?.contains("`app`") == true)
        }
        #expect(try !harness.isRefused(response))
        #expect(try await harness.refresh(refresh).response != nil)
    }

    @Test(.verifies("oauth-attack@T-16"))
    func `who does not authenticate revokes nothing`() async throws {
        let harness = try await LaunchHarness()
        let response = try await response(harness)
        let refresh = try #require(response.refreshToken).reveal()
        let attempts: [(String?, String?)] = [
            (nil, nil), ("nobody", nil), ("confidential", nil), (nil, LaunchHarness.basic("confidential", "wrong")),
        ]
        for (client, header) in attempts {
            let answer = try await revoke(harness, refresh, client: client, authorization: header)
            #expect(answer.error?.code == .invalidClient)
        }
        #expect(try !harness.isRefused(response))
    }

    @Test func `a revocation without a token is malformed`() async throws {
        let harness = try await LaunchHarness()
        #expect(try await revoke(harness, nil).error?.code == .invalidRequest)
    }

    @Test(.verifies("oauth-attack@T-18"))
    func `what was revoked stays so after a restart`() async throws {
        let harness = try await LaunchHarness()
        let response = try await response(harness)
        let grant = try harness.access(response).access.grantID
        _ = try await harness.server.access.revoke(
            .grant(grant), because: .administrator, by: "admin", from: harness.source)
        let restarted = try await LaunchHarness(store: harness.store, clock: harness.clock, seed: 9, isFresh: false)
        #expect(try restarted.isRefused(response))
        #expect(restarted.server.revocationState.sequence == harness.server.revocationState.sequence)
        let refresh = try #require(response.refreshToken).reveal()
        #expect(try await restarted.refresh(refresh).face == "400 invalid_grant")
    }

    @Test(.verifies("oauth-attack@G-06"))
    func `who finds an access ended already finds it ended in memory too`() async throws {
        let harness = try await LaunchHarness()
        let response = try await response(harness)
        let grant = try harness.access(response).access.grantID
        // The store knows; the process that wrote it fell over before it told anybody.
        let record = AuthorizationRecord(id: DecisionID("r"), kind: .revoke, outcome: .succeeded, at: 0)
        _ = try await harness.store.revoke(
            .grant(grant), because: .administrator, at: harness.clock.now, record: record)
        #expect(try !harness.isRefused(response))
        let outcome = try await harness.server.access.revoke(
            .grant(grant), because: .administrator, by: "admin", from: harness.source)
        #expect(outcome == nil)
        #expect(try harness.isRefused(response))
    }

    @Test(.verifies("oauth-attack@A-27"))
    func `secrets are not guessed here either`() async throws {
        let harness = try await LaunchHarness()
        for index in 0..<100 {
            let basic = LaunchHarness.basic("confidential", "guess-\(index)")
            #expect(try await revoke(harness, "x", client: nil, authorization: basic).error?.code == .invalidClient)
        }
        let right = LaunchHarness.basic("confidential", "confidential-secret")
        #expect(try await revoke(harness, "x", client: nil, authorization: right).isTooMany)
        #expect(try await harness.refresh("x", client: "confidential", authorization: right).isTooMany)
    }

    @Test func `keys and refresh tokens survive a restart`() async throws {
        let harness = try await LaunchHarness()
        let response = try await response(harness)
        let restarted = try await LaunchHarness(store: harness.store, clock: harness.clock, seed: 9, isFresh: false)
        #expect(try !restarted.isRefused(response))
        let token = try #require(response.refreshToken).reveal()
        #expect(try await restarted.refresh(token).response != nil)
    }

    @Test(.verifies("oauth-attack@G-06"))
    func `suspending a client ends its tokens, and its return brings none back`() async throws {
        let harness = try await LaunchHarness()
        let response = try await response(harness)
        _ = try await harness.server.access.revoke(
            .client(ClientID("app")), because: .clientSuspended, by: "admin", from: harness.source)
        #expect(try harness.isRefused(response))
        #expect(
            try await harness.server.clients.activate(ClientID("app"), by: "admin", from: harness.source))
        #expect(try harness.isRefused(response))
        let refresh = try #require(response.refreshToken).reveal()
        #expect(try await harness.refresh(refresh).face == "400 invalid_grant")
        harness.clock.advance(seconds: 1)
        let fresh = try await self.response(harness)
        #expect(try !harness.isRefused(fresh))
    }

    @Test(.verifies("oauth-attack@G-06"))
    func `while a grant is revoked no refresh slips through`() async throws {
        let harness = try await LaunchHarness()
        let response = try await response(harness)
        let grant = try harness.access(response).access.grantID
        let refresh = try #require(response.refreshToken).reveal()
        let answers = try await withThrowingTaskGroup(of: TokenResponse?.self) { group in
            for index in 0..<32 {
                group.addTask {
                    if index == 16 {
                        _ = try await harness.server.access.revoke(
                            .grant(grant), because: .administrator, by: "admin", from: harness.source)
                        return nil
                    }
                    return try await harness.refresh(refresh).response
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for answer in answers.compactMap({ $0 }) { #expect(try harness.isRefused(answer)) }
        #expect(try await harness.refresh(refresh).face == "400 invalid_grant")
    }

    @Test func `a restart does not undo an operator's suspension`() async throws {
        let harness = try await LaunchHarness()
        _ = try await harness.server.access.revoke(
            .client(ClientID("app")), because: .clientSuspended, by: "admin", from: harness.source)
        let configured = try #require(try LaunchHarness.clients().first { $0.id.text == "app" })
        #expect(try await harness.server.clients.reconcile(configured, from: harness.source) == .unchanged)
        #expect(try await harness.store.client(ClientID("app"))?.status == .suspended)
    }
}

extension RevocationAnswer {
    var isTooMany: Bool { if case .tooManyRequests = self { true } else { false } }
    var isDone: Bool { if case .done = self { true } else { false } }
    var error: OAuthError? { if case .refused(let error) = self { error } else { nil } }
}
