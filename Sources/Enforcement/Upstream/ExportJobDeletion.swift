public import AccessPolicy
public import NIOCore

/// Asks a protected server to delete an export that is over for us.
public enum ExportJobDeletion {
    /// The status of its answer; nil when there was none, or when the server may not be asked.
    public static func perform(
        _ job: ExportJob, over pools: UpstreamPools, on eventLoop: any EventLoop
    ) async -> Int? {
        guard let request = UpstreamRequest(deleting: job, at: pools.server) else { return nil }
        let promise = eventLoop.makePromise(of: Int?.self)
        eventLoop.execute {
            StatusFetch { promise.succeed($0) }.start(request, over: pools.pool(on: eventLoop))
        }
        return (try? await promise.futureResult.get()) ?? nil
    }
}

/// One call of which only the status matters; holds itself until it is over. A class because the call reports to it.
private final class StatusFetch: UpstreamReceiver {
    private var call: UpstreamCall?
    private var itself: StatusFetch?
    private var ended: ((Int?) -> Void)?

    init(ended: @escaping (Int?) -> Void) { self.ended = ended }

    func start(_ request: UpstreamRequest, over pool: UpstreamPool) {
        itself = self
        call = pool.send(request, to: self)
        if ended == nil { call = nil }
    }

    func upstreamHead(_ head: UpstreamHead) { finish(head.status) }

    func upstreamBody(_ bytes: ByteBuffer) {}

    func upstreamEnded() { finish(nil) }

    func upstreamFailed(_ failure: UpstreamFailure) { finish(nil) }

    private func finish(_ status: Int?) {
        guard let ended else { return }
        self.ended = nil
        if let call, !call.isOver { call.cancel() }
        call = nil
        ended(status)
        itself = nil
    }
}
