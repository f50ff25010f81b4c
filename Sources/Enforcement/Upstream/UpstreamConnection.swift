internal import NIOCore
internal import NIOHTTP1

/// One HTTP/1.1 connection to the protected server; carries one call at a time.
///
/// A class because NIO's handlers are; confined to its channel's event loop.
final class UpstreamConnection: ChannelInboundHandler, Timed {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let pool: UpstreamPool
    private var context: ChannelHandlerContext?
    private var call: UpstreamCall?
    private var isReused = false
    /// Whether something of the first call has been handed to the network: from then on it may have been carried out.
    private var hasLeft = false
    private var isKeptAlive = false
    /// Whether the answer that is coming in is a refusal of our token, which nobody hears of.
    private var isRefusal = false
    private var isClosing = false
    private var isReading = true
    /// The answer to its last call is whole, and what came with it has still to be looked at.
    private var isAnswered = false
    private(set) var idleSince = NIODeadline.now()
    private(set) var due = NIODeadline.distantFuture
    var watchPlace: Int?
    /// Set once the pool has it in its books.
    var isCounted = false

    init(pool: UpstreamPool) {
        self.pool = pool
    }

    var isUsable: Bool { context?.channel.isActive == true && !isClosing && call == nil }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Whether what the server sends is read; not while nobody can take more of it (back-pressure).
    func setReading(_ reads: Bool) {
        guard reads != isReading, let context else { return }
        isReading = reads
        // INVARIANT: an option of a channel of our own kind, set on its loop; it cannot fail while the channel lives, and
        // one that does not live reads nothing.
        try? context.channel.syncOptions?.setOption(.autoRead, value: reads)
    }

    func close() {
        isClosing = true
        pool.watch.remove(self)
        context?.close(promise: nil)
    }

    /// It has nothing to do; if that stays so for a while it is closed.
    func rest(for allowed: TimeAmount) {
        idleSince = pool.watch.now
        due = idleSince + allowed
        pool.watch.add(self)
    }

    func isOverdue() {
        if call == nil { close() }
    }

    func perform(_ call: UpstreamCall, isReused: Bool) {
        pool.watch.remove(self)
        guard let context, !isClosing else { return call.fail(.interrupted) }
        self.call = call
        self.isReused = isReused
        isKeptAlive = false
        isRefusal = false
        call.connection = self
        call.startListening()
        let request = call.request
        let head = HTTPRequestHead(
            version: .http1_1, method: request.method.nio, uri: request.target(in: pool.server),
            headers: request.headers(beside: pool.fixedHeaders, authorization: call.authorization))
        context.write(wrapOutboundOut(.head(head)), promise: isReused ? nil : leaving(context))
        if !request.body.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: request.body)))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    /// Kept when the head of the first call has gone to the network; under TLS that is after the handshake.
    private func leaving(_ context: ChannelHandlerContext) -> EventLoopPromise<Void> {
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess { [self] in hasLeft = true }
        return promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let call else {
            // Bytes that nobody asked for: what follows on this connection cannot be trusted.
            return close()
        }
        switch unwrapInboundIn(data) {
        case .head(let head):
            // After 101 the bytes are no longer HTTP.
            isKeptAlive = head.isKeepAlive && head.status != .switchingProtocols
            isRefusal = head.status == .unauthorized && call.authorization != nil && !call.hasRenewed
            if !isRefusal { call.head(UpstreamHead(head)) }
        case .body(let bytes):
            if !isRefusal { call.body(bytes) }
        case .end:
            self.call = nil
            call.connection = nil
            setReading(true)
            let canCarryMore = isKeptAlive && !isClosing && !call.isOver && context.channel.isActive
            if canCarryMore { isAnswered = true } else { close() }
            // What was refused for its token was not carried out, so also a write may be sent again.
            if isRefusal { pool.renew(call) } else { call.end() }
        }
    }

    /// Back to the pool when everything that was read together with the answer has been looked at: bytes that nobody
    /// asked for close the connection, and are not taken for the answer to the next call.
    func channelReadComplete(context: ChannelHandlerContext) {
        if isAnswered {
            isAnswered = false
            if isUsable { pool.release(self) }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(with: .interrupted)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(with: failure(for: error))
        context.close(promise: nil)
    }

    private func failure(for error: any Error) -> UpstreamFailure {
        if error is HTTPParserError || error is NIOHTTPDecoderError { return .malformed }
        // A new connection that fails before anything was sent over it, as in its handshake. Afterwards a server that has
        // done what it was asked can end in the same way: by a reset, or under TLS by any end that it does not announce.
        return isReused || hasLeft ? .interrupted : .unreachable
    }

    private func finish(with failure: UpstreamFailure) {
        isClosing = true
        pool.watch.remove(self)
        let ended = call
        call = nil
        ended?.connection = nil
        if isCounted { pool.closed(self) }
        guard let ended else { return }
        // RFC 9110 §9.2.2: only a safe request may be repeated, once, and only if no byte of an answer came and the
        // connection was an old one that the server may have closed before it saw the request.
        let mayRepeat =
            failure == .interrupted && isReused && !ended.hasAnswerBegun && !ended.hasBeenRetried
            && ended.request.method == .get
        if mayRepeat { pool.retry(ended) } else { ended.fail(failure) }
    }
}

extension UpstreamRequest.Method {
    var nio: HTTPMethod {
        switch self {
        case .get: .GET
        case .post: .POST
        case .put: .PUT
        case .delete: .DELETE
        }
    }
}

extension UpstreamHead {
    init(_ head: HTTPResponseHead) {
        self.init(status: Int(head.status.code))
        // Of each the first, in one pass; but two content types, or two codings, are none that we know.
        var types = 0
        for (name, value) in head.headers {
            if name.equalsIgnoringCase("content-type") {
                types += 1
                contentType = types == 1 ? value : nil
            } else if name.equalsIgnoringCase("content-encoding") {
                contentEncoding = contentEncoding.map { "\($0),\(value)" } ?? value
            } else if etag == nil, name.equalsIgnoringCase("etag") {
                etag = value
            } else if lastModified == nil, name.equalsIgnoringCase("last-modified") {
                lastModified = value
            } else if location == nil, name.equalsIgnoringCase("location") {
                location = value
            } else if contentLocation == nil, name.equalsIgnoringCase("content-location") {
                contentLocation = value
            } else if contentLength == nil, name.equalsIgnoringCase("content-length") {
                contentLength = Int(value)
            }
        }
    }
}
