import AsyncHTTPClient
import NIOCore
import NIOPosix
import RequirementTraits
import Synchronization
import Testing

@testable import Audit
@testable import ChaperoneServer

/// A receiver over HTTP that does not answer to the end.
@Suite(.verifies("audit@feeds-notice"), .timeLimit(.minutes(2))) struct HTTPFeedTests {
    private static let checkpoint = AuditFeedBatch(
        items: [
            .checkpoint(StoredAuditCheckpoint(position: 1, node: "n", number: 1, sequence: 1, compact: "compact-1"))
        ], through: 1)

    /// What a receiver says, piece by piece, before it is silent for good.
    @Test(arguments: [
        [],
        ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"],
        ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", "half "],
        ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r\n"],
    ]) func `an answer that does not end fails, and holds the feed no longer`(pieces: [String]) async throws {
        let receiver = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(StallingHandler(pieces))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let client = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        let port = try #require(receiver.localAddress?.port)
        var http = HTTPTransport(
            url: "http://127.0.0.1:\(port)/", form: .lines, authorization: nil,
            system: AuditSystem(name: "c", fhirBase: "https://f", issuer: "https://i"), client: client)
        http.patience = .milliseconds(300)
        let feed = http.transport

        await #expect(throws: (any Error).self) { try await feed.send(Self.checkpoint) }

        try await client.shutdown()
        try await receiver.close().get()
    }
}

/// Answers the first that it reads with its pieces, and then nothing more.
private final class StallingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var pieces: [String]

    init(_ pieces: [String]) { self.pieces = pieces }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        for piece in pieces { context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: piece)), promise: nil) }
        pieces = []
    }
}
