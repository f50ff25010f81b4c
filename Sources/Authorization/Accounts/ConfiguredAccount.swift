public import AccessPolicy
internal import FHIRCore

/// What a site's configuration says of an account, in the form in which it is kept to be compared at the next start.
public struct AppliedConfiguration: Hashable, Sendable {
    public let roles: Set<UserRole>
    /// Who the account is and for whom it may act, as one text; empty for nobody.
    public let person: String

    /// What was kept.
    public init(roles: Set<UserRole>, person: String) {
        self.roles = roles
        self.person = person
    }

    /// What a configuration says.
    public init(roles: Set<UserRole>, link: MemberLink?) { self.init(roles: roles, person: Self.text(link)) }

    /// Names of patients and their order say nothing about who somebody is.
    static func text(_ link: MemberLink?) -> String {
        guard let link else { return "" }
        return ([link.fhirUser.description] + Set(link.patients.map(\.id.text)).sorted()).joined(separator: " ")
    }
}

/// What a configuration changes of an account that is there.
public struct ConfiguredChange: Hashable, Sendable {
    /// Who an account becomes: nil for nobody.
    public struct Person: Hashable, Sendable {
        public let link: MemberLink?
        public init(link: MemberLink?) { self.link = link }
    }

    public let subject: SubjectID
    /// What was applied before; whoever writes makes sure that it still is.
    public let before: AppliedConfiguration?
    /// Roles and person of the account from which the change was computed; whoever writes makes sure that they still are
    /// the account's, so that what an administrator changes at the same moment is not undone.
    public let seen: AppliedConfiguration
    public let applied: AppliedConfiguration
    /// Other roles; nil when they stay as they are.
    public let roles: Set<UserRole>?
    /// Another person; nil when it stays as it is.
    public let person: Person?

    public init(
        subject: SubjectID, before: AppliedConfiguration?, seen: AppliedConfiguration, applied: AppliedConfiguration,
        roles: Set<UserRole>? = nil, person: Person? = nil
    ) {
        self.subject = subject
        self.before = before
        self.seen = seen
        self.applied = applied
        self.roles = roles
        self.person = person
    }

    /// What a configuration changes of an account: only what it says otherwise than when it was last applied, so that what
    /// an administrator changed since stays. Nil when it says nothing new.
    ///
    /// Where it is not known what was applied last, nobody knows whether a difference is an administrator's: then roles,
    /// patients and a person that do not stand in the configuration are taken away, and nothing is given.
    init?(
        of account: UserAccount, link: MemberLink?, before: AppliedConfiguration?, roles: Set<UserRole>,
        person: MemberLink?
    ) {
        let wanted = AppliedConfiguration(roles: roles, link: person)
        guard before != wanted else { return nil }
        var newRoles: Set<UserRole>?
        var newPerson: Person?
        if let before {
            if before.roles != wanted.roles { newRoles = roles }
            if before.person != wanted.person, AppliedConfiguration.text(link) != wanted.person {
                newPerson = Person(link: person)
            }
        } else {
            let kept = account.roles.intersection(roles)
            // Nobody is left without a role: what is demanded of a sign-in hangs on it.
            newRoles = kept.isEmpty ? [UserRole(of: link?.fhirUser)] : kept
            newPerson = Self.narrowed(link, to: person)
        }
        if newRoles == account.roles { newRoles = nil }
        self.init(
            subject: account.subject, before: before, seen: AppliedConfiguration(roles: account.roles, link: link),
            applied: wanted, roles: newRoles, person: newPerson)
    }

    /// A link without what the configuration does not say; nil where that is nothing.
    private static func narrowed(_ link: MemberLink?, to person: MemberLink?) -> Person? {
        guard let link else { return nil }
        guard link.fhirUser == person?.fhirUser else { return Person(link: nil) }
        let wanted = Set(person?.patients.map(\.id) ?? [])
        let left = link.patients.filter { wanted.contains($0.id) }
        guard left.count < link.patients.count else { return nil }
        return Person(link: MemberLink(subject: link.subject, fhirUser: link.fhirUser, patients: left))
    }
}
