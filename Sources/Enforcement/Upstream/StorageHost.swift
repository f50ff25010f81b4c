public import NIOCore

/// A host beside the protected server on which it keeps the files of its exports (decision 7).
///
/// It is reached like a protected server of its own: its base says exactly which scheme, host, port and path files may
/// have, no redirect is followed, and it gets none of the protected server's credentials unless it is configured to.
public struct StorageHost: Sendable {
    /// How it is reached.
    public let server: UpstreamFHIRServer
    /// Which addresses may be connected to, once its name is resolved.
    let mayConnect: @Sendable (SocketAddress) -> Bool

    /// - Parameter mayConnect: looks at the address that the host's name has at the moment; the connection goes to the
    ///   very address that was looked at (decision 25).
    public init(server: UpstreamFHIRServer, mayConnect: @escaping @Sendable (SocketAddress) -> Bool) {
        self.server = server
        self.mayConnect = mayConnect
    }

    /// Its connections; throws when a configured file cannot be used.
    public func makePools() throws -> UpstreamPools { try UpstreamPools(server: server, mayConnect: mayConnect) }
}
