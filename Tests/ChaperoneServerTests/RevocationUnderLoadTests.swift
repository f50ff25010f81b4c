import AccessPolicy
import Authorization
import FHIRCore
import OAuthCore
import RequirementTraits
import Synchronization
import Testing

@testable import ChaperoneServer

/// Access that is ended while its app renews its tokens as fast as it can, over the sockets of a whole server.
@Suite(.timeLimit(.minutes(5))) struct RevocationUnderLoadTests {
    enum Ending: CaseIterable, Sendable { case unlinked, disabled, grantRevoked }

    /// The tokens that an app was given, and whether it is to go on. A class because the app and the test share it.
    private final class Purse: Sendable {
        private let state: Mutex<(tokens: [JSONValue], isStopped: Bool)>

        init(_ first: JSONValue) { state = Mutex(([first], false)) }

        var tokens: [JSONValue] { state.withLock { $0.tokens } }
        /// The latest token, unless it is to stop.
        var next: JSONValue? { state.withLock { $0.isStopped ? nil : $0.tokens.last } }
        func add(_ token: JSONValue) { state.withLock { $0.tokens.append(token) } }
        func stop() { state.withLock { $0.isStopped = true } }
    }

    @Test(.verifies("house@ENDED-AT-ONCE", "oauth-attack@T-19"))
    func `no token that an app got before or while its access ended is accepted after it`() async throws {
        try await RunningServer.with { server in
            let installation = server.composition.installation
            let source = RequestSource(address: "test")
            let person = try #require(InstanceKey("Patient/patient-a"))
            let patients = [LinkedPatient(id: person.id, label: "Ana")]
            var subjects: [SubjectID] = []
            for number in 0..<4 {
                let account = try #require(
                    try await installation.server.accounts.add(
                        NewAccount(
                            username: "load-\(number)", password: Secret("demo"), displayName: "L", fhirUser: person,
                            patients: patients), by: "test", from: source))
                subjects.append(account.subject)
            }
            try await withThrowingTaskGroup(of: Int.self) { group in
                for (number, subject) in subjects.enumerated() {
                    group.addTask {
                        var renewals = 0
                        for (round, ending) in (Ending.allCases + Ending.allCases).enumerated() {
                            renewals += try await Self.endWhileRenewing(
                                TestApp(server: server), as: "load-\(number)", by: ending,
                                after: (number * 7 + round * 13) % 40, installation)
                            switch ending {
                            case .unlinked:
                                let link = MemberLink(subject: subject, fhirUser: person, patients: patients)
                                let isLinked = try await installation.server.accounts.link(link, by: "t", from: source)
                                #expect(isLinked)
                            case .disabled:
                                try await installation.server.accounts.enable(subject, by: "t", from: source)
                                // What is made in the second of a cut-off counts as made before it.
                                try await Task.sleep(for: .milliseconds(1100))
                            case .grantRevoked: break
                            }
                        }
                        return renewals
                    }
                }
                let renewals = try await group.reduce(0, +)
                #expect(renewals > 0, "no token was renewed meanwhile")
            }
        }
    }

    /// Ends the access of an app that is renewing its tokens; answers how many it got so.
    private static func endWhileRenewing(
        _ app: TestApp, as user: String, by ending: Ending, after milliseconds: Int, _ installation: Installation
    ) async throws -> Int {
        let source = RequestSource(address: "test")
        let first = try await app.launch(as: user)
        #expect(try await app.fhir("/Patient/patient-a", first).status == 200)
        let purse = Purse(first)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while let latest = purse.next {
                    let answer = try await Self.renew(app, latest)
                    guard answer.status == 200 else { return }
                    purse.add(try answer.json())
                }
            }
            try await Task.sleep(for: .milliseconds(milliseconds))
            let account = try #require(try await installation.server.stores.users.user(named: user))
            let access = installation.server.access
            switch ending {
            case .unlinked: _ = try await access.unlink(account.subject, by: "t", from: source)
            case .disabled: _ = try await installation.server.accounts.disable(account.subject, by: "t", from: source)
            case .grantRevoked:
                let filter = GrantFilter(subject: account.subject, onlyActive: true)
                let grants = try await installation.server.stores.grants.grants(matching: filter, limit: 10)
                #expect(grants.count == 1)
                for grant in grants {
                    _ = try await access.revoke(.grant(grant.id), because: .person, by: "t", from: source)
                }
            }
            // What it holds now, and what comes in until it is told to stop.
            for token in purse.tokens.suffix(3) {
                #expect(try await app.fhir("/Patient/patient-a", token).status == 401, "\(ending)")
            }
            purse.stop()
            try await group.waitForAll()
            let tokens = purse.tokens
            for token in tokens.suffix(5) {
                #expect(try await app.fhir("/Patient/patient-a", token).status == 401, "\(ending)")
            }
            let last = try #require(tokens.last)
            #expect(try await Self.renew(app, last).status == 400, "\(ending)")
            return tokens.count - 1
        }
    }

    private static func renew(_ app: TestApp, _ token: JSONValue) async throws -> Answer {
        try await Browser().post(
            app.server.issuer + "/oauth/token",
            [
                ("grant_type", "refresh_token"), ("refresh_token", token["refresh_token"]?.string ?? ""),
                ("client_id", "demo-patient-app"),
            ])
    }
}
