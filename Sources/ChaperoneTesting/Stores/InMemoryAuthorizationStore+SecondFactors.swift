public import AccessPolicy
public import Audit
public import Authorization
public import OAuthCore
internal import Synchronization

extension InMemoryAuthorizationStore {
    /// A second factor with the hashes of its recovery codes.
    struct StoredSecondFactor {
        var sealedKey: String
        var session: SessionID?
        let createdAt: Int64
        var confirmedAt: Int64?
        var lastStep: Int64 = 0
        var recovery: Set<SecretHash> = []
        let subject: SubjectID

        var factor: SecondFactor {
            SecondFactor(
                subject: subject, sealedKey: sealedKey, session: session, createdAt: createdAt,
                confirmedAt: confirmedAt, lastStep: lastStep, recoveryCodesLeft: recovery.count)
        }
    }
}

extension InMemoryAuthorizationStore: SecondFactorStore {
    public func secondFactor(of subject: SubjectID) async throws -> SecondFactor? {
        state.withLock { $0.secondFactors[subject]?.factor }
    }

    public func secondFactors() async throws -> [SecondFactor] {
        state.withLock { $0.secondFactors.values.map(\.factor).sorted { $0.subject.text < $1.subject.text } }
    }

    public func begin(_ factor: SecondFactor) async throws -> Bool {
        state.withLock { state in
            guard state.users[factor.subject] != nil, state.secondFactors[factor.subject]?.confirmedAt == nil else {
                return false
            }
            state.secondFactors[factor.subject] = StoredSecondFactor(
                sealedKey: factor.sealedKey, session: factor.session, createdAt: factor.createdAt,
                subject: factor.subject)
            return true
        }
    }

    public func confirm(
        _ subject: SubjectID, sealedKey: String, step: Int64, recovery: Set<SecretHash>, in session: SessionID,
        at now: Int64, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            guard let factor = state.secondFactors[subject], factor.confirmedAt == nil, factor.sealedKey == sealedKey,
                factor.session == session
            else { return false }
            state.secondFactors[subject]?.confirmedAt = now
            state.secondFactors[subject]?.session = nil
            state.secondFactors[subject]?.lastStep = step
            state.secondFactors[subject]?.recovery = recovery
            state.endSessions { ($0.signIn ?? $0.pending)?.subject == subject && $0.id != session }
            state.outbox.append(record)
            return true
        }
    }

    public func use(step: Int64, of subject: SubjectID, sealedKey: String) async throws -> Bool {
        state.withLock { state in
            guard let factor = state.secondFactors[subject], factor.confirmedAt != nil,
                factor.sealedKey == sealedKey, factor.lastStep < step
            else { return false }
            state.secondFactors[subject]?.lastStep = step
            return true
        }
    }

    public func use(
        recovery code: SecretHash, of subject: SubjectID, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            guard state.secondFactors[subject]?.confirmedAt != nil,
                state.secondFactors[subject]?.recovery.remove(code) != nil
            else { return false }
            state.outbox.append(record)
            return true
        }
    }

    public func replace(
        recovery: Set<SecretHash>, of subject: SubjectID, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            guard state.secondFactors[subject]?.confirmedAt != nil else { return false }
            state.secondFactors[subject]?.recovery = recovery
            state.outbox.append(record)
            return true
        }
    }

    public func remove(factorOf subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard state.secondFactors.removeValue(forKey: subject) != nil else { return false }
            state.outbox.append(record)
            return true
        }
    }

    public func reseal(_ subject: SubjectID, from old: String, to new: String) async throws -> Bool {
        state.withLock { state in
            guard state.secondFactors[subject]?.sealedKey == old else { return false }
            state.secondFactors[subject]?.sealedKey = new
            return true
        }
    }
}
