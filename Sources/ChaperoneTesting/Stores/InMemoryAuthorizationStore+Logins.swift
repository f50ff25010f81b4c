public import AccessPolicy
public import Audit
public import Authorization
internal import FHIRCore
public import OAuthCore
internal import Synchronization

extension InMemoryAuthorizationStore: ExternalLoginStore {
    public func login(issuer: String, subject: String) async throws -> ExternalLogin? {
        state.withLock { state in
            state.external.values.first {
                $0.identity.issuer.utf8.elementsEqual(issuer.utf8)
                    && $0.identity.subject.utf8.elementsEqual(subject.utf8)
            }
        }
    }

    public func login(of account: SubjectID) async throws -> ExternalLogin? {
        state.withLock { $0.external[account] }
    }

    public func logins() async throws -> [ExternalLogin] {
        state.withLock { state in
            state.external.values.sorted { ($0.createdAt, $0.account.text) < ($1.createdAt, $1.account.text) }
        }
    }

    public func insert(
        _ login: ExternalLogin, account: UserAccount, link: MemberLink, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            let isKnown = state.external.values.contains {
                $0.identity.isSameLogin(as: login.identity)
            }
            guard !isKnown, state.users[account.subject] == nil, login.account == account.subject,
                !state.users.values.contains(where: { $0.username.utf8.elementsEqual(account.username.utf8) })
            else { return false }
            state.users[account.subject] = account
            state.external[login.account] = login
            state.links[link.subject] = link
            state.outbox.append(record)
            return true
        }
    }

    public func note(_ identity: ExternalIdentity, of account: SubjectID, at now: Int64) async throws -> Bool {
        state.withLock { state in
            guard let login = state.external[account], login.undoneAt == nil,
                login.identity.isSameLogin(as: identity)
            else { return false }
            state.external[account] = ExternalLogin(
                account: account, identity: identity, createdAt: login.createdAt, lastLoginAt: now)
            return true
        }
    }

    public func undo(
        _ account: SubjectID, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        state.withLock { state in
            guard let login = state.external[account], login.undoneAt == nil else { return nil }
            state.external[account] = ExternalLogin(
                account: account, identity: login.identity, createdAt: login.createdAt,
                lastLoginAt: login.lastLoginAt, undoneAt: now)
            state.links[account] = nil
            state.endSessions(of: account)
            state.outbox.append(record)
            return RevocationOutcome(
                entries: state.endGrants(because: .memberChanged, at: now) { $0.subject == account })
        }
    }

    public func relink(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard let login = state.external[link.subject], login.undoneAt == nil, state.links[link.subject] == nil
            else { return false }
            state.links[link.subject] = link
            state.outbox.append(record)
            return true
        }
    }

    public func restore(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard let login = state.external[link.subject], state.links[link.subject] == nil else { return false }
            state.external[link.subject] = ExternalLogin(
                account: login.account, identity: login.identity, createdAt: login.createdAt,
                lastLoginAt: login.lastLoginAt)
            state.links[link.subject] = link
            state.outbox.append(record)
            return true
        }
    }
}

extension InMemoryAuthorizationStore: PendingLoginStore {
    public func insert(_ pending: PendingLogin) async throws {
        state.withLock { $0.pendingLogins[pending.hash] = pending }
    }

    public func take(
        _ hash: SecretHash, session: SessionID, provider: String, at now: Int64
    ) async throws -> PendingLogin? {
        state.withLock { state in
            // They go with their session.
            guard let pending = state.pendingLogins[hash], pending.session == session, state.sessions[session] != nil,
                pending.provider == provider, now < pending.expiresAt
            else { return nil }
            state.pendingLogins[hash] = nil
            return pending
        }
    }

    public func keep(_ assurance: SessionAssurance) async throws {
        state.withLock { state in
            guard state.sessions[assurance.session] != nil else { return }
            state.assurances[assurance.session] = assurance
        }
    }

    public func assurance(of session: SessionID) async throws -> SessionAssurance? {
        state.withLock { $0.sessions[session] == nil ? nil : $0.assurances[session] }
    }
}

extension ExternalIdentity {
    /// Whether issuer and subject are the same, byte by byte.
    fileprivate func isSameLogin(as other: ExternalIdentity) -> Bool {
        issuer.utf8.elementsEqual(other.issuer.utf8) && subject.utf8.elementsEqual(other.subject.utf8)
    }
}
