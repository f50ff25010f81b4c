internal import AccessPolicy
public import FHIRCore
public import NIOCore

/// Asks the protected server who bears an identifier, for the member directory of a site.
///
/// It is the site's own question, like the one for a user's panel: it holds an identifier that an identity provider
/// vouched for and nothing of a client's request, goes out by the same connections, and its answer reaches no client.
public struct IdentityReader: Sendable {
    private let pools: UpstreamPools
    private let group: any EventLoopGroup

    /// The protected server did not answer as it should.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    public init(pools: UpstreamPools, group: any EventLoopGroup) {
        self.pools = pools
        self.group = group
    }

    /// The searchset of all resources of a type that bear an identifier.
    public func search(_ type: ResourceType, system: String, value: String) async throws -> JSONValue {
        try await document(UpstreamRequest(bearersOf: type, system: system, value: value), absence: nil)
    }

    /// One resource by its id; nil when it is not there.
    public func read(_ key: InstanceKey) async throws -> JSONValue? {
        let value = try await document(UpstreamRequest(identity: key), absence: .null)
        return value == .null ? nil : value
    }

    private func document(_ request: UpstreamRequest, absence: JSONValue?) async throws -> JSONValue {
        let eventLoop = group.next()
        let promise = eventLoop.makePromise(of: (status: Int, body: [UInt8])?.self)
        eventLoop.execute { [pools] in
            let pool = pools.pool(on: eventLoop)
            IdentityFetch(limit: pool.server.limits.answerBytes) { promise.succeed($0) }.start(request, over: pool)
        }
        guard let answer = try await promise.futureResult.get() else {
            throw Failure(description: "the protected server does not answer")
        }
        if let absence, [404, 410].contains(answer.status) { return absence }
        guard answer.status == 200 else {
            throw Failure(description: "the protected server answered \(answer.status) to a question for an identifier")
        }
        return try JSONValue(parsing: answer.body)
    }
}

/// One such question; holds itself until it is over.
private final class IdentityFetch: UpstreamReceiver {
    private var buffer: AnswerBuffer
    private var status = 0
    private var call: UpstreamCall?
    private var itself: IdentityFetch?
    private var ended: (((status: Int, body: [UInt8])?) -> Void)?

    init(limit: Int, ended: @escaping ((status: Int, body: [UInt8])?) -> Void) {
        buffer = AnswerBuffer(limit: limit)
        self.ended = ended
    }

    func start(_ request: UpstreamRequest, over pool: UpstreamPool) {
        itself = self
        call = pool.send(request, to: self)
        if ended == nil { call = nil }
    }

    func upstreamHead(_ head: UpstreamHead) {
        status = head.status
        if buffer.begin(head) != nil { finish(nil) }
    }

    func upstreamBody(_ bytes: ByteBuffer) {
        if buffer.append(Array(buffer: bytes)) != nil { finish(nil) }
    }

    func upstreamEnded() {
        if case .answer(_, let body) = buffer.reply { finish((status, body)) } else { finish(nil) }
    }

    func upstreamFailed(_ failure: UpstreamFailure) { finish(nil) }

    private func finish(_ answer: (status: Int, body: [UInt8])?) {
        guard let ended else { return }
        self.ended = nil
        if let call, !call.isOver { call.cancel() }
        call = nil
        ended(answer)
        itself = nil
    }
}
