internal import Audit
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

/// Sends syslog messages over TLS (RFC 5424, RFC 5425).
///
/// The protocol has no acknowledgement: what a receiver's machine had taken from the network and lost is gone. What was
/// written is therefore only counted as delivered when two seconds later the receiver's machine has acknowledged every
/// byte and the connection still stands; everything after that point is sent again over the next connection.
actor SyslogTransport {
    private let host: String
    private let port: Int
    private let tls: NIOSSLContext
    private let system: AuditSystem
    private let ownName: String
    private let patience: Duration
    private var channel: (any Channel)?

    /// The connection is lost.
    struct Lost: Error, CustomStringConvertible { let description = "the connection to the receiver is lost" }

    /// The receiver does not take what is sent.
    struct Stalled: Error, CustomStringConvertible {
        let description = "the receiver's machine does not acknowledge what was sent"
    }

    /// - Parameter patience: how long the receiver's machine may take to accept a batch, and to acknowledge it.
    init(
        host: String, port: Int, certificateAuthorityFile: String?, system: AuditSystem, ownName: String,
        patience: Duration = .seconds(30)
    ) throws {
        self.patience = patience
        self.host = host
        self.port = port
        self.system = system
        self.ownName = ownName
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let file = certificateAuthorityFile { configuration.trustRoots = .file(file) }
        tls = try NIOSSLContext(configuration: configuration)
    }

    nonisolated var transport: AuditFeedTransport {
        AuditFeedTransport(
            settles: 2000, send: { try await self.send($0) }, confirm: { try await self.demandAcknowledgement() })
    }

    private func send(_ batch: AuditFeedBatch) async throws {
        let frames = AuditFeedMessage.frames(batch, system: system, host: ownName)
        let channel = try await connected()
        // A receiver that stops reading, or never ends its handshake, would hold the write for ever.
        let watch = channel.eventLoop.scheduleTask(in: TimeAmount(patience)) { channel.close(promise: nil) }
        defer { watch.cancel() }
        let end = ContinuousClock.now + patience
        do { try await channel.writeAndFlush(ByteBuffer(bytes: frames)).get() } catch {
            letGo()
            throw ContinuousClock.now < end ? error : Stalled()
        }
    }

    /// Returns when nothing of what was written is on its way any more. The kernel takes what is written also when the
    /// receiver has lost its power or the network drops everything, and for long the connection looks as if it stood.
    private func demandAcknowledgement() async throws {
        let end = ContinuousClock.now + patience
        while true {
            guard let channel, channel.isActive else {
                letGo()
                throw Lost()
            }
            let queue: SendQueue
            do { queue = try await channel.sendQueue() } catch {
                letGo()
                throw error
            }
            switch queue {
            case .empty: return
            case .closed:
                letGo()
                throw Lost()
            case .waiting:
                guard ContinuousClock.now < end else {
                    letGo()
                    throw Stalled()
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    private func letGo() {
        channel?.close(promise: nil)
        channel = nil
    }

    private func connected() async throws -> any Channel {
        if let channel {
            guard channel.isActive else {
                // What went over it and was not yet safe must be sent again: this batch is not the next one.
                letGo()
                throw Lost()
            }
            return channel
        }
        let (tls, host) = (tls, host)
        let made = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(10))
            .noticingSilence(after: patience)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // A name is verified against the certificate; an address has none to send (RFC 6066 §3).
                    let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
                    try channel.pipeline.syncOperations.addHandler(
                        try NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : host))
                }
            }
            .connect(host: host, port: port).get()
        channel = made
        return made
    }

    /// Lets go of the connection.
    func close() async {
        try? await channel?.close().get()
        channel = nil
    }
}
