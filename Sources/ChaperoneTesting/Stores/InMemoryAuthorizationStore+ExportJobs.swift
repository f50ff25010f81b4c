public import AccessPolicy
public import Authorization
internal import Synchronization

extension InMemoryAuthorizationStore: ExportJobStore {
    /// Thrown for an id that is taken.
    struct TakenExportJob: Error {}

    public func job(_ id: String) throws -> ExportJob? {
        state.withLock { state in
            state.endRevokedExports()
            return state.exportJobs[id]
        }
    }

    public func insert(_ job: ExportJob) async throws -> Bool {
        try state.withLock { state in
            guard state.exportJobs[job.id] == nil else { throw TakenExportJob() }
            state.exportJobs[job.id] = job
            state.endRevokedExports()
            return state.exportJobs[job.id]?.ending == job.ending
        }
    }

    public func locate(_ id: String, at target: String) async throws -> Bool {
        state.withLock { state in
            state.endRevokedExports()
            guard let job = state.exportJobs[id], !job.isLocated else { return false }
            state.exportJobs[id]?.target = target
            return job.ending == nil
        }
    }

    public func forget(_ id: String) async throws -> Bool {
        state.withLock { state in
            guard state.exportJobs[id]?.isLocated == false else { return false }
            state.exportJobs[id] = nil
            return true
        }
    }

    public func unlocated() async throws -> [ExportJob] { exportJobsWithoutPlace }

    /// The jobs that were asked for and have no place yet, for whoever looks at them out of an upstream's script.
    public var exportJobsWithoutPlace: [ExportJob] {
        state.withLock { state in
            state.endRevokedExports()
            return state.exportJobs.values.filter { !$0.isLocated }
                .sorted { ($0.startedAt, $0.id) < ($1.startedAt, $1.id) }
        }
    }

    public func end(_ id: String, because ending: ExportJob.Ending) async throws -> Bool {
        state.withLock { state in
            state.endRevokedExports()
            guard let job = state.exportJobs[id], job.ending == nil else { return false }
            state.exportJobs[id]?.ending = ending
            return true
        }
    }

    public func endExpired(at now: Int64) async throws -> Int {
        state.withLock { state in
            state.endRevokedExports()
            let over = state.exportJobs.values.filter { $0.ending == nil && $0.expiresAt <= now }
            for job in over { state.exportJobs[job.id]?.ending = .expired }
            return over.count
        }
    }

    public func due(at now: Int64, limit: Int) async throws -> [ExportJob] {
        state.withLock { state in
            state.endRevokedExports()
            let due = state.exportJobs.values.filter { $0.ending != nil && $0.isLocated && $0.dueAt <= now }
            return Array(due.sorted { ($0.dueAt, $0.id) < ($1.dueAt, $1.id) }.prefix(limit))
        }
    }

    public func postpone(_ id: String, until moment: Int64) async throws {
        state.withLock { state in
            guard state.exportJobs[id]?.ending != nil else { return }
            state.exportJobs[id]?.attempts += 1
            state.exportJobs[id]?.dueAt = moment
        }
    }

    public func remove(_ id: String) async throws -> Bool {
        state.withLock { state in
            guard let job = state.exportJobs[id], job.ending != nil, job.isLocated else { return false }
            state.exportJobs[id] = nil
            return true
        }
    }
}

extension InMemoryAuthorizationStore.State {
    /// Whatever looks at the jobs looks at this first: nobody can see one between a revocation and its end.
    fileprivate mutating func endRevokedExports() {
        for job in exportJobs.values where job.ending == nil {
            let status = clients[job.client]?.status
            guard status == .suspended || status == .retired || grants[job.grant]?.revocation != nil else { continue }
            exportJobs[job.id]?.ending = .revoked
        }
    }
}
