internal import AccessPolicy
internal import Foundation

/// The one thread that appends to the log, and the bounded queue before it.
///
/// `@unchecked Sendable`: `state` is read and written only while `condition` (an `NSCondition`, the lock) is held;
/// `chain` belongs to the writer's thread alone from the moment that the thread starts.
final class AuditWriter: @unchecked Sendable {
    typealias Completion = @Sendable (Result<Int64, AuditFailure>) -> Void

    private struct State {
        var waiting: [Submission] = []
        var waitingBytes = 0
        /// Taken by the thread but not answered yet.
        var inHand = 0
        var stopping = false
        var ended = false
        var recovered = false
        var recorded = 0
        var appends = 0
        var lastFailure: AuditHealth.Failure?
        /// Since when nothing could be written, milliseconds since 1970 UTC; nil when the last attempt wrote.
        var failingSince: Int64?
        /// A retry will be due, or is.
        var retryIsSet = false
        var retryIsDue = false
    }

    private let condition = NSCondition()
    private var state = State()
    private var chain: AuditChain
    private let sink: any AuditSink
    private let limits: AuditQueueLimits
    private let clock: AuditClock
    /// The end of the chain when this process began: what is open up to here was left by another.
    private let inherited: Int64

    init(sink: any AuditSink, node: String, clock: AuditClock, limits: AuditQueueLimits) throws(AuditFailure) {
        self.sink = sink
        self.limits = limits
        self.clock = clock
        chain = try AuditChain(sink: sink, node: node, clock: clock)
        inherited = chain.sequence
        Thread.detachNewThread { [self] in run() }
    }

    /// Queues a statement; the completion is called once, through the delivery, when it is durable or will never be.
    ///
    /// - Parameter parts: statements that are stored before it, all or none of them with it.
    func submit(
        _ statement: AuditStatement, parts: [AuditStatement] = [], once: Bool = false,
        on delivery: AuditDelivery = .immediate, completion: @escaping Completion
    ) {
        let submission = Submission(statement, parts: parts, once: once, delivery: delivery, completion: completion)
        condition.lock()
        let refusal: AuditFailure? =
            if state.stopping {
                .closed
            } else if isFull(for: submission) {
                .busy
            } else {
                nil
            }
        if refusal == nil {
            state.waiting.append(submission)
            state.waitingBytes += submission.size
            condition.broadcast()
        }
        condition.unlock()
        if let refusal { delivery.run { completion(.failure(refusal)) } }
    }

    /// Whether there is no room; a record that closes another always has some, for there are no more of them than
    /// were let in as openings. The lock is held.
    private func isFull(for submission: Submission) -> Bool {
        submission.statement.closes == nil
            && (state.waiting.count + state.inHand >= limits.records
                || state.waitingBytes + submission.size > limits.bytes)
    }

    /// Lets the thread end when everything that waits is answered.
    func stop() {
        condition.lock()
        state.stopping = true
        condition.broadcast()
        condition.unlock()
    }

    /// Returns when the thread has ended.
    func awaitEnd() {
        condition.lock()
        while !state.ended { condition.wait() }
        condition.unlock()
    }

    var health: AuditHealth {
        condition.lock()
        defer { condition.unlock() }
        return AuditHealth(
            queueDepth: state.waiting.count + state.inHand, queuedBytes: state.waitingBytes, recorded: state.recorded,
            appends: state.appends, lastFailure: state.lastFailure,
            canRecord: !state.stopping && state.failingSince == nil)
    }

    // MARK: The thread

    private func run() {
        var taken: ArraySlice<Submission> = []
        while true {
            if taken.isEmpty {
                guard let more = take() else { break }
                guard !more.isEmpty else {
                    retry()
                    continue
                }
                taken = more
            }
            let batch = taken.prefix(limits.batch)
            taken = taken.dropFirst(batch.count)
            write(Array(batch))
        }
        settle()
        condition.lock()
        state.ended = true
        condition.broadcast()
        condition.unlock()
    }

    /// Everything that waits, at once: a lone record is not made to wait for company. Nothing when a retry is due.
    private func take() -> ArraySlice<Submission>? {
        condition.lock()
        defer { condition.unlock() }
        while state.waiting.isEmpty {
            if state.stopping { return nil }
            if state.retryIsDue {
                state.retryIsDue = false
                return []
            }
            condition.wait()
        }
        let all = state.waiting
        state.waiting = []
        state.waitingBytes = 0
        state.inHand = all.count
        return all[...]
    }

    private func write(_ batch: [Submission]) {
        do throws(AuditFailure) {
            let appended = try chain.append(batch)
            finished(batch.count, .success(appended.written))
            deliver(batch, appended.sequences.map { .success($0) })
        } catch {
            finished(batch.count, .failure(error))
            deliver(batch, batch.map { _ in .failure(error) })
        }
    }

    /// Tells everybody what became of their statement, in order, with one piece of work for each place.
    private func deliver(_ batch: [Submission], _ results: [Result<Int64, AuditFailure>]) {
        var shared: [(delivery: AuditDelivery, told: [(Submission, Result<Int64, AuditFailure>)])] = []
        for (submission, result) in zip(batch, results) {
            guard let place = submission.delivery.place else {
                submission.delivery.run { submission.completion(result) }
                continue
            }
            if let known = shared.firstIndex(where: { $0.delivery.place == place }) {
                shared[known].told.append((submission, result))
            } else {
                shared.append((submission.delivery, [(submission, result)]))
            }
        }
        for (delivery, told) in shared {
            delivery.run { for (submission, result) in told { submission.completion(result) } }
        }
    }

    /// The last attempt to write what failures left over; what fails again is closed by the next process.
    private func settle() {
        do throws(AuditFailure) {
            try chain.settle()
        } catch {
            finished(0, .failure(error))
        }
    }

    private func finished(_ count: Int, _ result: Result<Int, AuditFailure>) {
        condition.lock()
        defer { condition.unlock() }
        state.inHand -= count
        switch result {
        // What was there before shows nothing of whether anything can be written.
        case .success(0): break
        case .success(let written):
            state.recorded += written
            state.appends += 1
            state.failingSince = nil
        case .failure(let failure):
            let now = clock.milliseconds()
            state.appends += 1
            state.lastFailure = .init(failure: failure, at: now)
            state.failingSince = state.failingSince ?? now
            setRetry()
        }
    }

    // MARK: After a failure

    /// Wakes the thread in a while, by a clock that nobody sets. The lock is held.
    private func setRetry() {
        guard !state.retryIsSet, !state.stopping else { return }
        state.retryIsSet = true
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(limits.retry)) { [weak self] in
            self?.wake()
        }
    }

    private func wake() {
        condition.lock()
        state.retryIsSet = false
        state.retryIsDue = true
        condition.broadcast()
        condition.unlock()
    }

    /// Finds out whether records can be written again by writing one: what failures left over, or else a record that says
    /// for how long there could be none.
    private func retry() {
        condition.lock()
        let since = state.failingSince
        condition.unlock()
        guard let since else { return }
        do throws(AuditFailure) {
            var written = try chain.settle()
            if written == 0 { written = try chain.append([resumption(since: since)]).written }
            finished(0, .success(written))
        } catch {
            finished(0, .failure(error))
        }
    }

    private func resumption(since start: Int64) -> Submission {
        let now = clock.milliseconds()
        let record = AuthorizationRecord(
            id: DecisionID("recording-resumed-\(chain.node)-\(chain.sequence.following)"), kind: .recordingResumed,
            outcome: .succeeded, detail: "nothing could be recorded since \(FHIRTime.instant(start))",
            sourceAddress: "local", at: now)
        return Submission(
            AuditStatement(event: .authorization(record.bounded()), phase: .whole), parts: [], once: false,
            delivery: .immediate, completion: { _ in })
    }

    // MARK: Recovery

    /// Closes what an earlier process left open; a second call in one process finds nothing to do.
    func recover() throws(AuditFailure) -> Int {
        condition.lock()
        let first = !state.recovered
        state.recovered = true
        condition.unlock()
        guard first else { return 0 }
        do throws(AuditFailure) {
            return try closeInherited()
        } catch {
            condition.lock()
            state.recovered = false
            condition.unlock()
            throw error
        }
    }

    private func closeInherited() throws(AuditFailure) -> Int {
        let statements: [AuditStatement]
        do {
            statements = try sink.unfinished(on: chain.node, through: inherited).map {
                try $0.statement().interrupted(
                    closing: $0.sequence, reason: "outcome unknown", at: clock.milliseconds())
            }
        } catch {
            throw .notWritten(detail: "\(error)")
        }
        for statement in statements {
            let answer = AuditWriterAnswer()
            submit(statement, once: true) { answer.set($0) }
            _ = try answer.wait().get()
        }
        return statements.count
    }
}
