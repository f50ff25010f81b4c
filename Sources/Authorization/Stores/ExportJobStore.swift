public import AccessPolicy

/// Keeps the jobs of bulk exports until the protected server has deleted them.
///
/// Contract: a job ends once and stays ended. When its client is suspended or retired, or its grant is revoked, it ends in
/// the same transaction; one that is inserted after that is inserted as ended. Nothing but `remove` takes an ended job
/// away, so that no deletion at the protected server is lost. A job is kept before the protected server is asked for it;
/// until that has said where it keeps the job it is neither due nor removed, only forgotten.
public protocol ExportJobStore: Sendable {
    /// The job with an id, over or not. Called on an event loop: one look-up by key.
    func job(_ id: String) throws -> ExportJob?
    /// Keeps a new job; false when its client or its grant has been revoked meanwhile, and then it is kept as ended.
    func insert(_ job: ExportJob) async throws -> Bool
    /// Says where the protected server keeps a job that was asked for; false when it is over meanwhile, and then it is kept
    /// with its place all the same, or when no such job waits for its place.
    func locate(_ id: String, at target: String) async throws -> Bool
    /// Forgets a job of which no place is known; false when there is none.
    func forget(_ id: String) async throws -> Bool
    /// The jobs of which no place is known, the first asked for first.
    func unlocated() async throws -> [ExportJob]
    /// Ends a job; false when it is over already or not known.
    func end(_ id: String, because ending: ExportJob.Ending) async throws -> Bool
    /// Ends the jobs whose time is up; answers how many.
    func endExpired(at now: Int64) async throws -> Int
    /// Ended jobs with a place whose deletion at the protected server is due, the longest due first.
    func due(at now: Int64, limit: Int) async throws -> [ExportJob]
    /// Counts an attempt in vain, and says when the next one is due.
    func postpone(_ id: String, until moment: Int64) async throws
    /// Takes an ended job with a place away; false when there is none.
    func remove(_ id: String) async throws -> Bool
}
