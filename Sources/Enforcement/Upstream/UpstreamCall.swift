internal import NIOCore
internal import NIOHTTP1

/// What hears about one upstream call, on the event loop that made it. After `upstreamEnded` or `upstreamFailed`
/// nothing more is reported.
protocol UpstreamReceiver: AnyObject {
    func upstreamHead(_ head: UpstreamHead)
    func upstreamBody(_ bytes: ByteBuffer)
    func upstreamEnded()
    func upstreamFailed(_ failure: UpstreamFailure)
}

/// One request on its way to the protected server and back.
///
/// A class because connection, pool and receiver hold the same call; confined to one event loop.
final class UpstreamCall {
    let request: UpstreamRequest
    private let limits: UpstreamLimits
    private let eventLoop: any EventLoop
    private weak var receiver: (any UpstreamReceiver)?
    private var totalTimeout: Scheduled<Void>?
    private var readTimeout: Scheduled<Void>?
    private var lastProgress: NIODeadline

    /// The connection that carries the call at the moment.
    weak var connection: UpstreamConnection?
    var hasBeenRetried = false
    private(set) var hasAnswerBegun = false
    private(set) var isOver = false

    init(request: UpstreamRequest, receiver: any UpstreamReceiver, limits: UpstreamLimits, eventLoop: any EventLoop) {
        self.request = request
        self.receiver = receiver
        self.limits = limits
        self.eventLoop = eventLoop
        lastProgress = .now()
    }

    /// Gives the call up: the connection that carries it is closed, because its answer would be in the way.
    func cancel() {
        finish()
        connection?.close()
    }

    func armTotalTimeout() {
        let loopBound = NIOLoopBound(self, eventLoop: eventLoop)
        totalTimeout = eventLoop.scheduleTask(in: .milliseconds(limits.callTimeoutMilliseconds)) {
            loopBound.value.timeOut()
        }
    }

    /// Starts watching for silence; each byte that comes moves the mark, one timer runs at a time.
    func armReadTimeout() {
        lastProgress = .now()
        readTimeout?.cancel()
        scheduleReadTimeout(in: .milliseconds(limits.readTimeoutMilliseconds))
    }

    private func scheduleReadTimeout(in delay: TimeAmount) {
        let loopBound = NIOLoopBound(self, eventLoop: eventLoop)
        readTimeout = eventLoop.scheduleTask(in: delay) { loopBound.value.checkSilence() }
    }

    private func checkSilence() {
        guard !isOver else { return }
        let allowed = TimeAmount.milliseconds(limits.readTimeoutMilliseconds)
        let silence = NIODeadline.now() - lastProgress
        guard silence >= allowed else { return scheduleReadTimeout(in: allowed - silence) }
        timeOut()
    }

    private func timeOut() {
        guard !isOver else { return }
        let connection = connection
        fail(.timedOut)
        connection?.close()
    }

    func head(_ head: UpstreamHead) {
        guard !isOver else { return }
        lastProgress = .now()
        hasAnswerBegun = true
        receiver?.upstreamHead(head)
    }

    func body(_ bytes: ByteBuffer) {
        guard !isOver else { return }
        lastProgress = .now()
        receiver?.upstreamBody(bytes)
    }

    func end() {
        guard !isOver else { return }
        finish()
        receiver?.upstreamEnded()
    }

    func fail(_ failure: UpstreamFailure) {
        guard !isOver else { return }
        finish()
        receiver?.upstreamFailed(failure)
    }

    private func finish() {
        isOver = true
        totalTimeout?.cancel()
        readTimeout?.cancel()
        totalTimeout = nil
        readTimeout = nil
    }
}
