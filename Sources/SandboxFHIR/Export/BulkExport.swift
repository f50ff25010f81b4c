internal import Dispatch
internal import FHIRCore
internal import Synchronization

/// The bulk exports of a server: kicked off, run in this process, asked after, fetched and ended
/// (Bulk Data Access 2.0, export).
///
/// A class because the jobs are shared by all requests; they live in memory and end with the process.
final class BulkExport: Sendable {
    /// Runs work beside the request that asked for it.
    typealias Background = @Sendable (_ work: @escaping @Sendable () -> Void) -> Void

    private enum State {
        case running
        case complete(Manifest)
        case failed(SandboxFailure)
    }

    private struct Job {
        let request: ExportRequest
        /// Milliseconds since 1970.
        let started: Int64
        var state: State
    }

    /// What an export wrote.
    private struct Manifest {
        /// Milliseconds since 1970.
        let time: Int64
        let files: [(name: String, type: ResourceType, lines: ExportLines)]
    }

    private let store: SandboxStore
    private let limits: SandboxConfiguration
    private let background: Background
    private let jobs = Mutex<[String: Job]>([:])

    /// How many jobs are kept; the oldest that has ended makes room.
    private static let maximumJobs = 64
    /// How long the files of a job can be fetched, in milliseconds.
    private static let lifetime: Int64 = 3_600_000
    private static let queue = DispatchQueue(label: "sandbox.export", qos: .utility)

    init(
        store: SandboxStore, limits: SandboxConfiguration,
        background: @escaping Background = { work in BulkExport.queue.async(execute: work) }
    ) {
        self.store = store
        self.limits = limits
        self.background = background
    }

    // MARK: Requests

    /// Accepts an export and begins it.
    func kickOff(_ level: ExportLevel, _ request: SandboxRequest, base: String) throws -> SandboxResponse {
        let export = try ExportRequest(level, request, base: base)
        let (id, now) = try store.read { transaction in
            // Faults that can be told at once are told at once.
            try export.check(transaction, base: base, limits: limits)
            return (transaction.newIdentifier(), transaction.now())
        }
        try jobs.withLock { jobs throws(SandboxFailure) in
            try BulkExport.makeRoom(&jobs, now: now)
            jobs[id] = Job(request: export, started: now, state: .running)
        }
        background { [self] in run(id, export, base: base) }
        var response = SandboxResponse(status: 202)
        response.headers = [("Content-Location", "\(base)/\(SandboxRoute.bulkFolder)/\(id)")]
        return response
    }

    /// How far an export is: 202 while it runs, then its manifest.
    func status(_ id: String, base: String) throws -> SandboxResponse {
        let job = try job(id)
        switch job.state {
        case .running:
            var response = SandboxResponse(status: 202)
            response.headers = [("Retry-After", "1"), ("X-Progress", "in progress")]
            return response
        case .failed(let failure): throw failure
        case .complete(let manifest):
            var response = SandboxResponse(status: 200, body: .tree(json(manifest, of: job, id: id, base: base)))
            response.mediaType = "application/json"
            response.headers = [("Expires", FHIRTime.httpDate(job.started + Self.lifetime))]
            return response
        }
    }

    /// Ends an export and forgets its files.
    func cancel(_ id: String) throws -> SandboxResponse {
        _ = try job(id)
        jobs.withLock { $0[id] = nil }
        return SandboxResponse(status: 202)
    }

    /// One file of a finished export.
    func file(_ name: String, of id: String) throws -> SandboxResponse {
        guard case .complete(let manifest) = try job(id).state,
            let file = manifest.files.first(where: { $0.name == name })
        else { throw SandboxFailure.notFound("the export has no file `\(name)`") }
        return SandboxResponse(status: 200, body: .lines(file.lines))
    }

    // MARK: Jobs

    private func job(_ id: String) throws -> Job {
        let now = try store.read { $0.now() }
        let found = jobs.withLock { jobs -> Job? in
            if let job = jobs[id], job.started + Self.lifetime <= now { jobs[id] = nil }
            return jobs[id]
        }
        guard let found else { throw SandboxFailure.notFound("the export `\(id)` is not known") }
        return found
    }

    private static func makeRoom(_ jobs: inout [String: Job], now: Int64) throws(SandboxFailure) {
        for (id, job) in jobs where job.started + lifetime <= now { jobs[id] = nil }
        while jobs.count >= maximumJobs {
            let ended = jobs.filter { if case .running = $0.value.state { false } else { true } }
            guard let oldest = ended.min(by: { $0.value.started < $1.value.started }) else {
                throw SandboxFailure(status: 429, issueCode: "throttled", diagnostics: "too many exports are running")
            }
            jobs[oldest.key] = nil
        }
    }

    private func run(_ id: String, _ request: ExportRequest, base: String) {
        guard jobs.withLock({ $0[id] != nil }) else { return }
        let state: State
        do {
            state = .complete(try manifest(request, base: base))
        } catch let failure as SandboxFailure {
            state = .failed(failure)
        } catch {
            state = .failed(.exception(error))
        }
        jobs.withLock { $0[id]?.state = state }
    }

    private func manifest(_ request: ExportRequest, base: String) throws -> Manifest {
        try store.read { transaction in
            let time = transaction.now()
            var files: [(name: String, type: ResourceType, lines: ExportLines)] = []
            for (type, sequences) in try request.sequences(transaction, base: base, limits: limits) {
                let size = limits.maximumExportFileResources
                for (number, start) in stride(from: 0, to: sequences.count, by: size).enumerated() {
                    let part = Array(sequences[start..<min(start + size, sequences.count)])
                    files.append(
                        ("\(type.rawValue)-\(number + 1).ndjson", type, ExportLines(store: store, sequences: part)))
                }
            }
            return Manifest(time: time, files: files)
        }
    }

    private func json(_ manifest: Manifest, of job: Job, id: String, base: String) -> JSONValue {
        let output = manifest.files.map { file -> JSONValue in
            [
                "type": .string(file.type.rawValue),
                "url": .string("\(base)/\(SandboxRoute.bulkFolder)/\(id)/\(file.name)"),
                "count": .int(Int64(file.lines.sequences.count)),
            ]
        }
        return [
            "transactionTime": .string(FHIRTime.instant(manifest.time)), "request": .string(job.request.url),
            "requiresAccessToken": false, "output": .array(output), "deleted": [], "error": [],
        ]
    }
}
