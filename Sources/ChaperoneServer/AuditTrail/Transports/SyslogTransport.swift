internal import Audit
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

/// Sends syslog messages over TLS (RFC 5424, RFC 5425).
///
/// The protocol has no acknowledgement: what a receiver's machine had taken from the network and lost is gone. What was
/// written is therefore only counted as delivered when the connection still stands two seconds later; everything
/// after that point is sent again over the next connection.
actor SyslogTransport {
    private let host: String
    private let port: Int
    private let tls: NIOSSLContext
    private let system: AuditSystem
    private let ownName: String
    private var channel: (any Channel)?

    /// The connection is lost.
    struct Lost: Error, CustomStringConvertible { let description = "the connection to the receiver is lost" }

    init(host: String, port: Int, certificateAuthorityFile: String?, system: AuditSystem, ownName: String) throws {
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
            settles: 2000, send: { try await self.send($0) }, confirm: { try await self.demandConnection() })
    }

    private func send(_ batch: AuditFeedBatch) async throws {
        let frames = AuditFeedMessage.frames(batch, system: system, host: ownName)
        let channel = try await connected()
        do { try await channel.writeAndFlush(ByteBuffer(bytes: frames)).get() } catch {
            self.channel = nil
            throw error
        }
    }

    private func demandConnection() throws {
        guard let channel, channel.isActive else {
            channel = nil
            throw Lost()
        }
    }

    private func connected() async throws -> any Channel {
        if let channel {
            guard channel.isActive else {
                // What went over it and was not yet safe must be sent again: this batch is not the next one.
                self.channel = nil
                throw Lost()
            }
            return channel
        }
        let (tls, host) = (tls, host)
        let made = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(10))
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
