internal import FHIRCore
public import NIOCore
internal import NIOSSL
public import OAuthCore
internal import Synchronization

/// The pools of one protected server, one per event loop, made when a loop first needs its own.
///
/// A class because all connections share it; the lock guards the table, each pool belongs to its loop.
public final class UpstreamPools: Sendable {
    /// The server that the pools lead to.
    public let server: UpstreamFHIRServer
    private let tls: NIOSSLContext?
    private let tokens: UpstreamTokens?
    /// The server that gives us tokens, as a server that is called like any other.
    private let tokenServer: (server: UpstreamFHIRServer, tls: NIOSSLContext?)?
    /// Which addresses may be connected to; nil where the configuration has said where the server is.
    private let mayConnect: (@Sendable (SocketAddress) -> Bool)?
    private let byLoop = Mutex<[ObjectIdentifier: NIOLoopBound<UpstreamPool>]>([:])

    /// Reads the trust roots and our certificate once; throws when a configured file cannot be used.
    ///
    /// - Parameters:
    ///   - clock: milliseconds since 1970 UTC, for the life of access tokens.
    ///   - mayConnect: looks at the address that the server's name has; nil where it may be any.
    public init(
        server: UpstreamFHIRServer, mayConnect: (@Sendable (SocketAddress) -> Bool)? = nil,
        clock: @escaping @Sendable () -> Int64 = Clock.system.milliseconds
    ) throws {
        self.server = server
        self.mayConnect = mayConnect
        tls = try Self.tls(for: server)
        guard let source = server.tokenSource else {
            (tokens, tokenServer) = (nil, nil)
            return
        }
        var tokenServer = try UpstreamFHIRServer(base: source.endpoint.origin)
        tokenServer.trustRoots = server.trustRoots
        tokenServer.limits = server.limits
        tokenServer.limits.connectionsPerLoop = 1
        tokenServer.staticHeaders = [try .init(name: "authorization", value: source.credentials)]
        self.tokenServer = (tokenServer, try Self.tls(for: tokenServer))
        tokens = UpstreamTokens(source: source, clock: clock)
    }

    private static func tls(for server: UpstreamFHIRServer) throws -> NIOSSLContext? {
        switch server.scheme {
        case .http: return nil
        case .https:
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            if case .file(let path) = server.trustRoots {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(path))
            }
            if let certificate = server.clientCertificate {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate.chainFile).map {
                    .certificate($0)
                }
                configuration.privateKey = .privateKey(
                    try NIOSSLPrivateKey(file: certificate.keyFile, format: .pem))
            }
            return try NIOSSLContext(configuration: configuration)
        }
    }

    /// The pool of the loop that asks; must be called on that loop.
    func pool(on eventLoop: any EventLoop) -> UpstreamPool {
        eventLoop.preconditionInEventLoop()
        return byLoop.withLock { pools in
            if let known = pools[ObjectIdentifier(eventLoop)] { return known }
            let made = NIOLoopBound(
                UpstreamPool(
                    server: server, tls: tls, mayConnect: mayConnect, tokens: tokens,
                    tokenPool: tokenServer.map {
                        UpstreamPool(server: $0.server, tls: $0.tls, eventLoop: eventLoop)
                    }, eventLoop: eventLoop), eventLoop: eventLoop)
            pools[ObjectIdentifier(eventLoop)] = made
            return made
        }.value
    }

    /// Closes unused connections on every loop.
    public func shutDown() {
        for pool in byLoop.withLock({ Array($0.values) }) {
            pool.eventLoop.execute { pool.value.shutDown() }
        }
    }
}
