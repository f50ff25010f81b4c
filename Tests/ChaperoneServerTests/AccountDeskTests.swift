import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import OAuthCore
import Persistence
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// What the account pages know and do, without pages.
@Suite struct AccountDeskTests {
    private static let source = RequestSource(address: "local", traceID: nil)

    /// An installation of the demo, without listeners.
    private static func with(_ work: (Installation) async throws -> Void) async throws {
        try await ServerFolder.with { folder in
            let yaml = "issuer: http://localhost:9\nstate-directory: \(folder)/state\n"
            let installation = try await Installation(
                configuration: try Configuration(settings: try Setting(yaml: yaml), isDemo: true),
                for: .serving(demandsFewAbsent: false))
            let result: Result<Void, any Error>
            do { result = .success(try await work(installation)) } catch { result = .failure(error) }
            try await installation.close()
            try result.get()
        }
    }

    /// A change of somebody's account, as the log keeps it.
    private static func change(_ number: Int64, of subject: String, _ detail: String) -> AuditEntry {
        let record = AuthorizationRecord(
            id: DecisionID("change-\(number)"), kind: .userChanged, subject: SubjectID(subject), outcome: .succeeded,
            detail: detail, sourceAddress: "\(number)", at: number)
        let statement = AuditStatement(event: .authorization(record), phase: .whole)
        let place = AuditSinkContract.entry(number, node: "changes", at: 1_000 + number)
        return AuditEntry(
            node: place.node, sequence: number, recordedAt: place.recordedAt, previous: place.previous,
            hash: place.hash, body: statement.encoded, index: AuditIndex(statement))
    }

    @Test func `other changes of an account do not hide what its person must hear of`() async throws {
        try await Self.with { installation in
            let others = Int64(AccountDesk.pageSize * 3)
            try installation.auditSide.store.append(
                [Self.change(1, of: "somebody", AccountNotice.passwordSet.rawValue)]
                    + (2...others).map { Self.change($0, of: "somebody", "roles [member], before [auditor]") })

            let notices = try await installation.accountDesk.notices(of: SubjectID("somebody"))

            #expect(notices.map(\.kind) == [.passwordSet])
            #expect(try await installation.accountDesk.notices(of: SubjectID("nobody")).isEmpty)
        }
    }

    @Test func `of many notices the latest are shown, newest first`() async throws {
        try await Self.with { installation in
            let last = Int64(AccountDesk.pageSize * 3)
            // Every second one is no notice, so that more than one page is read.
            try installation.auditSide.store.append(
                (1...last).map {
                    Self.change($0, of: "somebody", $0.isMultiple(of: 2) ? "enabled" : AccountNotice.codeUsed.rawValue)
                })

            let notices = try await installation.accountDesk.notices(of: SubjectID("somebody"))

            let odd = (1...last).filter { !$0.isMultiple(of: 2) }
            #expect(notices.map(\.at) == Array(odd.reversed().prefix(AccountDesk.pageSize)))
        }
    }

    @Test(.verifies("house@consent-with-its-grant"))
    func `the end of all access forgets what was remembered for apps whose access has run out`() async throws {
        try await Self.with { installation in
            let (stores, desk) = (installation.server.stores, installation.accountDesk)
            let subject = try #require(try await stores.users.user(named: "patient-a")).subject
            let other = try #require(try await stores.users.user(named: "clinician-a")).subject
            let clients = try await stores.clients.clients().prefix(2).map(\.id)
            try #require(clients.count == 2)
            let now = installation.clock.now()
            #expect(try await !desk.hasAnythingToEnd(of: subject))
            #expect(try await !desk.endAll(of: subject, from: Self.source))
            func key(_ subject: SubjectID, _ client: ClientID) -> ConsentKey {
                ConsentKey(subject: subject, clientID: client, patient: nil, fhirBase: "https://fhir.example")
            }
            for key in clients.map({ key(subject, $0) }) + [key(other, clients[0])] {
                try await stores.consents.remember(
                    RememberedConsent(key: key, offered: ["a"], chosen: ["a"], givenAt: now, expiresAt: now + 1_000))
            }
            #expect(try await desk.hasAnythingToEnd(of: subject), "the page offers to end it")

            #expect(try await desk.endAll(of: subject, from: Self.source))

            for client in clients { #expect(try await stores.consents.remembered(key(subject, client)) == nil) }
            #expect(try await stores.consents.remembered(key(other, clients[0])) != nil)
            let records = try installation.auditReader.search(AuditQuery(subject: subject, kinds: ["revoke"])).entries
            #expect(records.count == 1, "one record for all of them")
            #expect(try await !desk.hasAnythingToEnd(of: subject))
            #expect(try await !desk.endAll(of: subject, from: Self.source))
        }
    }
}
