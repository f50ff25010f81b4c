import AccessPolicy
import FHIRCore
import Testing

@testable import Authorization

/// What a configuration changes of an account, by what it said last, what is stored, and what it says now.
@Suite struct ConfiguredChangeTests {
    struct Case: Sendable {
        let stored: Set<UserRole>
        let last: Set<UserRole>?
        let now: Set<UserRole>
        /// What the roles become; nil when they stay.
        let expected: Set<UserRole>?
    }

    private static let subject = SubjectID("s")

    private static func account(_ roles: Set<UserRole>) -> UserAccount {
        UserAccount(
            subject: subject, username: "a", passwordHash: PasswordHash(encoded: "h"), displayName: "A", roles: roles,
            createdAt: 1)
    }

    private static func link(_ text: String) -> MemberLink? {
        let parts = text.split(separator: " ").map { String($0) }
        guard let first = parts.first, let user = InstanceKey(first) else { return nil }
        return MemberLink(
            subject: subject, fhirUser: user,
            patients: parts.dropFirst().compactMap { ResourceID($0).map { LinkedPatient(id: $0, label: "") } })
    }

    @Test(arguments: [
        Case(stored: [.admin], last: [.admin], now: [.admin], expected: nil),
        Case(stored: [.auditor], last: [.admin], now: [.admin], expected: nil),
        Case(stored: [], last: [.admin], now: [.admin], expected: nil),
        Case(stored: [.auditor], last: [.admin], now: [.security], expected: [.security]),
        Case(stored: [.security], last: [.admin], now: [.security], expected: nil),
        Case(stored: [.admin], last: nil, now: [.admin], expected: nil),
        Case(stored: [.admin, .auditor], last: nil, now: [.auditor, .security], expected: [.auditor]),
        Case(stored: [.auditor], last: nil, now: [.auditor, .admin], expected: nil),
        Case(stored: [.clinician], last: nil, now: [.admin], expected: [.member]),
    ])
    func `roles follow only what the configuration newly says`(_ example: Case) {
        let before = example.last.map { AppliedConfiguration(roles: $0, person: "") }
        let change = ConfiguredChange(
            of: Self.account(example.stored), link: nil, before: before, roles: example.now, person: nil)
        #expect(change?.roles == example.expected)
        #expect((change == nil) == (example.last == example.now))
        if let change { #expect(change.applied == AppliedConfiguration(roles: example.now, person: "")) }
    }

    @Test(arguments: [
        ("Patient/a a", "Patient/a a", "Patient/a a", false), ("", "Patient/a a", "Patient/a a", false),
        ("Patient/x", "Patient/a a", "Patient/a a", false), ("Patient/x", "Patient/a a", "Patient/b b", true),
        ("", "Patient/a a", "Patient/b b", true), ("Patient/b b", "Patient/a a", "Patient/b b", false),
        ("Patient/a a", "Patient/a a", "", true), ("", "", "Patient/a a", true),
        ("RelatedPerson/r b a", "RelatedPerson/r a b", "RelatedPerson/r b a", false),
        ("", nil, "Patient/a a", false), ("Patient/a a", nil, "Patient/a a b", false),
    ])
    func `the person follows only what the configuration newly says`(
        _ stored: String, _ last: String?, _ now: String, _ changes: Bool
    ) {
        let before = last.map { AppliedConfiguration(roles: [.member], person: $0) }
        let change = ConfiguredChange(
            of: Self.account([.member]), link: Self.link(stored), before: before, roles: [.member],
            person: Self.link(now))
        #expect((change?.person != nil) == changes)
        if let person = change?.person { #expect(person.link == Self.link(now)) }
    }

    @Test(
        arguments: [
            ("Patient/x", "Patient/a a", nil), ("Patient/x", "", nil), ("Patient/a a b", "Patient/a a", "Patient/a a"),
            ("RelatedPerson/r b a", "RelatedPerson/r a c", "RelatedPerson/r a"),
            ("RelatedPerson/r b", "RelatedPerson/r c", "RelatedPerson/r"),
        ] as [(String, String, String?)])
    func `where nothing was kept, only what the configuration does not say is taken away`(
        _ stored: String, _ now: String, _ left: String?
    ) throws {
        let change = try #require(
            ConfiguredChange(
                of: Self.account([.member]), link: Self.link(stored), before: nil, roles: [.member],
                person: Self.link(now)))
        let person = try #require(change.person)
        #expect(person.link == left.flatMap(Self.link))
    }

    @Test(arguments: [("Practitioner/p", UserRole.clinician), ("Patient/a a", .member), ("", .member)])
    func `nobody is left without a role`(_ stored: String, _ role: UserRole) {
        let change = ConfiguredChange(
            of: Self.account([.auditor]), link: Self.link(stored), before: nil, roles: [.security],
            person: Self.link(stored))
        #expect(change?.roles == [role])
    }
}
