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
        /// Until when the thread waits, once stopped, for results that were handed on to be heard.
        var patience = Date.distantFuture
        /// Results that were handed on and have not been heard yet.
        var unheard = 0
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
    private let node: String
    private let sink: any AuditSink
    private let limits: AuditQueueLimits
    private let clock: AuditClock
    /// The end of the chain when this process began: what is open up to here was left by another.
    private let inherited: Int64

    init(sink: any AuditSink, node: String, clock: AuditClock, limits: AuditQueueLimits) throws(AuditFailure) {
        self.node = node
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
            if state.ended || state.stopping && statement.closes == nil {
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

    /// Lets the thread end when everything that waits is answered, and whoever hears of it has had the time to take back
    /// what was not given: until then it takes what closes another entry, and nothing else.
    func stop() {
        condition.lock()
        if !state.stopping { state.patience = Date(timeIntervalSinceNow: 2) }
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
        repeat { writeWhatComes() } while !end()
    }

    /// Ends, unless something has come that was still taken.
    private func end() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard state.waiting.isEmpty else { return false }
        state.ended = true
        condition.broadcast()
        return true
    }

    private func writeWhatComes() {
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
    }

    /// Everything that waits, at once: a lone record is not made to wait for company. Nothing when a retry is due.
    private func take() -> ArraySlice<Submission>? {
        condition.lock()
        defer { condition.unlock() }
        while state.waiting.isEmpty {
            if state.stopping {
                if state.unheard == 0 || !condition.wait(until: state.patience) { return nil }
                continue
            }
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
                hand(to: submission.delivery) { submission.completion(result) }
                continue
            }
            if let known = shared.firstIndex(where: { $0.delivery.place == place }) {
                shared[known].told.append((submission, result))
            } else {
                shared.append((submission.delivery, [(submission, result)]))
            }
        }
        for (delivery, told) in shared {
            hand(to: delivery) { for (submission, result) in told { submission.completion(result) } }
        }
    }

    /// Hands results on; they count as unheard until whoever hears them has done what follows from them.
    private func hand(to delivery: AuditDelivery, _ work: @escaping @Sendable () -> Void) {
        condition.lock()
        state.unheard += 1
        condition.unlock()
        delivery.run { [self] in
            work()
            condition.lock()
            state.unheard -= 1
            if state.stopping { condition.broadcast() }
            condition.unlock()
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
        var count = try closeOwn()
        for node in try nodesLeftOpen() where node != self.node { count += try closeAll(of: node) }
        return count
    }

    private func nodesLeftOpen() throws(AuditFailure) -> [String] {
        do { return try sink.unfinishedNodes() } catch { throw .notWritten(detail: "\(error)") }
    }

    /// Closes what a process of another name has left open, in its own chain. This process is the only one that writes to
    /// the sink, so nobody else extends that chain.
    private func closeAll(of node: String) throws(AuditFailure) -> Int {
        var chain = try AuditChain(sink: sink, node: node, clock: clock)
        let statements = try interrupted(on: node, through: chain.sequence)
        _ = try chain.append(
            statements.map { Submission($0, parts: [], once: false, delivery: .immediate) { _ in } })
        return statements.count
    }

    /// What marks as interrupted everything on a node that is open up to a place.
    private func interrupted(on node: String, through sequence: Int64) throws(AuditFailure) -> [AuditStatement] {
        do {
            return try sink.unfinished(on: node, through: sequence).map {
                try $0.statement().interrupted(
                    closing: $0.sequence, reason: "outcome unknown", at: clock.milliseconds())
            }
        } catch {
            throw .notWritten(detail: "\(error)")
        }
    }

    private func closeOwn() throws(AuditFailure) -> Int {
        let statements = try interrupted(on: node, through: inherited)
        for statement in statements {
            let answer = AuditWriterAnswer()
            submit(statement, once: true) { answer.set($0) }
            _ = try answer.wait().get()
        }
        return statements.count
    }
}
