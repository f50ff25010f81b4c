internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// An attempt that was counted and may be tried. Whoever has it says how it ended, once.
struct CountedAttempt: Sendable {
    let keys: Set<ThrottleKey>
    /// The records of the lockouts that have begun if it fails, one for each; they are kept already.
    let announced: [ThrottleKey: AuthorizationRecord]
}

/// What became of an attempt before it was tried.
enum AttemptVerdict: Sendable {
    case counted(CountedAttempt)
    /// Not before this time (Unix seconds).
    case closed(until: Int64)
}

/// Counts attempts, and records the lockouts that failed ones begin: sign-in to a known account, from one network or from
/// all; a network, for everything that is guessed from it. What was typed is in none of them.
///
/// The record is kept by the transaction that counts (decision 16), so that no kill between the count and the answer loses
/// it; `AuthorizationServer.start` puts into the log what a killed process left. An account's lockout needs as many failed
/// attempts as are free, each of which is tried in full, so lockouts bound their own records. A network's needs nothing that
/// is known to be somebody's, and is recorded as far as the ledger of refusals lets it be (ADR 62).
struct AttemptCounter: Sendable {
    let throttle: any LoginThrottleStore
    let audit: AuditTrail
    let budget: StepBudget

    /// Announced records that are older than this, in seconds, belong to attempts of which nobody says any more how they
    /// ended. No attempt takes so long.
    static let longestAttempt: Int64 = 300

    /// Counts an attempt under its keys.
    ///
    /// - Parameters:
    ///   - subject: whose account it is; nil where the name is nobody's, and then no account is locked.
    ///   - client: whose secret is tried, where there is such a client.
    func count(
        _ attempts: [ThrottleKey: ThrottlePolicy], of subject: SubjectID? = nil, client: ClientID? = nil,
        at now: Int64, _ maker: RecordMaker
    ) async throws -> AttemptVerdict {
        var lockouts: [ThrottleKey: AuthorizationRecord] = [:]
        for key in attempts.keys {
            switch key.scope {
            case .account where subject == nil: continue
            case .account:
                lockouts[key] = maker.record(
                    .accountLocked, subject: subject, outcome: .refused(reason: key.kind), detail: key.lockout)
            case .network:
                lockouts[key] = maker.record(
                    .accountLocked, client: client, outcome: .refused(reason: key.kind), detail: key.lockout)
            }
        }
        switch try await throttle.admit(attempts, at: now, announcing: lockouts) {
        case .closed(let until): return .closed(until: until)
        case .admitted: return .counted(CountedAttempt(keys: Set(attempts.keys), announced: [:]))
        case .last(let keys):
            return .counted(
                CountedAttempt(keys: Set(attempts.keys), announced: lockouts.filter { keys.contains($0.key) }))
        }
    }

    /// The attempt failed: what it announced has happened. Returns when that stands in the audit log.
    func failed(_ attempt: CountedAttempt, _ maker: RecordMaker) async throws {
        guard !attempt.announced.isEmpty else { return }
        var happened: [AuthorizationRecord] = []
        var summed: [DecisionID] = []
        for (key, record) in attempt.announced.sorted(by: { $0.key.text < $1.key.text }) {
            guard key.scope == .network else {
                happened.append(record)
                continue
            }
            let reason = "\(AuthorizationRecord.Kind.accountLocked.rawValue):\(key.kind)"
            switch budget.refusals.enter(reason, from: maker.source.address, at: maker.clock.milliseconds()) {
            case .summed: summed.append(record.id)
            case .recorded(let unrecorded): happened.append(record.telling(unrecorded: unrecorded))
            }
        }
        if !summed.isEmpty { try await throttle.giveBack(all: [], one: [], withdrawing: summed) }
        try await throttle.confirm(happened)
        try await audit.flush()
    }

    /// The attempt succeeded: some counts start anew, of others one attempt is taken back, and nothing was locked.
    func succeeded(_ attempt: CountedAttempt, clearing cleared: Set<ThrottleKey>) async throws {
        try await throttle.giveBack(
            all: Array(attempt.keys.intersection(cleared)), one: Array(attempt.keys.subtracting(cleared)),
            withdrawing: attempt.announced.values.map(\.id))
    }

    /// Nothing was tried, so nothing counts.
    func untried(_ attempt: CountedAttempt) async throws { try await succeeded(attempt, clearing: []) }
}

extension ServerParts {
    var attempts: AttemptCounter { AttemptCounter(throttle: stores.throttle, audit: audit, budget: budget) }
}

extension ThrottleKey {
    fileprivate enum Scope { case account, network }

    /// What is closed when too many attempts under the key have failed.
    fileprivate var scope: Scope { kind.hasSuffix("-source") && kind != "account-source" ? .network : .account }

    fileprivate var lockout: String {
        switch kind {
        case "account": "signing in to the account is closed for a while, wherever from"
        case "account-source": "signing in to the account from this network is closed for a while"
        case "second-factor": "second factors of the account are closed for a while"
        case "login-source": "signing in from this network is closed for a while"
        case "secret-source": "client secrets from this network are closed for a while"
        default: "codes and tokens from this network are closed for a while"
        }
    }
}
