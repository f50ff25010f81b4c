public import AccessPolicy
public import Audit
public import Authorization
internal import Synchronization

extension InMemoryAuthorizationStore {
    public func applied(to subject: SubjectID) async throws -> AppliedConfiguration? {
        state.withLock { $0.applied[subject] }
    }

    public func apply(
        _ change: ConfiguredChange, at now: Int64, records: [AuthorizationRecord]
    ) async throws -> RevocationOutcome? {
        state.withLock { state in
            let subject = change.subject
            guard let account = state.users[subject], state.applied[subject] == change.before,
                AppliedConfiguration(roles: account.roles, link: state.links[subject]) == change.seen
            else { return nil }
            state.applied[subject] = change.applied
            if let roles = change.roles {
                state.users[subject]?.roles = roles
                state.endSessions(of: subject)
            }
            var entries: [Revocation] = []
            if let person = change.person {
                state.links[subject] = person.link
                state.endLaunches(of: subject)
                entries = state.endGrants(because: .memberChanged, at: now) { $0.subject == subject }
            }
            state.outbox += records
            return RevocationOutcome(entries: entries)
        }
    }
}
