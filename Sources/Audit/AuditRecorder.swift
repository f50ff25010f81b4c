internal import AccessPolicy
internal import Synchronization

/// Where a completion runs: a closure that takes work and runs it, for example on an event loop.
///
/// A receipt cannot be captured by an escaping closure, so the recorder makes it inside the hop.
public struct AuditDelivery: Sendable {
    let run: @Sendable (@escaping @Sendable () -> Void) -> Void
    /// Deliveries with the same place run what is given to any of them; nil stands alone.
    let place: ObjectIdentifier?

    /// A delivery that runs work as the closure does; it must run it once.
    public init(_ run: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
        self.run = run
        place = nil
    }

    /// A delivery to a place that others lead to as well, such as an event loop. The results of one commit go to a
    /// place together, as one piece of work.
    public init(
        to place: any AnyObject & Sendable, _ run: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void
    ) {
        self.run = run
        self.place = ObjectIdentifier(place)
    }

    /// On whatever thread has the result: the recorder's own, which must not be held up, or the caller's.
    public static let immediate = AuditDelivery { $0() }
}

/// Writes audit records durably and gives out the receipts without which no answer can leave.
///
/// All records pass through one queue and one thread (`AuditWriter`), which shares a commit among whatever waits and
/// ties each entry to the one before it. No completion is called before its record is durable; a record that could not
/// be written gives an `AuditFailure` and no receipt.
///
/// A class because it owns that thread; everything in it is constant but what stands behind the writer's lock.
public final class AuditRecorder: Sendable {
    private let writer: AuditWriter
    private let clock: AuditClock

    /// A recorder that continues the chain of `node` in the sink.
    ///
    /// Throws when the sink cannot be read or the chain's last entry is not intact.
    public init(
        sink: any AuditSink, node: String, clock: AuditClock = .system, limits: AuditQueueLimits = .default
    ) throws(AuditFailure) {
        self.clock = clock
        writer = try AuditWriter(sink: sink, node: node, clock: clock, limits: limits)
    }

    deinit { writer.stop() }

    /// Writes the whole record of an access, opening and closing in one.
    public func record(
        _ record: AccessRecord, on delivery: AuditDelivery = .immediate,
        then completion: @escaping @Sendable (consuming Result<ClosingReceipt, AuditFailure>) -> Void
    ) {
        let decisionID = record.decisionID
        let statement = AuditStatement(event: .access(record.bounded()), phase: .whole)
        submit(statement, after: record.parts, on: delivery) { result in
            completion(Self.closing(decisionID, result))
        }
    }

    /// Writes the opening record of an access that will stream or change the upstream.
    public func open(
        _ record: AccessRecord, on delivery: AuditDelivery = .immediate,
        then completion: @escaping @Sendable (consuming Result<OpeningReceipt, AuditFailure>) -> Void
    ) {
        let decisionID = record.decisionID
        writer.submit(AuditStatement(event: .access(record.bounded()), phase: .opening), on: delivery) { result in
            completion(Self.opening(decisionID, result))
        }
    }

    /// Closes an access that was opened; the record states how it ended.
    ///
    /// If this fails the recorder keeps trying, in the background, to close it as interrupted.
    public func close(
        _ receipt: consuming OpeningReceipt, _ record: AccessRecord, on delivery: AuditDelivery = .immediate,
        then completion: @escaping @Sendable (consuming Result<ClosingReceipt, AuditFailure>) -> Void
    ) {
        let decisionID = receipt.decisionID
        let sequence = receipt.sequence
        // INVARIANT: a receipt answers only the decision it was made for.
        guard record.decisionID == decisionID else {
            delivery.run { completion(.failure(.receiptOfAnotherDecision)) }
            return
        }
        let phase: AuditPhase = if case .interrupted = record.outcome { .interrupted } else { .closing }
        let statement = AuditStatement(event: .access(record.bounded()), phase: phase, closes: sequence)
        submit(statement, after: record.parts, on: delivery) { result in
            completion(Self.closing(decisionID, result, phase))
        }
    }

    /// Marks as interrupted a record, with its parts, that became durable when its answer could not be given any more. What
    /// says itself that nothing was given, such as a refused part of a batch, stays as it is.
    ///
    /// What cannot be written now is tried again in the background.
    ///
    /// - Parameter sent: what is true of an answer of which a part has left; nil where nothing has, and then nothing
    ///   counts as released.
    public func withdraw(_ receipt: consuming ClosingReceipt, _ record: AccessRecord, sent: AccessRecord? = nil) {
        let nothing = record.releasingNothing
        mark(HandedAnswer(receipt), record, as: sent ?? nothing, parts: nothing.parts) { $0.lateReason }
    }

    /// Marks as interrupted a record, with its parts, whose answer was handed to a connection that ended before all of it
    /// was written. Its counts and patients stay: some of it may have been read.
    ///
    /// What cannot be written now is tried again in the background.
    public func notWritten(_ answer: HandedAnswer, _ record: AccessRecord) {
        mark(answer, record, as: record, parts: record.parts) { _ in AuditStatement.notWrittenReason }
    }

    private func mark(
        _ answer: HandedAnswer, _ record: AccessRecord, as told: AccessRecord, parts: [AccessRecord],
        reason: (AuditStatement) -> String
    ) {
        guard record.decisionID == answer.decisionID else { return }
        let first = answer.sequence - Int64(record.parts.count)
        let parts = parts.map { AuditStatement(event: .access($0), phase: .whole) }
        let whole = AuditStatement(event: .access(told), phase: answer.phase)
        // What was closed as interrupted says so already.
        let late = parts + (answer.phase == .interrupted ? [] : [whole])
        for (offset, one) in late.enumerated() {
            guard case .access(let record) = one.event, !one.claimsNoAnswer else { continue }
            withdraw(record, at: first + Int64(offset), reason(one))
        }
    }

    /// Ends as interrupted an access whose opening record became durable when it was given up already: nothing was
    /// forwarded.
    public func withdraw(_ receipt: consuming OpeningReceipt, _ record: AccessRecord) {
        guard record.decisionID == receipt.decisionID else { return }
        withdraw(record, at: receipt.sequence, "opened too late, and not forwarded")
    }

    private func withdraw(_ record: AccessRecord, at sequence: Int64, _ reason: String) {
        let mark = AuditStatement(event: .access(record.bounded()), phase: .whole)
            .interrupted(closing: sequence, reason: reason, at: clock.milliseconds())
        // A failure is the writer's to make up for: it keeps what closes another entry.
        writer.submit(mark) { _ in }
    }

    /// Writes the record of a step of authorization, or throws.
    public func record(_ record: AuthorizationRecord) async throws(AuditFailure) {
        _ = try await write(AuditStatement(event: .authorization(record.bounded()), phase: .whole)).get()
    }

    /// Writes the record of a step of authorization unless one with its id is there: for draining an outbox.
    public func recordOnce(_ record: AuthorizationRecord) async throws(AuditFailure) {
        let statement = AuditStatement(event: .authorization(record.bounded()), phase: .whole)
        _ = try await write(statement, once: true).get()
    }

    /// Writes records of steps of authorization in their order, each unless one with its id is there. All are handed to
    /// the writer at once, so that they share its commits. Throws the first failure; the others may have been written.
    public func recordOnce(_ records: [AuthorizationRecord]) async throws(AuditFailure) {
        guard !records.isEmpty else { return }
        let statements = records.map { AuditStatement(event: .authorization($0.bounded()), phase: .whole) }
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Void, AuditFailure>, Never>) in
            submit(statements, once: true) { continuation.resume(returning: $0) }
        }
        try result.get()
    }

    /// Writes the whole record of an access.
    public func record(_ record: AccessRecord) async throws(AuditFailure) -> ClosingReceipt {
        let statement = AuditStatement(event: .access(record.bounded()), phase: .whole)
        let sequence = try await write(statement, after: record.parts).get()
        return ClosingReceipt(decisionID: record.decisionID, sequence: sequence)
    }

    /// Writes the opening record of an access.
    public func open(_ record: AccessRecord) async throws(AuditFailure) -> OpeningReceipt {
        let statement = AuditStatement(event: .access(record.bounded()), phase: .opening)
        let sequence = try await write(statement).get()
        return OpeningReceipt(decisionID: record.decisionID, sequence: sequence)
    }

    /// Closes an access that was opened.
    public func close(_ receipt: consuming OpeningReceipt, _ record: AccessRecord) async throws(AuditFailure)
        -> ClosingReceipt
    {
        let decisionID = receipt.decisionID
        let sequence = receipt.sequence
        guard record.decisionID == decisionID else { throw .receiptOfAnotherDecision }
        let phase: AuditPhase = if case .interrupted = record.outcome { .interrupted } else { .closing }
        let statement = AuditStatement(event: .access(record.bounded()), phase: phase, closes: sequence)
        let last = try await write(statement, after: record.parts).get()
        return ClosingReceipt(decisionID: decisionID, sequence: last, phase: phase)
    }

    /// Closes as interrupted what earlier processes left open, of this node and, in their own chains, of any other, and says
    /// how many records there were.
    ///
    /// Blocks; call it at start, before requests are taken. What this process opened is left alone.
    @discardableResult public func recover() throws(AuditFailure) -> Int { try writer.recover() }

    /// How the recorder fares now.
    public var health: AuditHealth { writer.health }

    /// Takes no more records, makes durable those that wait, and returns when the thread has ended.
    public func shutdown() {
        writer.stop()
        writer.awaitEnd()
    }

    private func write(_ statement: AuditStatement, once: Bool = false) async -> Result<Int64, AuditFailure> {
        await withCheckedContinuation { continuation in
            writer.submit(statement, once: once) { continuation.resume(returning: $0) }
        }
    }

    private func write(
        _ statement: AuditStatement, after entries: [AccessRecord]
    ) async -> Result<Int64, AuditFailure> {
        await withCheckedContinuation { continuation in
            submit(statement, after: entries) { continuation.resume(returning: $0) }
        }
    }

    /// Hands a record to the writer with those of its entries, which are stored before it in the same transaction:
    /// whoever reads the whole finds its parts, and no part says that something left when the whole does not.
    private func submit(
        _ statement: AuditStatement, after entries: [AccessRecord], on delivery: AuditDelivery = .immediate,
        then completion: @escaping @Sendable (Result<Int64, AuditFailure>) -> Void
    ) {
        let parts = entries.map { AuditStatement(event: .access($0.bounded()), phase: .whole) }
        writer.submit(statement, parts: parts, on: delivery, completion: completion)
    }

    /// Hands records to the writer together, so that they share its commits; completes with the first failure.
    private func submit(
        _ statements: [AuditStatement], once: Bool,
        then completion: @escaping @Sendable (Result<Void, AuditFailure>) -> Void
    ) {
        let gathering = Gathering(count: statements.count)
        for statement in statements {
            writer.submit(statement, once: once) { outcome in
                if let end = gathering.add(outcome) { completion(end) }
            }
        }
    }

    /// Counts what came of several records. A class because their completions share it; the lock is `state`.
    private final class Gathering: Sendable {
        private let state: Mutex<(left: Int, failure: AuditFailure?)>

        init(count: Int) { state = Mutex((count, nil)) }

        /// The result of all, after the last one.
        func add(_ outcome: Result<Int64, AuditFailure>) -> Result<Void, AuditFailure>? {
            state.withLock { state in
                state.left -= 1
                if case .failure(let failure) = outcome, state.failure == nil { state.failure = failure }
                guard state.left == 0 else { return nil }
                if let failure = state.failure { return .failure(failure) }
                return .success(())
            }
        }
    }

    private static func closing(
        _ id: DecisionID, _ result: Result<Int64, AuditFailure>, _ phase: AuditPhase = .whole
    ) -> Result<ClosingReceipt, AuditFailure> {
        switch result {
        case .success(let sequence):
            .success(ClosingReceipt(decisionID: id, sequence: sequence, phase: phase))
        case .failure(let failure): .failure(failure)
        }
    }

    private static func opening(_ id: DecisionID, _ result: Result<Int64, AuditFailure>)
        -> Result<OpeningReceipt, AuditFailure>
    {
        switch result {
        case .success(let sequence): .success(OpeningReceipt(decisionID: id, sequence: sequence))
        case .failure(let failure): .failure(failure)
        }
    }
}
