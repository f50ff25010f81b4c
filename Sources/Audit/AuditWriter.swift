internal import AccessPolicy
internal import Foundation

/// The one thread that appends to the log, and the bounded queue before it.
///
/// `@unchecked Sendable`: `state` is read and written only while `condition` (an `NSCondition`, the lock) is held;
/// `chain` belongs to the writer's thread alone from the moment that the thread starts.
final class AuditWriter: @unchecked Sendable {
    typealias Completion = @Sendable (Result<Int64, AuditFailure>) -> Void

    /// A statement with its bytes and its index.
    struct Prepared: Sendable {
        let statement: AuditStatement
        let body: [UInt8]
        let index: AuditIndex

        init(_ statement: AuditStatement) {
            self.statement = statement
            body = statement.encoded
            index = AuditIndex(statement)
        }
    }

    /// A statement that waits, with its bytes and its index made on the caller's thread, and the statements about its
    /// parts, which are stored before it in the same transaction. A class so that it is moved about by one reference;
    /// nothing in it changes.
    final class Submission: Sendable {
        let whole: Prepared
        let parts: [Prepared]
        let once: Bool
        let delivery: AuditDelivery
        let completion: Completion

        var statement: AuditStatement { whole.statement }
        /// Bytes of all bodies.
        var size: Int { parts.reduce(whole.body.count) { $0 + $1.body.count } }

        init(
            _ statement: AuditStatement, parts: [AuditStatement], once: Bool, delivery: AuditDelivery,
            completion: @escaping Completion
        ) {
            whole = Prepared(statement)
            self.parts = parts.map { Prepared($0) }
            self.once = once
            self.delivery = delivery
            self.completion = completion
        }
    }

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
        var lastAppendFailed = false
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
            canRecord: !state.stopping && !state.lastAppendFailed)
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
                taken = more
            }
            let batch = taken.prefix(limits.batch)
            taken = taken.dropFirst(batch.count)
            write(Array(batch))
        }
        settle()
    }

    /// Everything that waits, at once: a lone record is not made to wait for company.
    private func take() -> ArraySlice<Submission>? {
        condition.lock()
        defer { condition.unlock() }
        while state.waiting.isEmpty {
            guard state.stopping else {
                condition.wait()
                continue
            }
            if state.unheard == 0 || !condition.wait(until: state.patience) { return nil }
        }
        let all = state.waiting
        state.waiting = []
        state.waitingBytes = 0
        state.inHand = all.count
        return all[...]
    }

    private func write(_ batch: [Submission]) {
        do throws(AuditFailure) {
            let sequences = try chain.append(batch)
            finished(batch.count, recorded: batch.reduce(0) { $0 + 1 + $1.parts.count }, failure: nil)
            deliver(batch, sequences.map { .success($0) })
        } catch {
            finished(batch.count, recorded: 0, failure: error)
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
            finished(0, recorded: 0, failure: error)
        }
    }

    private func finished(_ count: Int, recorded: Int, failure: AuditFailure?) {
        condition.lock()
        defer { condition.unlock() }
        state.inHand -= count
        state.recorded += recorded
        state.appends += 1
        state.lastAppendFailed = failure != nil
        if let failure { state.lastFailure = .init(failure: failure, at: clock.milliseconds()) }
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
            statements.map { Submission($0, parts: [], once: true, delivery: .immediate) { _ in } })
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
            let answer = Answer()
            submit(statement, once: true) { answer.set($0) }
            _ = try answer.wait().get()
        }
        return statements.count
    }
}

/// One result that a thread waits for.
///
/// `@unchecked Sendable`: `result` is read and written only while `condition`, the lock, is held.
private final class Answer: @unchecked Sendable {
    private let condition = NSCondition()
    private var result: Result<Int64, AuditFailure>?

    func set(_ value: Result<Int64, AuditFailure>) {
        condition.lock()
        result = value
        condition.signal()
        condition.unlock()
    }

    func wait() -> Result<Int64, AuditFailure> {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result { return result }
            condition.wait()
        }
    }
}
