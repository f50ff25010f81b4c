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
        var document: PublicDocument?
        /// Until then the protected server is not asked again, whether it answered or not.
        var settledUntil = Int64.min
        /// Who waits for the fetch that is under way on an event loop; no entry where none is.
        var waiting: [ObjectIdentifier: [NIOLoopBound<(PublicDocument?) -> Void>]] = [:]
    }

    private let policy: ServerPolicy
    private let endpoints: OAuthEndpoints
    private let clock: Clock
    private let lifetime: Int64
    private let failureLifetime: Int64
    private let kept = Mutex(Kept())

    /// - Parameters:
    ///   - lifetime: seconds after which the protected server is asked again.
    ///   - failureLifetime: the same after it could not be asked.
    public init(
        policy: ServerPolicy, endpoints: OAuthEndpoints, clock: Clock, lifetime: Int64 = 300,
        failureLifetime: Int64 = 5
    ) {
        self.failureLifetime = failureLifetime
        self.policy = policy
        self.endpoints = endpoints
        self.clock = clock
        self.lifetime = lifetime
    }

    /// Answers with the document; an old one is better than none when the protected server cannot be asked.
    ///
    /// Anybody may ask, so asking costs the protected server at most one call per event loop at a time, and after a
    /// failure none for a while.
    func document(
        in format: AnswerFormat, over pool: UpstreamPool, answered: @escaping (WireAnswer) -> Void
    ) {
        let now = clock.now()
        let loop = ObjectIdentifier(pool.eventLoop)
        let asked: (PublicDocument?) -> Void = { answered(Self.answer($0, in: format)) }
        let asker = NIOLoopBound(asked, eventLoop: pool.eventLoop)
        let next: Step = kept.withLock { kept in
            if now < kept.settledUntil { return .answer(kept.document) }
            kept.waiting[loop, default: []].append(asker)
            return kept.waiting[loop]?.count == 1 ? .fetch : .wait
        }
        switch next {
        case .answer(let document): asked(document)
        case .wait: break
        case .fetch:
            CapabilityFetch(limit: pool.server.limits.answerBytes) { [self] in settle($0, on: loop) }.start(over: pool)
        }
    }

    private enum Step {
        case answer(PublicDocument?), fetch, wait
    }

    private func settle(_ bytes: [UInt8]?, on loop: ObjectIdentifier) {
        let made = bytes.flatMap { CapabilityDocument.make(from: $0, policy: policy, endpoints: endpoints) }
            .flatMap { PublicDocument($0) }
        let now = clock.now()
        let (document, askers) = kept.withLock { kept in
            if let made { kept.document = made }
            kept.settledUntil = now + (made == nil ? failureLifetime : lifetime)
            return (kept.document, kept.waiting.removeValue(forKey: loop) ?? [])
        }
        for asker in askers { asker.value(document) }
    }

    private static func answer(_ document: PublicDocument?, in format: AnswerFormat) -> WireAnswer {
        document.map { .publicDocument($0, in: format) }
            ?? .documentUnavailable(GatewayRefusal(.unreachable, changesUpstream: false), in: format)
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
        if buffer.append(Array(buffer: bytes)) != nil { finish(nil) }
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
