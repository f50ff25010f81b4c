import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A protected server on a loopback socket that does what the test says, good or bad.
final class LoopbackUpstream: Sendable {
    /// What it does with one request.
    enum Conduct: Sendable {
        case answer(Int, String, headers: [(String, String)] = [])
        case bytes(Int, [UInt8], headers: [(String, String)] = [])
        /// Nothing, ever.
        case silence
        /// A first part of an answer, and then nothing.
        case stall
        /// Closes the connection without a word.
        case hangUp
        /// Ends the connection without announcing it under TLS: by a reset, or by an end in good order.
        case die(reset: Bool)
        /// Answers and closes, without having said so.
        case answerAndHangUp(String)
        /// A body without end.
        case endless
        /// Bytes as they stand.
        case raw(String)
        /// Pieces by their number, as fast as they are taken, and then an end.
        case pieces(Int, @Sendable (Int) -> String, end: End)
    }

    /// How an answer in pieces ends.
    enum End: Sendable {
        case whole, hangUp, stall
    }

    struct Seen: Sendable {
        let method: String
        let target: String
        let headers: [(name: String, value: String)]
        let body: String
        let connection: Int
    }

    private let channel: any Channel
    private let log: Log
    let port: Int

    final class Log: Sendable {
        let seen = Mutex<[Seen]>([])
        let connections = Mutex(0)
        let sent = Mutex(0)
    }

    var seen: [Seen] { log.seen.withLock { $0 } }
    var connections: Int { log.connections.withLock { $0 } }
    /// Bytes of endless bodies that the socket took.
    var sent: Int { log.sent.withLock { $0 } }

    static func start(
        tls: NIOSSLContext? = nil, _ conduct: @escaping @Sendable (Seen) -> Conduct
    ) async throws -> LoopbackUpstream {
        let log = Log()
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = log.connections.withLock { count in
                        count += 1
                        return count
                    }
                    let operations = channel.pipeline.syncOperations
                    if let tls { try operations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try operations.configureHTTPServerPipeline(withErrorHandling: false)
                    try operations.addHandler(UpstreamConduct(log: log, connection: number, conduct: conduct))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return LoopbackUpstream(channel: channel, log: log)
    }

    private init(channel: any Channel, log: Log) {
        self.channel = channel
        self.log = log
        port = channel.localAddress?.port ?? 0
    }

    func stop() async throws { try await channel.close() }
}

private final class UpstreamConduct: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let log: LoopbackUpstream.Log
    private let connection: Int
    private let conduct: @Sendable (LoopbackUpstream.Seen) -> LoopbackUpstream.Conduct
    private var head: HTTPRequestHead?
    private var body = ""
    private var isEndless = false

    init(
        log: LoopbackUpstream.Log, connection: Int,
        conduct: @escaping @Sendable (LoopbackUpstream.Seen) -> LoopbackUpstream.Conduct
    ) {
        self.log = log
        self.connection = connection
        self.conduct = conduct
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = ""
        case .body(let bytes): body += String(buffer: bytes)
        case .end:
            guard let head else { return }
            let seen = LoopbackUpstream.Seen(
                method: head.method.rawValue, target: head.uri, headers: head.headers.map { ($0.name, $0.value) },
                body: body, connection: connection)
            log.seen.withLock { $0.append(seen) }
            act(conduct(seen), context)
        }
    }

    private func act(_ conduct: LoopbackUpstream.Conduct, _ context: ChannelHandlerContext) {
        switch conduct {
        case .answer(let status, let text, let headers): answer(status, text, headers, context)
        case .bytes(let status, let bytes, let headers):
            writeHead(status, [("content-length", String(bytes.count))] + headers, context)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        case .silence: break
        case .stall:
            writeHead(200, [("content-length", "100")], context)
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "{")))), promise: nil)
        case .hangUp: context.close(promise: nil)
        case .die(let reset): die(reset, context)
        case .answerAndHangUp(let text):
            answer(200, text, [], context)
            context.close(promise: nil)
        case .endless:
            writeHead(200, [("transfer-encoding", "chunked")], context)
            isEndless = true
            pour(context)
        case .pieces(let count, let piece, let end):
            writeHead(200, [("transfer-encoding", "chunked")], context)
            isEndless = true
            send(0, of: count, piece, end, context)
        case .raw(let text):
            // Around the codec, so that it can be as wrong as it likes.
            let first = try? context.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
            first?.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
        }
    }

    private func die(_ reset: Bool, _ context: ChannelHandlerContext) {
        if reset {
            // A close that does not linger is a reset.
            _ = (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }
        // From beyond TLS, which would say that this is the end.
        let operations = context.pipeline.syncOperations
        let tls = try? operations.context(handlerType: NIOSSLServerHandler.self)
        (tls ?? context).close(promise: nil)
    }

    private func writeHead(_ status: Int, _ headers: [(String, String)], _ context: ChannelHandlerContext) {
        let all = [("content-type", "application/fhir+json")] + headers
        context.write(
            wrapOutboundOut(
                .head(
                    HTTPResponseHead(
                        version: .http1_1, status: .init(statusCode: status), headers: HTTPHeaders(all)))),
            promise: nil)
    }

    private func answer(
        _ status: Int, _ text: String, _ headers: [(String, String)], _ context: ChannelHandlerContext
    ) {
        writeHead(status, [("content-length", String(text.utf8.count))] + headers, context)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private func send(
        _ number: Int, of count: Int, _ piece: @escaping @Sendable (Int) -> String, _ end: LoopbackUpstream.End,
        _ context: ChannelHandlerContext
    ) {
        guard isEndless, context.channel.isActive else { return }
        guard number < count else {
            switch end {
            case .whole: context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            case .hangUp: context.close(promise: nil)
            case .stall: break
            }
            return
        }
        let bytes = ByteBuffer(string: piece(number))
        let size = bytes.readableBytes
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(bytes)))).whenSuccess { [log] in
            log.sent.withLock { $0 += size }
            // Later, and not deeper: a socket that takes everything at once would fill the stack.
            loopBound.value.1.eventLoop.execute {
                let (handler, context) = loopBound.value
                handler.send(number + 1, of: count, piece, end, context)
            }
        }
    }

    private func pour(_ context: ChannelHandlerContext) {
        guard isEndless, context.channel.isActive, context.channel.isWritable else { return }
        let piece = ByteBuffer(repeating: 0x20, count: 64 << 10)
        let loopBound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(piece)))).whenSuccess { [log] in
            log.sent.withLock { $0 += 64 << 10 }
            let (handler, context) = loopBound.value
            handler.pour(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { isEndless = false }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
