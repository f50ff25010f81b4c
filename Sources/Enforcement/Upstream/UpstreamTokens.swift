internal import NIOCore
internal import OAuthCore
internal import Synchronization

/// The access token of one protected server, shared by all event loops: at most one request for a new one is under way,
/// and it is renewed before it ends.
///
/// A class because all pools share it; the lock is `state`.
final class UpstreamTokens: Sendable {
    private struct State {
        var token: UpstreamToken?
        var isFetching = false
        /// After a failure nobody asks again before this moment.
        var closedUntil = Int64.min
        var waiting: [Waiter] = []
    }

    private struct Waiter: Sendable {
        let eventLoop: any EventLoop
        let answer: NIOLoopBound<(String?) -> Void>
    }

    private enum Step {
        case answer(String?), wait
    }

    private let source: UpstreamTokenSource
    private let clock: @Sendable () -> Int64
    private let state = Mutex(State())
    /// How long after a failure the token endpoint is left alone.
    private static let pause: Int64 = 1_000

    init(source: UpstreamTokenSource, clock: @escaping @Sendable () -> Int64) {
        self.source = source
        self.clock = clock
    }

    /// Gives the value of the `Authorization` header, now or when it is there; nil when none can be had. Must be called on
    /// the pool's loop, and answers there.
    ///
    /// - Parameters:
    ///   - refused: a value that the protected server has just refused; it is not given again.
    ///   - pool: the connections to the token endpoint on this loop.
    func authorization(refused: String? = nil, over pool: UpstreamPool, _ answer: @escaping (String?) -> Void) {
        let now = clock()
        let waiter = Waiter(eventLoop: pool.eventLoop, answer: NIOLoopBound(answer, eventLoop: pool.eventLoop))
        let (step, fetches) = state.withLock { state -> (Step, Bool) in
            if let refused, state.token?.authorization == refused { state.token = nil }
            let good = state.token.flatMap { now < $0.expiresAt ? $0 : nil }
            let wantsNew = good.map { now >= $0.renewsAt } ?? true
            let fetches = wantsNew && !state.isFetching && now >= state.closedUntil
            if fetches { state.isFetching = true }
            if let good { return (.answer(good.authorization), fetches) }
            guard state.isFetching else { return (.answer(nil), false) }
            state.waiting.append(waiter)
            return (.wait, fetches)
        }
        if fetches { UpstreamTokenFetch { [self] in settle($0, $1) }.start(source.request, over: pool) }
        if case .answer(let value) = step { answer(value) }
    }

    private func settle(_ status: Int, _ body: [UInt8]) {
        let now = clock()
        let token = UpstreamToken(status, body, at: now)
        let (value, waiting) = state.withLock { state -> (String?, [Waiter]) in
            if let token { state.token = token } else { state.closedUntil = now + Self.pause }
            state.isFetching = false
            defer { state.waiting = [] }
            return ((state.token.flatMap { now < $0.expiresAt ? $0 : nil })?.authorization, state.waiting)
        }
        for waiter in waiting { waiter.eventLoop.execute { waiter.answer.value(value) } }
    }
}

/// One request for a token; holds itself until it is over.
private final class UpstreamTokenFetch: UpstreamReceiver {
    private var buffer = AnswerBuffer(limit: 64 << 10)
    private var call: UpstreamCall?
    private var itself: UpstreamTokenFetch?
    private var ended: ((Int, [UInt8]) -> Void)?

    init(ended: @escaping (Int, [UInt8]) -> Void) { self.ended = ended }

    func start(_ request: UpstreamRequest, over pool: UpstreamPool) {
        itself = self
        call = pool.send(request, to: self)
        if ended == nil { call = nil }
    }

    func upstreamHead(_ head: UpstreamHead) {
        if buffer.begin(head) != nil { finish(0, []) }
    }

    func upstreamBody(_ bytes: ByteBuffer) {
        if buffer.append(Array(bytes.readableBytesView)) != nil { finish(0, []) }
    }

    func upstreamEnded() {
        if case .answer(let head, let body) = buffer.reply { finish(head.status, body) } else { finish(0, []) }
    }

    func upstreamFailed(_ failure: UpstreamFailure) { finish(0, []) }

    private func finish(_ status: Int, _ body: [UInt8]) {
        guard let ended else { return }
        self.ended = nil
        if let call, !call.isOver { call.cancel() }
        call = nil
        ended(status, body)
        itself = nil
    }
}
