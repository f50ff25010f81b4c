public import AccessPolicy
internal import FHIRCore
public import NIOCore
public import OAuthCore
internal import Synchronization

/// What is known about one protected server from its CapabilityStatement: the rules with the search parameters that it
/// supports, the public document, and what keeps it from being served.
///
/// The statement holds nobody's data and needs no token, so asking for it is neither decided nor recorded. Until it has
/// been read, no count inside a boundary is believed. A class because all connections share it; the lock is `kept`.
public final class CapabilitySource: Sendable {
    private struct Kept {
        var policy: ServerPolicy
        var document: PublicDocument?
        /// Why the server is not to be used; nil when its statement has been read and covered.
        var problem: String? = "the CapabilityStatement of the protected server has not been read yet"
        var distrusted: Set<ResourceType> = []
        /// Until then the protected server is not asked again, whether it answered or not.
        var settledUntil = Int64.min
        /// Who waits for the fetch that is under way on an event loop; no entry where none is.
        var waiting: [ObjectIdentifier: [NIOLoopBound<(PublicDocument?) -> Void>]] = [:]
    }

    private let endpoints: OAuthEndpoints
    private let clock: Clock
    /// Seconds after which the protected server is to be asked again.
    public let lifetime: Int64
    /// The same after it could not be asked.
    public let failureLifetime: Int64
    private let kept: Mutex<Kept>

    /// - Parameters:
    ///   - policy: the rules of the base, without what only the server can say.
    ///   - lifetime: seconds after which the protected server is asked again.
    ///   - failureLifetime: the same after it could not be asked.
    public init(
        policy: ServerPolicy, endpoints: OAuthEndpoints, clock: Clock, lifetime: Int64 = 300,
        failureLifetime: Int64 = 5
    ) {
        self.failureLifetime = failureLifetime
        self.endpoints = endpoints
        self.clock = clock
        self.lifetime = lifetime
        kept = Mutex(Kept(policy: policy))
    }

    /// The rules as they are known now.
    public var policy: ServerPolicy { kept.withLock(\.policy) }

    /// What is wrong with the protected server's statement, for readiness and for the log; nil when nothing is.
    public var problem: String? { kept.withLock(\.problem) }

    /// Notes that the server answered with rows that its own parameters exclude. Nothing it counts on that type is
    /// believed any more while this process runs.
    func distrust(_ type: ResourceType) {
        kept.withLock { kept in
            guard kept.distrusted.insert(type).inserted else { return }
            kept.policy = kept.policy.knowing(kept.policy.supportedParameters, distrusting: kept.distrusted)
        }
    }

    /// Asks the protected server now, and returns what is wrong afterwards.
    public func renew(over pools: UpstreamPools, on eventLoop: any EventLoop) async -> String? {
        await withCheckedContinuation { continuation in
            eventLoop.execute { [self] in
                let pool = pools.pool(on: eventLoop)
                CapabilityFetch(limit: pool.server.limits.answerBytes) { [self] bytes in
                    _ = take(bytes)
                    continuation.resume(returning: problem)
                }.start(over: pool)
            }
        }
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
        let document = take(bytes)
        let askers = kept.withLock { $0.waiting.removeValue(forKey: loop) ?? [] }
        for asker in askers { asker.value(document) }
    }

    /// Takes in what a fetch has brought: nil when it brought nothing. Returns the document that is now kept.
    ///
    /// A server that cannot be asked for a moment is still the one it was. One that says something else than before is
    /// believed at once, in both directions.
    private func take(_ bytes: [UInt8]?) -> PublicDocument? {
        let read = bytes.map { bytes -> Result<UpstreamCapabilities, UpstreamCapabilities.Unusable> in
            do throws(UpstreamCapabilities.Unusable) { return .success(try UpstreamCapabilities(bytes)) } catch {
                return .failure(error)
            }
        }
        let now = clock.now()
        return kept.withLock { kept in
            switch read {
            case .success(let capabilities):
                kept.policy = kept.policy.knowing(capabilities.parameters, distrusting: kept.distrusted)
                kept.document = PublicDocument(
                    CapabilityDocument.make(from: capabilities, policy: kept.policy, endpoints: endpoints))
                kept.problem = Self.problem(with: capabilities)
                kept.settledUntil = now + lifetime
            case .failure(let unusable):
                kept.policy = kept.policy.knowing(nil, distrusting: kept.distrusted)
                kept.document = nil
                kept.problem = unusable.description
                kept.settledUntil = now + failureLifetime
            case nil:
                kept.settledUntil = now + failureLifetime
            }
            return kept.document
        }
    }

    /// b.10: a type without a row is not exposed, and a server that has one is not taken into service unseen.
    private static func problem(with capabilities: UpstreamCapabilities) -> String? {
        guard !capabilities.typesWithoutRule.isEmpty else { return nil }
        let names = capabilities.typesWithoutRule.prefix(8).joined(separator: ", ")
        return "the protected server has types for which there is no rule: \(names)"
    }

    private static func answer(_ document: PublicDocument?, in format: AnswerFormat) -> WireAnswer {
        document.map { .publicDocument($0, in: format) }
            ?? .documentUnavailable(GatewayRefusal(.unreachable, changesUpstream: false), in: format)
    }
}

extension UpstreamCapabilities.Unusable {
    /// For the log and the readiness report.
    var description: String {
        switch self {
        case .notACapabilityStatement: "the protected server's `/metadata` is no CapabilityStatement of a server"
        case .notR4(let version): "the protected server speaks FHIR version `\(version)`, not R4"
        }
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

    func upstreamEnded() {
        if case .answer(_, let body) = buffer.reply { finish(body) } else { finish(nil) }
    }

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
