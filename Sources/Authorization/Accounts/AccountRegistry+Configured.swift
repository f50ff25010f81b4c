public import AccessPolicy
internal import Audit
internal import OAuthCore

extension AccountRegistry {
    /// In what an account differs from its configuration after it was applied: an administrator changed it, or it is not
    /// known who did.
    public enum Deviation: String, Hashable, Sendable {
        case roles, person
    }

    /// Brings an account into line with what a site's configuration newly says of its roles and its person, and says in
    /// what it still differs. What an administrator changed stays until the configuration itself says something else than
    /// it said when it was last applied.
    public func reconcile(
        _ subject: SubjectID, roles: Set<UserRole>, person: MemberLink?, from source: RequestSource
    ) async throws -> Set<Deviation> {
        // The write judges by itself whether the account is what was looked at; where it is not, we look again.
        for _ in 0..<8 {
            guard let account = try await stores.users.user(subject) else { throw AccountFailure.notFound }
            let link = try await stores.memberLinks.link(for: subject)
            let before = try await stores.users.applied(to: subject)
            let change = ConfiguredChange(of: account, link: link, before: before, roles: roles, person: person)
            if let change {
                let records = records(of: change, to: account, from: source)
                let outcome = try await access.end {
                    try await stores.users.apply(change, at: clock.now(), records: records)
                }
                guard outcome != nil else { continue }
                signIns.changed()
            }
            var deviations: Set<Deviation> = []
            if (change?.roles ?? account.roles) != roles { deviations.insert(.roles) }
            let now = change?.person.map(\.link) ?? link
            if AppliedConfiguration.text(now) != AppliedConfiguration.text(person) { deviations.insert(.person) }
            return deviations
        }
        throw OAuthError(.temporarilyUnavailable, detail: "an account keeps changing")
    }

    /// One record for each thing that changes.
    private func records(
        of change: ConfiguredChange, to account: UserAccount, from source: RequestSource
    ) -> [AuthorizationRecord] {
        func text(_ roles: Set<UserRole>) -> String { roles.map(\.rawValue).sorted().joined(separator: ", ") }
        var details: [String] = []
        if let roles = change.roles { details.append("roles [\(text(roles))], before [\(text(account.roles))]") }
        if let person = change.person { details.append(person.link.map(Self.words) ?? "link removed") }
        return details.map {
            maker(source).record(.userChanged, subject: account.subject, by: "configuration", detail: $0)
        }
    }
}
