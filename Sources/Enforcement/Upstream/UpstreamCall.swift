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
final class UpstreamCall: Timed {
    let request: UpstreamRequest
    private let watch: DeadlineWatch
    private weak var receiver: (any UpstreamReceiver)?
    /// When the time from the first attempt to the last byte is up.
    private var lastMoment: NIODeadline
    private let allowedSilence: TimeAmount
    /// Since when the server has been silent; nil while nothing is asked of it.
    private var silentSince: NIODeadline?
    var watchPlace: Int?
    /// Whether the answer is not read at the moment, because nobody can take more of it.
    private var isHeld = false

    /// The connection that carries the call at the moment.
    weak var connection: UpstreamConnection?
    var hasBeenRetried = false
    /// The access token that it goes with, where the server wants one.
    var authorization: String?
    /// Whether the server has refused the token once; a second refusal is its answer.
    var hasRenewed = false
    private(set) var hasAnswerBegun = false
    private(set) var isOver = false

    init(
        request: UpstreamRequest, receiver: any UpstreamReceiver, limits: UpstreamLimits, watch: DeadlineWatch
    ) {
        self.request = request
        self.receiver = receiver
        self.watch = watch
        lastMoment = watch.now + .milliseconds(limits.callTimeoutMilliseconds)
        allowedSilence = .milliseconds(limits.readTimeoutMilliseconds)
        watch.add(self)
    }

    var due: NIODeadline { silentSince.map { min(lastMoment, $0 + allowedSilence) } ?? lastMoment }

    /// Gives the call up: the connection that carries it is closed, because its answer would be in the way.
    func cancel() {
        finish()
        connection?.close()
    }

    /// Starts watching for silence; each byte that comes moves the mark.
    func startListening() {
        silentSince = watch.now
        watch.sharpen(to: due)
    }

    /// The answer is one that is passed on while it comes: it may take longer, and its silence is still counted.
    func extend(to milliseconds: Int64) {
        lastMoment = watch.now + .milliseconds(milliseconds)
    }

    /// Reads no more of the answer until `resume`; meanwhile the server's silence is none.
    func hold() {
        guard !isOver, !isHeld else { return }
        isHeld = true
        silentSince = nil
        connection?.setReading(false)
    }

    /// Reads on.
    func resume() {
        guard !isOver, isHeld else { return }
        isHeld = false
        startListening()
        connection?.setReading(true)
    }

    func isOverdue() {
        guard !isOver else { return }
        let connection = connection
        fail(.timedOut)
        connection?.close()
    }

    func head(_ head: UpstreamHead) {
        guard !isOver else { return }
        silentSince = watch.now
        hasAnswerBegun = true
        receiver?.upstreamHead(head)
    }

    func body(_ bytes: ByteBuffer) {
        guard !isOver else { return }
        if !isHeld { silentSince = watch.now }
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
        watch.remove(self)
    }
}
