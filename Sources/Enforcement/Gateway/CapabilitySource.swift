public import AccessPolicy
internal import FHIRCore
internal import NIOCore
public import OAuthCore
internal import Synchronization

/// Keeps the public CapabilityStatement of one FHIR base and makes it anew from the protected server's when it is old.
///
/// It holds nobody's data and needs no token, so it is neither decided nor recorded. A class because all connections
/// share what is kept; the lock is `kept`.
public final class CapabilitySource: Sendable {
    private struct Kept {
        let document: [UInt8]
        let freshUntil: Int64
    }

    private let policy: ServerPolicy
    private let endpoints: OAuthEndpoints
    private let clock: Clock
    private let lifetime: Int64
    private let kept = Mutex<Kept?>(nil)

    /// - Parameter lifetime: seconds after which the protected server is asked again.
    public init(policy: ServerPolicy, endpoints: OAuthEndpoints, clock: Clock, lifetime: Int64 = 300) {
        self.policy = policy
        self.endpoints = endpoints
        self.clock = clock
        self.lifetime = lifetime
    }

    /// Answers with the document; an old one is better than none when the protected server cannot be asked.
    func document(over pool: UpstreamPool, answered: @escaping (WireAnswer) -> Void) {
        let now = clock.now()
        let known = kept.withLock { $0 }
        if let known, now < known.freshUntil { return answered(.publicDocument(known.document)) }
        CapabilityFetch(limit: pool.server.limits.answerBytes) { [self] bytes in
            let made = bytes.flatMap { CapabilityDocument.make(from: $0, policy: policy, endpoints: endpoints) }
            if let made {
                kept.withLock { $0 = Kept(document: made, freshUntil: now + lifetime) }
                answered(.publicDocument(made))
            } else if let known {
                answered(.publicDocument(known.document))
            } else {
                answered(.documentUnavailable(GatewayRefusal(.unreachable, changesUpstream: false)))
            }
        }.start(over: pool)
    }
}

/// One fetch of the protected server's CapabilityStatement; holds itself until it is over.
private final class CapabilityFetch: UpstreamReceiver {
    private var buffer: AnswerBuffer
    private var call: UpstreamCall?
    private var itself: CapabilityFetch?
    private var ended: (([UInt8]?) -> Void)?

    init(limit: Int, ended: @escaping ([UInt8]?) -> Void) {
        buffer = AnswerBuffer(limit: limit)
        self.ended = ended
    }

    func start(over pool: UpstreamPool) {
        itself = self
        call = pool.send(.capabilities, to: self)
        if ended == nil { call = nil }
    }

    func upstreamHead(_ head: UpstreamHead) {
        if buffer.begin(head) != nil || head.status != 200 { finish(nil) }
    }

    func upstreamBody(_ bytes: ByteBuffer) {
        if buffer.append(Array(bytes.readableBytesView)) != nil { finish(nil) }
    }

    func upstreamEnded() { finish(buffer.body) }

    func upstreamFailed(_ failure: UpstreamFailure) { finish(nil) }

    private func finish(_ bytes: [UInt8]?) {
        guard let ended else { return }
        self.ended = nil
        if let call, !call.isOver { call.cancel() }
        call = nil
        ended(bytes)
        itself = nil
    }
}
