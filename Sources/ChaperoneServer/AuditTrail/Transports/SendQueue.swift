internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
    internal import Glibc
#endif

/// What the kernel knows of bytes that were written to a connection.
enum SendQueue: Hashable, Sendable {
    /// The other machine has acknowledged every one, and the connection stands.
    case empty
    /// Some are not sent, or not acknowledged.
    case waiting
    /// The connection does not stand any more: what was on its way is lost.
    case closed
}

extension Channel {
    /// How far the bytes that were written to this TCP connection have come. Throws when the kernel does not say.
    func sendQueue() async throws -> SendQueue {
        try await eventLoop.submit {
            let state = try self.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                socket -> SendQueue in
                var waiting: CInt = 0
                guard ioctl(socket, UInt(TIOCOUTQ), &waiting) == 0 else {
                    throw IOError(errnoCode: errno, reason: "SIOCOUTQ")
                }
                // INVARIANT: the state is asked last. A connection that ends drops its queue, and never stands again.
                var info = tcp_info()
                var size = socklen_t(MemoryLayout<tcp_info>.size)
                guard getsockopt(socket, CInt(IPPROTO_TCP), TCP_INFO, &info, &size) == 0 else {
                    throw IOError(errnoCode: errno, reason: "TCP_INFO")
                }
                guard CInt(info.tcpi_state) == CInt(TCP_ESTABLISHED) else { return .closed }
                return waiting == 0 ? .empty : .waiting
            }
            guard let state else { throw ChannelError.operationUnsupported }
            return state
        }.get()
    }
}

extension ClientBootstrap {
    /// Lets the kernel end the connection when the other machine answers nothing for so long: to what was sent
    /// (RFC 5482), or, while nothing is, to questions whether it is there.
    func noticingSilence(after limit: Duration) -> ClientBootstrap {
        let seconds = max(1, limit.components.seconds)
        return channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: Int(seconds))
            .channelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: Int(max(1, seconds / 3)))
            .channelOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 3)
            .channelOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: Int(seconds * 1000))
    }
}
