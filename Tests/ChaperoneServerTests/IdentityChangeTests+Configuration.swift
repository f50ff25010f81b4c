import AccessPolicy
import Audit
import Authorization
import FHIRCore
import OAuthCore
import Testing

@testable import ChaperoneServer

/// What a configuration changes of accounts and clients that are there, and what it leaves as administrators made it.
extension IdentityChangeTests {
    /// One start of a server: opened, brought into line, looked at, closed.
    @discardableResult private func start<Value>(
        _ folder: String, _ user: String, clients: [String] = [],
        _ work: (Installation, [ConfiguredIdentities.Remark]) async throws -> Value
    ) async throws -> Value {
        let installation = try await installation(folder, user: user, clients: clients)
        let value = try await work(installation, try await identities(installation).reconcile())
        try await installation.close()
        return value
    }

    private func patients(_ installation: Installation) async throws -> [String]? {
        let subject = try await account(installation).subject
        return try await installation.server.stores.memberLinks.link(for: subject)?.patients.map(\.id.text)
    }

    @Test func `rights that a configuration no longer gives are gone after the next start`() async throws {
        try await inFolder { folder in
            let hash = try await start(folder, Self.parent) { first, _ async throws in
                #expect(try await account(first).roles == [.admin, .auditor])
                return try await account(first).passwordHash
            }
            try await start(folder, ", fhir-user: RelatedPerson/p, patients: [{id: c1}], roles: [auditor]") {
                now, remarks async throws in
                #expect(try await account(now).roles == [.auditor])
                #expect(try await account(now).passwordHash == hash)
                #expect(try await patients(now) == ["c1"])
                #expect(remarks == [])
            }
            try await start(folder, ", roles: [auditor]") { third, _ async throws in
                #expect(try await patients(third) == nil)
            }
        }
    }

    @Test func `what an administrator corrected stays until the configuration says something new`() async throws {
        try await inFolder { folder in
            try await start(folder, Self.parent) { first, _ async throws in
                let subject = try await account(first).subject
                _ = try await first.server.accounts.setRoles([.auditor], of: subject, by: "root", from: Self.source)
                _ = try await first.server.access.unlink(subject, by: "root", from: Self.source)
                let link = MemberLink(
                    subject: subject, fhirUser: try #require(InstanceKey("Patient/c9")),
                    patients: [LinkedPatient(id: try #require(ResourceID("c9")), label: "")])
                #expect(try await first.server.accounts.link(link, by: "root", from: Self.source))
            }
            for _ in 0..<2 {
                try await start(folder, Self.parent) { now, remarks async throws in
                    #expect(try await account(now).roles == [.auditor])
                    #expect(try await patients(now) == ["c9"])
                    #expect(remarks.map(\.about) == ["anna", "anna"])
                }
            }
            // New roles are applied, and the person, of whom nothing new is said, stays.
            try await start(
                folder, ", fhir-user: RelatedPerson/p, patients: [{id: c2}, {id: c1}], roles: [security]"
            ) { now, remarks async throws in
                #expect(try await account(now).roles == [.security])
                #expect(try await patients(now) == ["c9"])
                #expect(remarks.count == 1)
            }
            try await start(folder, ", fhir-user: RelatedPerson/p, patients: [{id: c2}], roles: [security]") {
                now, remarks async throws in
                #expect(try await patients(now) == ["c2"])
                #expect(remarks == [])
            }
        }
    }

    @Test func `a link that an administrator undid stays undone`() async throws {
        try await inFolder { folder in
            try await start(folder, Self.parent) { first, _ async throws in
                let subject = try await account(first).subject
                #expect(try await first.server.access.unlink(subject, by: "root", from: Self.source) != nil)
            }
            try await start(folder, Self.parent) { now, remarks async throws in
                #expect(try await patients(now) == nil)
                #expect(remarks.count == 1)
            }
        }
    }

    @Test func `of an account that the configuration did not make things are taken away, and nothing is given`()
        async throws
    {
        try await inFolder { folder in
            // Made by an administrator, and in the configuration only later: as accounts of an older release are.
            let first = try await installation(folder, user: "", clients: [])
            let made = try await first.server.accounts.add(
                NewAccount(
                    username: "bert", password: Secret("long enough"), displayName: "B", roles: [.admin, .auditor],
                    fhirUser: InstanceKey("Patient/c9")), by: "root", from: Self.source)
            let subject = try #require(made).subject
            try await first.close()

            for (roles, expected) in [
                ("[auditor, security]", Set<UserRole>([.auditor])), ("[auditor, security]", [.auditor]),
                ("[security]", [.security]),
            ] {
                let user = "}\n  - {login: bert, password-file: \"\(folder)/../\(Self.name(folder))-password\""
                try await start(folder, "\(user), fhir-user: Patient/c1, patients: [{id: c1}], roles: \(roles)") {
                    now, remarks async throws in
                    #expect(try await now.server.stores.users.user(subject)?.roles == expected)
                    #expect(try await now.server.stores.memberLinks.link(for: subject) == nil)
                    #expect(remarks.map(\.about).contains("bert"))
                }
            }
        }
    }

    @Test func `of such an account patients are taken away one by one, and nobody is left without a role`() async throws
    {
        try await inFolder { folder in
            let first = try await installation(folder, user: "", clients: [])
            let patients = ["c1", "c2"].compactMap { ResourceID($0) }.map { LinkedPatient(id: $0, label: $0.text) }
            let made = try await first.server.accounts.add(
                NewAccount(
                    username: "bert", password: Secret("long enough"), displayName: "B", roles: [.clinician],
                    fhirUser: InstanceKey("Practitioner/p"), patients: patients), by: "root", from: Self.source)
            let subject = try #require(made).subject
            try await first.close()

            let user = "}\n  - {login: bert, password-file: \"\(folder)/../\(Self.name(folder))-password\""
            let person = "fhir-user: Practitioner/p, patients: [{id: c2}, {id: c3}], roles: [steward]"
            for _ in 0..<2 {
                try await start(folder, "\(user), \(person)") { now, remarks async throws in
                    #expect(try await now.server.stores.users.user(subject)?.roles == [.clinician])
                    let link = try await now.server.stores.memberLinks.link(for: subject)
                    #expect(link?.fhirUser.description == "Practitioner/p")
                    #expect(link?.patients.map(\.id.text) == ["c2"])
                    #expect(remarks.map(\.about).contains("bert"))
                }
            }
        }
    }

    @Test func `a command that opens the installation changes nothing that is there and adds nobody`() async throws {
        try await inFolder { folder in
            try await start(folder, Self.parent, clients: ["keeps", "goes"]) { _, _ async throws in }
            let command = try await installation(
                folder, user: ", roles: [security]", clients: ["keeps", "new"], isCommand: true)
            #expect(try await account(command).roles == [.admin, .auditor])
            #expect(try await patients(command) == ["c1", "c2"])
            #expect(try await command.server.stores.clients.client(ClientID("goes"))?.status == .active)
            #expect(try await command.server.stores.clients.client(ClientID("new")) == nil)
            try await command.close()
        }
    }

    @Test func `a client that left the configuration is suspended until it is let in again`() async throws {
        try await inFolder { folder in
            try await start(folder, "", clients: ["keeps", "goes"]) { _, remarks async throws in #expect(remarks == [])
            }
            try await start(folder, "", clients: ["keeps"]) { second, remarks async throws in
                #expect(remarks.map(\.about) == ["goes"])
                #expect(try await identities(second).suspendAbsent() == [])
                #expect(try await second.server.stores.clients.client(ClientID("goes"))?.status == .suspended)
                #expect(try await second.server.stores.clients.client(ClientID("keeps"))?.status == .active)
                let listed = try await second.adminAPI.answer(
                    AdminRequest(
                        .get, ["audit"], query: ["client": "goes"], actor: AdminActor(name: "root", roles: [.auditor]),
                        sourceAddress: "t"))
                #expect(listed.text.contains("not in the configuration; its grants stay"))
            }
            try await start(folder, "", clients: ["keeps", "goes"]) { third, _ async throws in
                #expect(try await third.server.stores.clients.client(ClientID("goes"))?.status == .suspended)
                let request = AdminRequest(
                    .post, ["clients", "goes", "activate"], actor: Self.admin, sourceAddress: "t")
                #expect(try await third.adminAPI.answer(request)["status"]?.string == "active")
                await #expect(throws: Problem.self) { try await third.adminAPI.answer(request) }
            }
        }
    }

    @Test func `a list that would suspend most clients keeps the server from starting, before it adds any`()
        async throws
    {
        try await inFolder { folder in
            try await start(folder, "", clients: ["a", "b", "c"]) { _, _ async throws in }
            let list = ["c", "d", "e"]
            let refused = await #expect(throws: Installation.ManyAbsentClients.self) {
                _ = try await installation(folder, user: "", clients: list, demandsFewAbsent: true)
            }
            #expect(refused?.absent == AbsentClients(ids: [ClientID("a"), ClientID("b")], activeCount: 3))
            #expect(refused?.description.contains("--suspend-absent-clients") == true)
        }
    }

    @Test func `patients of an account that is nobody are not left out in silence`() async throws {
        try await inFolder { folder in
            try await start(folder, ", patients: [{id: c1}, {id: c2}]") { installation, remarks async throws in
                #expect(remarks.map(\.about) == ["anna"])
                #expect(remarks.first?.text.contains("no fhir-user") == true)
                #expect(try await patients(installation) == nil)
            }
            try await start(folder, Self.parent) { _, remarks async throws in #expect(remarks == []) }
        }
    }

    @Test func `an account that bears a name of the server's own is named at each start`() async throws {
        try await inFolder { folder in
            try await start(folder, "") { first, remarks async throws in
                #expect(remarks == [])
                let old = UserAccount(
                    subject: SubjectID("old"), username: "System", passwordHash: try await account(first).passwordHash,
                    displayName: "Old", createdAt: 1)
                let record = AuthorizationRecord(
                    id: DecisionID("old"), kind: .userChanged, outcome: .succeeded, at: 1)
                #expect(try await first.server.stores.users.insert(old, link: nil, record: record))
            }
            try await start(folder, "") { _, remarks async throws in
                #expect(remarks.map(\.about) == ["System"])
            }
        }
    }

    @Test(arguments: [
        (0, 0, false), (0, 3, false), (1, 1, false), (1, 9, false), (2, 2, true), (2, 3, true), (2, 4, false),
        (5, 10, false), (6, 10, true),
    ])
    func `many are more than one and more than half`(_ absent: Int, _ active: Int, _ areMany: Bool) {
        let ids = (0..<absent).map { ClientID("c\($0)") }
        #expect(AbsentClients(ids: ids, activeCount: active).areMany == areMany)
    }
}
