import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A loopback server over TLS, for `localhost` by the test authority, that answers as it is told and remembers what it
/// was asked. A class because the test and the connections share what was seen; the lock is `state`.
final class TLSPublisher: Sendable {
    struct Request: Sendable {
        var head: HTTPRequestHead
        var body = ""
    }

    struct Answer: Sendable {
        var status: HTTPResponseStatus
        var headers: [(String, String)] = []
        var body: String
    }

    /// A file under `fixtures/keys`.
    static func fixture(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "fixtures/keys/\(name)").path
    }

    static let authority = fixture("upstream/test-upstream-ca.pem")

    private let requests = Mutex<[Request]>([])
    private let channel = Mutex<(any Channel)?>(nil)

    var seen: [Request] { requests.withLock { $0 } }
    var port: Int { channel.withLock { $0?.localAddress?.port ?? 0 } }
    var url: String { "https://localhost:\(port)/jwks" }

    /// Starts one, as `localhost` unless another certificate of `fixtures/keys` is named; an answer of nil is none at all.
    static func start(
        as certificate: String = "upstream/test-upstream-server", _ answer: @escaping @Sendable (Request) -> Answer?
    ) async throws -> TLSPublisher {
        let publisher = TLSPublisher()
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(fixture("\(certificate).pem"))
                    .map { .certificate($0) },
                privateKey: .privateKey(
                    try NIOSSLPrivateKey(file: fixture("\(certificate)-key.pem"), format: .pem))))
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(NIOSSLServerHandler(context: context))
                    try pipeline.configureHTTPServerPipeline()
                    try pipeline.addHandler(
                        AnsweringHandler { request in
                            publisher.requests.withLock { $0.append(request) }
                            return answer(request)
                        })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        publisher.channel.withLock { $0 = channel }
        return publisher
    }

    func stop() { channel.withLock { $0?.close(promise: nil) } }
}

private final class AnsweringHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answer: (TLSPublisher.Request) -> TLSPublisher.Answer?
    private var request: TLSPublisher.Request?

    init(_ answer: @escaping (TLSPublisher.Request) -> TLSPublisher.Answer?) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): request = .init(head: head)
        case .body(let part): request?.body += String(buffer: part)
        case .end:
            guard let request, let answer = answer(request) else { return }
            var headers = HTTPHeaders(answer.headers)
            headers.add(name: "content-length", value: String(answer.body.utf8.count))
            context.write(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers))),
                promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}

/// A proxy that leads every tunnel to one port of this machine. A class because the test and the connections share what
/// was asked; the lock is `lines`.
final class TunnelProxy: Sendable {
    private let lines = Mutex<[String]>([])
    private let channel = Mutex<(any Channel)?>(nil)

    var asked: [String] { lines.withLock { $0 } }
    var port: Int { channel.withLock { $0?.localAddress?.port ?? 0 } }

    static func start(to target: Int) async throws -> TunnelProxy {
        let proxy = TunnelProxy()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        TunnelHandler(target: target) { line in proxy.lines.withLock { $0.append(line) } })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        proxy.channel.withLock { $0 = channel }
        return proxy
    }

    func stop() { channel.withLock { $0?.close(promise: nil) } }
}

private final class TunnelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let target: Int
    private let note: (String) -> Void
    private var peer: (any Channel)?

    init(target: Int, note: @escaping (String) -> Void) {
        self.target = target
        self.note = note
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if let peer { return peer.writeAndFlush(bytes, promise: nil) }
        note(String(String(buffer: bytes).prefix { $0 != "\r\n" }))
        let channel = context.channel
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        ClientBootstrap(group: context.eventLoop)
            .channelInitializer { peer in
                peer.eventLoop.makeCompletedFuture {
                    try peer.pipeline.syncOperations.addHandler(BackHandler(to: channel))
                }
            }
            .connect(host: "127.0.0.1", port: target).whenSuccess { peer in
                handler.value.peer = peer
                channel.writeAndFlush(ByteBuffer(string: "HTTP/1.1 200 Connected\r\n\r\n"), promise: nil)
            }
    }

    func channelInactive(context: ChannelHandlerContext) { peer?.close(promise: nil) }
}

private final class BackHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let channel: any Channel

    init(to channel: any Channel) { self.channel = channel }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        channel.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { channel.close(promise: nil) }
}
