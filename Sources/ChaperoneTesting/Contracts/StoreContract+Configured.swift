internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import OAuthCore
internal import Testing

extension StoreContract {
    private static let before = AppliedConfiguration(roles: [.member, .auditor], person: "RelatedPerson/r p1 p2")
    /// What `Sample` is.
    private static let seen = before
    private static let after = AppliedConfiguration(roles: [.security], person: "Patient/p3 p3")

    private static func otherLink() throws -> MemberLink {
        let patient = try Sample.patient("p3")
        return MemberLink(
            subject: Sample.subject, fhirUser: InstanceKey(type: .patient, id: patient),
            patients: [LinkedPatient(id: patient, label: "Tom")])
    }

    /// What the configuration says of accounts, and clients that it lacks.
    static let configured = [
        StoreContract("what was applied to an account is known with it") { stores async throws in
            #expect(
                try await stores.users.insert(
                    Sample.account(), link: try Sample.link(), applied: before, record: Sample.record()))
            #expect(try await stores.users.applied(to: Sample.subject) == before)
            #expect(try await stores.users.applied(to: SubjectID("nobody")) == nil)
            let other = Sample.account(SubjectID("other"), username: "other")
            #expect(try await stores.users.insert(other, link: nil, record: Sample.record()))
            #expect(try await stores.users.applied(to: other.subject) == nil)
        },
        StoreContract("roles and person of a configuration are changed in one step, which ends what rested on them") {
            stores async throws in
            try await Sample.issueCode(stores)
            let session = Sample.session("s", signedIn: true)
            let rows = try await Sample.outboxCount(stores)
            let change = ConfiguredChange(
                subject: Sample.subject, before: nil, seen: seen, applied: after, roles: [.security],
                person: .init(link: try otherLink()))
            let outcome = try await stores.users.apply(
                change, at: Sample.now, records: [Sample.record(), Sample.record()])
            #expect(outcome?.grants == [GrantID("g")])
            #expect(try await stores.grants.grant(GrantID("g"))?.revocation?.reason == .memberChanged)
            #expect(try await stores.users.user(Sample.subject)?.roles == [.security])
            #expect(try await stores.memberLinks.link(for: Sample.subject) == otherLink())
            #expect(try await stores.users.applied(to: Sample.subject) == after)
            #expect(try await stores.sessions.session(session.id) == nil)
            #expect(try await Sample.outboxCount(stores) == rows + 2)
        },
        StoreContract("a configuration whose predecessor is another one changes nothing") { stores async throws in
            try await Sample.issueCode(stores)
            let rows = try await Sample.outboxCount(stores)
            for (subject, known) in [(Sample.subject, before), (SubjectID("nobody"), nil)] {
                let change = ConfiguredChange(
                    subject: subject, before: known, seen: seen, applied: after, roles: [], person: .init(link: nil))
                let outcome = try await stores.users.apply(change, at: Sample.now, records: [Sample.record()])
                #expect(outcome == nil)
                #expect(try await stores.users.applied(to: subject) == nil)
            }
            #expect(try await stores.users.user(Sample.subject) == Sample.account())
            #expect(try await stores.memberLinks.link(for: Sample.subject) == Sample.link())
            #expect(try await stores.grants.grant(GrantID("g"))?.revocation == nil)
            #expect(try await Sample.outboxCount(stores) == rows)
        },
        StoreContract("what was computed from roles or a person that are others by now changes nothing") {
            stores async throws in
            try await Sample.issueCode(stores)
            let rows = try await Sample.outboxCount(stores)
            for other in [
                AppliedConfiguration(roles: [.member], person: seen.person),
                AppliedConfiguration(roles: seen.roles, person: "RelatedPerson/r p1"),
                AppliedConfiguration(roles: seen.roles, person: ""),
            ] {
                let change = ConfiguredChange(
                    subject: Sample.subject, before: nil, seen: other, applied: after, roles: [.security],
                    person: .init(link: nil))
                let outcome = try await stores.users.apply(change, at: Sample.now, records: [Sample.record()])
                #expect(outcome == nil)
            }
            #expect(try await stores.users.applied(to: Sample.subject) == nil)
            #expect(try await stores.users.user(Sample.subject) == Sample.account())
            #expect(try await stores.memberLinks.link(for: Sample.subject) == Sample.link())
            #expect(try await stores.grants.grant(GrantID("g"))?.revocation == nil)
            #expect(try await Sample.outboxCount(stores) == rows)
        },
        StoreContract("what a configuration leaves as it is ends nothing; nobody as a person ends the grants") {
            stores async throws in
            try await Sample.issueCode(stores)
            let same = ConfiguredChange(subject: Sample.subject, before: nil, seen: seen, applied: before)
            #expect(try await stores.users.apply(same, at: Sample.now, records: [])?.entries == [])
            #expect(try await stores.users.applied(to: Sample.subject) == before)
            #expect(try await stores.memberLinks.link(for: Sample.subject) == Sample.link())
            #expect(try await stores.sessions.session(Sample.session("s").id) != nil)
            #expect(try await stores.grants.grant(GrantID("g"))?.revocation == nil)

            let nobody = ConfiguredChange(
                subject: Sample.subject, before: before, seen: seen, applied: after, person: .init(link: nil))
            #expect(
                try await stores.users.apply(nobody, at: Sample.now, records: [])?.grants == [GrantID("g")])
            #expect(try await stores.memberLinks.link(for: Sample.subject) == nil)
            #expect(try await stores.users.user(Sample.subject)?.roles == Sample.account().roles)
        },
        StoreContract("suspending a client cuts off its tokens and keeps its grants") { stores async throws in
            try await Sample.issueCode(stores)
            let outcome = try await stores.revocations.suspend(
                Sample.client, at: Sample.now, record: Sample.record())
            #expect(outcome?.entries.map(\.target) == [.client(Sample.client)])
            #expect(try await stores.revocations.revocations(after: 0) == outcome?.entries)
            #expect(try await stores.clients.client(Sample.client)?.status == .suspended)
            #expect(try await stores.clients.client(Sample.client)?.revision == 2)
            #expect(try await stores.grants.grant(GrantID("g"))?.revocation == nil)
            let rows = try await Sample.outboxCount(stores)
            for id in [Sample.client, ClientID("nobody")] {
                let again = try await stores.revocations.suspend(id, at: Sample.now, record: Sample.record())
                #expect(again == nil)
            }
            #expect(try await Sample.outboxCount(stores) == rows)
        },
    ]
}
