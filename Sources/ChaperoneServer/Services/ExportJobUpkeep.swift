internal import AccessPolicy
internal import Audit
internal import Authorization
internal import Enforcement
internal import Logging
internal import NIOPosix
internal import OAuthCore
internal import ServiceLifecycle

/// Ends the exports whose time is up, and has the protected server delete every one that is over.
///
/// What is over stands in the store until the protected server has deleted it: a server that does not answer is asked
/// again, and so it is after a restart. Each attempt has an opening record before it and a closing record after it
/// (decision 16).
struct ExportJobUpkeep: Sendable {
    let store: any ExportJobStore
    let recorder: AuditRecorder
    let random: RandomSource
    /// Milliseconds since 1970 UTC.
    let clock: @Sendable () -> Int64
    /// Asks the protected server; the status of its answer, if there is one.
    let delete: @Sendable (ExportJob) async -> Int?

    /// How many jobs are looked at in one go.
    private static let atOnce = 50

    /// Looks once at what there is to do. Throws when a store or the audit log fails; nothing is lost by it.
    func run() async throws {
        let now = clock() / 1000
        _ = try await store.endExpired(at: now)
        for job in try await store.due(at: now, limit: Self.atOnce) { try await finish(job, now: now) }
    }

    /// Reports the exports that an earlier process had asked for when it ended, and forgets them: they may run at the
    /// protected server, and nobody knows where. FHIR has no list of exports that could be asked for.
    ///
    /// To be called before anything is served: what is asked for later has a process that knows of it.
    /// - Returns: how many they were.
    func reportUnlocated() async throws -> Int {
        let jobs = try await store.unlocated()
        for job in jobs {
            _ = try await recorder.record(
                AccessRecord(
                    decisionID: DecisionID(random.identifier(at: clock())), clientID: job.client, grantID: job.grant,
                    interaction: .operation, operation: "$export", method: "GET", path: job.path,
                    queryAsked: job.query.isEmpty ? nil : job.query,
                    outcome: .interrupted(reason: "export-address-unknown"),
                    securityEvents: ["an export may run at the protected server, and its address is not known"],
                    startedAt: job.startedAt * 1000))
            _ = try await store.forget(job.id)
        }
        return jobs.count
    }

    private func finish(_ job: ExportJob, now: Int64) async throws {
        guard now < job.expiresAt + ExportJob.longestAsking else {
            _ = try await store.remove(job.id)
            return
        }
        var record = AccessRecord(
            decisionID: DecisionID(random.identifier(at: clock())), clientID: job.client, grantID: job.grant,
            interaction: .operation, operation: "$export", method: "DELETE", path: "/_bulk/\(job.id)",
            outcome: .pending, startedAt: clock())
        let receipt = try await recorder.open(record)
        let status = await delete(job)
        // Of a server that no longer knows it nothing is to be deleted.
        let isGone = status.map { (200..<300).contains($0) || $0 == 404 || $0 == 410 } ?? false
        record.status = status
        record.outcome =
            isGone ? .permitted : .failed(reason: "export-not-deleted: \(status.map { "status-\($0)" } ?? "no answer")")
        _ = try await recorder.close(receipt, record)
        if isGone {
            _ = try await store.remove(job.id)
        } else {
            try await store.postpone(job.id, until: job.nextAttempt(after: now))
        }
    }
}

/// Runs the upkeep of the exports every two seconds.
struct ExportJobService: Service {
    let upkeep: ExportJobUpkeep
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(2)) } catch { return }
                do { try await upkeep.run() } catch {
                    logger.error("exports that are over could not be deleted", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}

extension ExportJobUpkeep {
    /// The upkeep of an installation's exports.
    init(_ installation: Installation, _ gateway: GatewaySide) {
        let pools = gateway.pools
        self.init(
            store: installation.server.stores.exportJobs, recorder: installation.recorder, random: installation.random,
            clock: installation.clock.milliseconds,
            delete: {
                await ExportJobDeletion.perform($0, over: pools, on: MultiThreadedEventLoopGroup.singleton.next())
            })
    }
}

extension ExportJobs {
    /// The jobs of an installation's store.
    init(store: any ExportJobStore) {
        self.init(
            find: { try store.job($0) }, insert: { try await store.insert($0) },
            locate: { try await store.locate($0, at: $1) }, forget: { try await store.forget($0) },
            end: { try await store.end($0, because: .deleted) })
    }
}
