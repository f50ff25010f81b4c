internal import AccessPolicy
internal import Audit
internal import OAuthCore

extension ServerParts {
    /// Records the lockouts that a failed attempt has begun, one for each: sign-in to a known account, from one network or
    /// from all; a network, for everything that is guessed from it. What was typed is in none of them.
    ///
    /// An account's lockout needs as many failed attempts as are free, each of which is tried in full, so lockouts bound
    /// their own records. A network's needs nothing that is known to be somebody's, and is recorded as far as the ledger
    /// of refusals lets it be (ADR 62).
    ///
    /// - Parameters:
    ///   - subject: whose account it is; nil where the name is nobody's, and then no account is locked.
    ///   - client: whose secret was guessed, where there is such a client.
    func noteLockouts(
        _ verdict: ThrottleVerdict, of subject: SubjectID? = nil, client: ClientID? = nil, _ maker: RecordMaker
    ) async throws {
        guard case .last(let keys) = verdict else { return }
        for key in keys.sorted(by: { $0.text < $1.text }) {
            let record: AuthorizationRecord?
            switch key.scope {
            case .account:
                record = subject.map {
                    maker.record(.accountLocked, subject: $0, outcome: .refused(reason: key.kind), detail: key.lockout)
                }
            case .network:
                record = refusal(.accountLocked, key.kind, client: client, detail: key.lockout, maker)
            }
            if let record { try await audit.note(record) }
        }
    }
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
