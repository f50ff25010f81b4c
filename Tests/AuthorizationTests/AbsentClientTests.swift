import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import OAuthCore
import RequirementTraits
import Testing

@testable import Authorization

/// A client that the configuration no longer has, and rows of clients that cannot be read.
@Suite struct AbsentClientTests {
    @Test(.verifies("oauth-attack@G-06"))
    func `tokens of a suspended client are refused everywhere, also after a restart, until it is let in`() async throws
    {
        let harness = try await LaunchHarness()
        let response = try #require(try await harness.exchange(try await harness.launch()).response)
        let refresh = try #require(response.refreshToken).reveal()
        let present = Set(try LaunchHarness.clients().map(\.id)).subtracting([ClientID("app")])
        let suspended = try await harness.server.clients.suspendAbsent(present, from: harness.source)
        #expect(suspended == [ClientID("app")])

        let restarted = try await LaunchHarness(store: harness.store, clock: harness.clock, seed: 9, isFresh: false)
        for server in [harness, restarted] {
            #expect(try server.isRefused(response))
            #expect(try await isActive(response, server) == false)
            #expect(try await server.refresh(refresh).response == nil)
        }

        harness.clock.advance(seconds: 5)
        #expect(try await harness.server.clients.activate(ClientID("app"), by: "admin", from: harness.source))
        #expect(try harness.isRefused(response), "what was issued before stays ended")
        #expect(try await isActive(response, harness) == false)
        let next = try #require(try await harness.refresh(refresh).response)
        #expect(try !harness.isRefused(next))
        #expect(try await isActive(next, harness) == true)
    }

    private func isActive(_ response: TokenResponse, _ harness: LaunchHarness) async throws -> Bool? {
        let bearer = "Bearer " + (try await EHR.token(harness, client: "resource-server", scope: "__introspect"))
        let answer = await harness.server.introspection.answer(
            try LaunchHarness.form([("token", response.accessToken.reveal())]), authorization: bearer,
            from: harness.source)
        guard case .facts(let json) = answer else {
            Issue.record("\(answer)")
            return nil
        }
        return json["active"]?.bool
    }

    private struct UnreadableClients: ClientStore {
        struct Unreadable: Error {}
        func client(_ id: ClientID) async throws -> ClientRegistration? { throw Unreadable() }
        func clients() async throws -> [ClientRegistration] { throw Unreadable() }
        func insert(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool { false }
        func replace(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool { false }
        func suspendKeys(
            _ thumbprints: Set<String>, of client: ClientID, publishedAt location: String, at now: Int64,
            record: AuthorizationRecord
        ) async throws -> Bool { throw Unreadable() }
        func suspendedKeys(of client: ClientID, publishedAt location: String?) async throws -> Set<String> {
            throw Unreadable()
        }
    }

    @Test func `a client that cannot be read keeps no step from its record`() async throws {
        let store = InMemoryAuthorizationStore()
        let log = AuditLogDouble()
        let trail = AuditTrail(
            outbox: store, clients: UnreadableClients(), facts: RecordFacts(), record: { try await log.record($0) })
        for (id, client) in [("1", ClientID("broken")), ("2", nil)] {
            try await trail.note(
                AuthorizationRecord(
                    id: DecisionID(id), kind: .launch, clientID: client, outcome: .succeeded, at: 1))
        }
        #expect(log.records.map(\.id.text) == ["1", "2"])
        #expect(log.records.map(\.program) == [nil, nil])
        #expect(log.records.first?.clientID == ClientID("broken"))
        #expect(try await store.pending(limit: 10).isEmpty)
    }

    @Test(arguments: ["system", "Configuration"])
    func `an account of an older release that bears a name of the server's own signs in`(name: String) async throws {
        let harness = try await LaunchHarness()
        let anna = try #require(try await harness.store.user(named: "anna"))
        let old = UserAccount(
            subject: SubjectID("old"), username: name, passwordHash: anna.passwordHash, displayName: "Old",
            createdAt: 1)
        let record = AuthorizationRecord(id: DecisionID("old"), kind: .userChanged, outcome: .succeeded, at: 1)
        #expect(try await harness.store.insert(old, link: nil, record: record))
        let begun = try await harness.begin()
        let answer = await harness.server.interaction.login(
            transaction: try #require(begun.login).transaction, username: name, password: Secret("pass-anna"),
            session: begun.newCookie, from: harness.source)
        #expect(answer.login == nil, "\(answer.outcome)")
        let signedIn = try #require(answer.newCookie)
        #expect(try await harness.server.interaction.signedIn(session: signedIn)?.subject == old.subject)
    }
}
