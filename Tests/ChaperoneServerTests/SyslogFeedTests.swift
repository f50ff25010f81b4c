import NIOCore
import NIOPosix
import NIOSSL
import RequirementTraits
import Synchronization
import Testing

@testable import Audit
@testable import ChaperoneServer

/// Syslog acknowledges nothing, so what counts as delivered is what the receiver's machine has taken.
@Suite(.verifies("audit@feeds", "audit@feeds-notice"), .timeLimit(.minutes(2))) struct SyslogFeedTests {
    private func checkpoint(_ size: Int) -> AuditFeedBatch {
        AuditFeedBatch(
            items: [
                .checkpoint(
                    StoredAuditCheckpoint(
                        position: 1, node: "n", number: 1, sequence: 1, compact: String(repeating: "c", count: size)))
            ], through: 1)
    }

    private func transport(to receiver: SyslogReceiver, patience: Duration) throws -> SyslogTransport {
        try SyslogTransport(
            host: "localhost", port: receiver.port, certificateAuthorityFile: TLSPublisher.authority,
            system: AuditSystem(name: "c", fhirBase: "https://f", issuer: "https://i"), ownName: "auth.example.org",
            patience: patience)
    }

    @Test func `what the receiver's machine has taken is delivered`() async throws {
        let receiver = try await SyslogReceiver.start(reads: true)
        defer { receiver.stop() }
        let feed = try transport(to: receiver, patience: .seconds(60))

        try await feed.transport.send(checkpoint(300_000))
        try await feed.transport.confirm()

        #expect(receiver.received >= 0)
        await feed.close()
    }

    /// The connection stands, and every write succeeds into the kernel's buffer: so it looks as well when a receiver has
    /// lost its power.
    @Test func `what stands in the send buffer of a connection that seems well is not delivered`() async throws {
        let receiver = try await SyslogReceiver.start(reads: false)
        defer { receiver.stop() }
        let feed = try transport(to: receiver, patience: .milliseconds(500))

        try await feed.transport.send(checkpoint(300_000))

        await #expect(throws: SyslogTransport.Stalled.self) { try await feed.transport.confirm() }
        // The next batch goes over a connection of its own, behind what is sent again.
        await #expect(throws: SyslogTransport.Lost.self) { try await feed.transport.confirm() }
    }

    @Test func `a receiver that stops reading does not hold the feed for ever`() async throws {
        let receiver = try await SyslogReceiver.start(reads: false)
        defer { receiver.stop() }
        let feed = try transport(to: receiver, patience: .milliseconds(500))

        await #expect(throws: SyslogTransport.Stalled.self) { try await feed.transport.send(checkpoint(30_000_000)) }
    }

    @Test func `a receiver that has closed the connection has nothing`() async throws {
        let receiver = try await SyslogReceiver.start(reads: true)
        let feed = try transport(to: receiver, patience: .seconds(60))
        try await feed.transport.send(checkpoint(10))
        try await feed.transport.confirm()

        receiver.cut()

        await #expect(throws: (any Error).self) {
            // The end of a connection is noticed a moment after it.
            while true { try await feed.transport.confirm() }
        }
        receiver.stop()
    }
}

/// A receiver of syslog over TLS, as `localhost`, that reads, or stops reading when it has read something. A class because the
/// test and the connections share what was taken; the locks are its fields.
private final class SyslogReceiver: Sendable {
    private let count = Mutex(0)
    private let listener = Mutex<(any Channel)?>(nil)
    private let connections = Mutex<[any Channel]>([])

    /// Bytes that it was sent, so far as it has read them.
    var received: Int { count.withLock { $0 } }
    var port: Int { listener.withLock { $0?.localAddress?.port ?? 0 } }

    static func start(reads: Bool) async throws -> SyslogReceiver {
        let receiver = SyslogReceiver()
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(
                    TLSPublisher.fixture("upstream/test-upstream-server.pem")
                ).map { .certificate($0) },
                privateKey: .privateKey(
                    try NIOSSLPrivateKey(
                        file: TLSPublisher.fixture("upstream/test-upstream-server-key.pem"), format: .pem))))
        var bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    receiver.connections.withLock { $0.append(channel) }
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    try channel.pipeline.syncOperations.addHandler(
                        TakingHandler(reads: reads) { bytes in receiver.count.withLock { $0 += bytes } })
                }
            }
        if !reads { bootstrap = bootstrap.serverChannelOption(.socketOption(.so_rcvbuf), value: 4096) }
        let channel = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
        receiver.listener.withLock { $0 = channel }
        return receiver
    }

    /// Cuts every connection that stands.
    func cut() { connections.withLock { $0 }.forEach { $0.close(promise: nil) } }

    func stop() {
        cut()
        listener.withLock { $0?.close(promise: nil) }
    }
}

private final class TakingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let reads: Bool
    private let took: (Int) -> Void

    init(reads: Bool, took: @escaping (Int) -> Void) {
        self.reads = reads
        self.took = took
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        took(unwrapInboundIn(data).readableBytes)
        if !reads { context.channel.setOption(.autoRead, value: false).cascade(to: nil) }
    }
}
