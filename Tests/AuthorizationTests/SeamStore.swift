import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import Synchronization

/// A place in the course of a call at which something else happens: before one of its calls of a store. A class for its
/// state.
final class Seam: Sendable {
    struct Broken: Error {}

    private struct State {
        var due: Int?
        var passed = 0
        var names: [String] = []
        var work: (@Sendable () async throws -> Void)?
        var breaksFrom: Int?
    }

    private let state = Mutex(State())

    /// From now on calls are counted; before the one with this number the work is done, once. Its own calls do not count.
    func watch(at place: Int, _ work: @escaping @Sendable () async throws -> Void) {
        state.withLock { $0 = State(due: place, work: work) }
    }

    /// From now on calls are counted, and from the one with this number on they fail.
    func breakDown(from place: Int) { state.withLock { $0 = State(breaksFrom: place) } }

    /// Ends the watch; answers before which call the work was done, or nil when so many calls did not come.
    @discardableResult
    func rest() -> String? {
        state.withLock { state in
            defer { state = State() }
            return state.work == nil ? state.names.last : nil
        }
    }

    /// How many calls came since the watch began.
    var passed: Int { state.withLock { $0.passed } }

    /// A call comes by. As stores of a database do, it fails in a task that was given up.
    func pass(_ name: String) async throws {
        let work = try state.withLock { state -> (@Sendable () async throws -> Void)? in
            guard state.due != nil || state.breaksFrom != nil else { return nil }
            defer { state.passed += 1 }
            state.names.append(name)
            if let first = state.breaksFrom, state.passed >= first { throw Broken() }
            guard state.passed == state.due else { return nil }
            state.due = nil
            defer { state.work = nil }
            return state.work
        }
        if let work { try await work() }
        try Task.checkCancellation()
    }
}

/// The stores in memory with a seam before each call that a flow of tokens or a revocation makes. What clients are is read
/// by the audit trail, too, in a task of its own, so that it has no seam; a call with one follows each such reading.
struct SeamStore: Sendable {
    let inner: InMemoryAuthorizationStore
    let seam: Seam

    var stores: AuthorizationStores {
        AuthorizationStores(
            clients: inner, users: self, memberLinks: self, throttle: inner, secondFactors: inner, sessions: self,
            transactions: self, launches: self, grants: self, consents: self, codes: self, refreshTokens: self,
            revocations: self, referenceTokens: inner, pushedRequests: inner, replayCache: inner, keys: inner,
            exportJobs: inner, externalLogins: self, pendingLogins: self, outbox: inner, sweep: inner)
    }

    private func at<Value>(_ name: String, _ call: () async throws -> Value) async throws -> Value {
        try await seam.pass(name)
        return try await call()
    }

    /// A write of which the caller may never hear, though it was done.
    private func writing<Value>(_ name: String, _ call: () async throws -> Value) async throws -> Value {
        let value = try await at(name, call)
        try await seam.pass("\(name), done")
        return value
    }
}

extension SeamStore: UserStore, MemberLinkStore {
    func user(named username: String) async throws -> UserAccount? {
        try await at("user named") { try await inner.user(named: username) }
    }
    func user(_ subject: SubjectID) async throws -> UserAccount? {
        try await at("user") { try await inner.user(subject) }
    }
    func users() async throws -> [UserAccount] { try await at("users") { try await inner.users() } }
    func insert(
        _ user: UserAccount, link: MemberLink?, applied: AppliedConfiguration?, record: AuthorizationRecord
    ) async throws -> Bool {
        try await at("insert user") {
            try await inner.insert(user, link: link, applied: applied, record: record)
        }
    }
    func setPassword(_ hash: PasswordHash, of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        try await at("set password") { try await inner.setPassword(hash, of: subject, record: record) }
    }
    func changePassword(
        to hash: PasswordHash, of subject: SubjectID, verified: PasswordHash, replacing old: SessionID,
        by new: BrowserSession, record: AuthorizationRecord
    ) async throws -> Bool {
        try await at("change password") {
            try await inner.changePassword(
                to: hash, of: subject, verified: verified, replacing: old, by: new, record: record)
        }
    }
    func setRoles(_ roles: Set<UserRole>, of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        try await at("set roles") { try await inner.setRoles(roles, of: subject, record: record) }
    }
    func applied(to subject: SubjectID) async throws -> AppliedConfiguration? {
        try await at("applied") { try await inner.applied(to: subject) }
    }
    func apply(
        _ change: ConfiguredChange, at now: Int64, records: [AuthorizationRecord]
    ) async throws -> RevocationOutcome? {
        try await writing("apply") { try await inner.apply(change, at: now, records: records) }
    }
    func enable(_ subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        try await at("enable") { try await inner.enable(subject, record: record) }
    }
    func link(for subject: SubjectID) async throws -> MemberLink? {
        try await at("link") { try await inner.link(for: subject) }
    }
    func subjects(of user: InstanceKey) async throws -> [SubjectID] {
        try await at("subjects") { try await inner.subjects(of: user) }
    }
    func insert(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool {
        try await at("insert link") { try await inner.insert(link, record: record) }
    }
    func remove(
        linkOf subject: SubjectID, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        try await writing("remove link") { try await inner.remove(linkOf: subject, at: now, record: record) }
    }
}

extension SeamStore: ExternalLoginStore, PendingLoginStore {
    func login(issuer: String, subject: String) async throws -> ExternalLogin? {
        try await at("login by name") { try await inner.login(issuer: issuer, subject: subject) }
    }
    func login(of account: SubjectID) async throws -> ExternalLogin? {
        try await at("login") { try await inner.login(of: account) }
    }
    func logins() async throws -> [ExternalLogin] { try await at("logins") { try await inner.logins() } }
    func insert(
        _ login: ExternalLogin, account: UserAccount, link: MemberLink, record: AuthorizationRecord
    ) async throws -> Bool {
        try await at("insert login") {
            try await inner.insert(login, account: account, link: link, record: record)
        }
    }
    func note(_ identity: ExternalIdentity, of account: SubjectID, at now: Int64) async throws -> Bool {
        try await at("note login") { try await inner.note(identity, of: account, at: now) }
    }
    func undo(_ account: SubjectID, at now: Int64, record: AuthorizationRecord) async throws -> RevocationOutcome? {
        try await writing("undo login") { try await inner.undo(account, at: now, record: record) }
    }
    func relink(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool {
        try await at("relink") { try await inner.relink(link, record: record) }
    }
    func restore(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool {
        try await at("restore") { try await inner.restore(link, record: record) }
    }
    func insert(_ pending: PendingLogin) async throws {
        try await at("insert pending login") { try await inner.insert(pending) }
    }
    func take(
        _ hash: SecretHash, session: SessionID, provider: String, at now: Int64
    ) async throws -> PendingLogin? {
        try await at("take pending login") {
            try await inner.take(hash, session: session, provider: provider, at: now)
        }
    }
    func keep(_ assurance: SessionAssurance) async throws {
        try await at("keep assurance") { try await inner.keep(assurance) }
    }
    func assurance(of session: SessionID) async throws -> SessionAssurance? {
        try await at("assurance") { try await inner.assurance(of: session) }
    }
}

extension SeamStore: SessionStore, TransactionStore, LaunchStore {
    func session(_ id: SessionID) async throws -> BrowserSession? {
        try await at("session") { try await inner.session(id) }
    }
    func sessions(of subject: SubjectID) async throws -> [BrowserSession] {
        try await at("sessions") { try await inner.sessions(of: subject) }
    }
    func insert(_ session: BrowserSession) async throws {
        try await at("insert session") { try await inner.insert(session) }
    }
    func replace(
        _ old: SessionID?, by new: BrowserSession, verified: PasswordHash, record: AuthorizationRecord
    ) async throws -> SessionReplacement {
        try await at("replace session") {
            try await inner.replace(old, by: new, verified: verified, record: record)
        }
    }
    func touch(_ id: SessionID, at now: Int64) async throws {
        try await at("touch session") { try await inner.touch(id, at: now) }
    }
    func end(_ id: SessionID, record: AuthorizationRecord) async throws -> Bool {
        try await at("end session") { try await inner.end(id, record: record) }
    }
    func transaction(_ id: TransactionID) async throws -> AuthorizationTransaction? {
        try await at("launch") { try await inner.transaction(id) }
    }
    func insert(_ transaction: AuthorizationTransaction) async throws {
        try await at("insert launch") { try await inner.insert(transaction) }
    }
    func update(_ transaction: AuthorizationTransaction, record: AuthorizationRecord?) async throws -> Bool {
        try await at("update launch") { try await inner.update(transaction, record: record) }
    }
    func launch(_ hash: SecretHash) async throws -> EHRLaunch? {
        try await at("EHR launch") { try await inner.launch(hash) }
    }
    func insert(_ launch: EHRLaunch, record: AuthorizationRecord) async throws {
        try await at("insert EHR launch") { try await inner.insert(launch, record: record) }
    }
    func begin(
        _ transaction: AuthorizationTransaction, using hash: SecretHash, at now: Int64, record: AuthorizationRecord
    ) async throws -> Bool {
        try await at("begin EHR launch") {
            try await inner.begin(transaction, using: hash, at: now, record: record)
        }
    }
}

extension SeamStore: GrantStore, ConsentStore, CodeStore, RefreshTokenStore {
    func grant(_ id: GrantID) async throws -> Grant? { try await at("grant") { try await inner.grant(id) } }
    func grants(matching filter: GrantFilter, limit: Int) async throws -> [Grant] {
        try await at("grants") { try await inner.grants(matching: filter, limit: limit) }
    }
    /// Read on an event loop, where nothing can come between.
    func footing(of id: GrantID) throws -> GrantFooting? { try inner.footing(of: id) }
    func insert(_ grant: Grant, record: AuthorizationRecord) async throws -> Bool {
        try await at("insert grant") { try await inner.insert(grant, record: record) }
    }
    func remembered(_ key: ConsentKey) async throws -> RememberedConsent? {
        try await at("remembered") { try await inner.remembered(key) }
    }
    func remember(_ consent: RememberedConsent) async throws {
        try await at("remember") { try await inner.remember(consent) }
    }
    func forget(_ subject: SubjectID, client: ClientID, record: AuthorizationRecord) async throws {
        try await at("forget") { try await inner.forget(subject, client: client, record: record) }
    }
    func forgetAll(of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        try await at("forget all") { try await inner.forgetAll(of: subject, record: record) }
    }
    func remembersAnything(of subject: SubjectID, at now: Int64) async throws -> Bool {
        try await at("remembers anything") { try await inner.remembersAnything(of: subject, at: now) }
    }
    func code(_ hash: SecretHash) async throws -> CodeRecord? { try await at("code") { try await inner.code(hash) } }
    func issue(
        _ code: CodeRecord, for grant: Grant, closing: AuthorizationTransaction, by consent: GivenConsent,
        using launch: LaunchUse?, record: AuthorizationRecord
    ) async throws -> Bool {
        try await at("issue") {
            try await inner.issue(code, for: grant, closing: closing, by: consent, using: launch, record: record)
        }
    }
    func redeem(
        _ hash: SecretHash, at now: Int64, opening family: RefreshFamily?, record: AuthorizationRecord
    ) async throws -> Redemption {
        try await at("redeem") { try await inner.redeem(hash, at: now, opening: family, record: record) }
    }
    func burn(_ hash: SecretHash, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        try await at("burn") { try await inner.burn(hash, at: now, record: record) }
    }
    func family(_ id: RefreshFamilyID) async throws -> RefreshFamily? {
        try await at("family") { try await inner.family(id) }
    }
    func rotate(
        _ id: RefreshFamilyID, from current: SecretHash, to successor: SecretHash, at now: Int64,
        record: AuthorizationRecord
    ) async throws -> Bool {
        try await at("rotate") {
            try await inner.rotate(id, from: current, to: successor, at: now, record: record)
        }
    }
    func deliver(_ id: RefreshFamilyID, _ current: SecretHash, at now: Int64) async throws {
        try await at("deliver") { try await inner.deliver(id, current, at: now) }
    }
    func use(_ id: RefreshFamilyID, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        try await at("use") { try await inner.use(id, at: now, record: record) }
    }
}

extension SeamStore: RevocationStore {
    func revoke(
        _ target: RevocationTarget, because reason: RevocationReason, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        try await writing("revoke") { try await inner.revoke(target, because: reason, at: now, record: record) }
    }
    func suspend(_ client: ClientID, at now: Int64, record: AuthorizationRecord) async throws -> RevocationOutcome? {
        try await writing("suspend") { try await inner.suspend(client, at: now, record: record) }
    }
    func revocations(after sequence: Int64) async throws -> [Revocation] {
        try await at("revocations") { try await inner.revocations(after: sequence) }
    }
    func hold(
        _ target: RevocationTarget, because reason: RevocationReason, at now: Int64, record: AuthorizationRecord
    ) async throws -> Revocation? {
        try await writing("hold") { try await inner.hold(target, because: reason, at: now, record: record) }
    }
    func release(_ target: RevocationTarget, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        try await writing("release") { try await inner.release(target, at: now, record: record) }
    }
    func holds() async throws -> AccessHolds { try await at("holds") { try await inner.holds() } }
}
