import NIOCore
import NIOHTTP1
import NIOPosix

/// A loopback server that answers every request with one JSON document.
struct KeyPublisher {
    private let channel: any Channel
    var port: Int { channel.localAddress?.port ?? 0 }

    static func start(_ document: [UInt8]) async throws -> KeyPublisher {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(DocumentHandler(document))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return KeyPublisher(channel: channel)
    }

    func stop() async throws { try await channel.close() }
}

private final class DocumentHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let document: [UInt8]

    init(_ document: [UInt8]) { self.document = document }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        let headers = HTTPHeaders([
            ("content-type", "application/json"), ("content-length", String(document.count)),
        ])
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: document)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
