internal import NIOCore
internal import NIOSSL
internal import Synchronization

/// The pools of one protected server, one per event loop, made when a loop first needs its own.
///
/// A class because all connections share it; the lock guards the table, each pool belongs to its loop.
public final class UpstreamPools: Sendable {
    /// The server that the pools lead to.
    public let server: UpstreamFHIRServer
    private let tls: NIOSSLContext?
    private let byLoop = Mutex<[ObjectIdentifier: NIOLoopBound<UpstreamPool>]>([:])

    /// Reads the trust roots once; throws when a configured file cannot be used.
    public init(server: UpstreamFHIRServer) throws {
        self.server = server
        switch server.scheme {
        case .http: tls = nil
        case .https:
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            if case .file(let path) = server.trustRoots {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(path))
            }
            tls = try NIOSSLContext(configuration: configuration)
        }
    }

    /// The pool of the loop that asks; must be called on that loop.
    func pool(on eventLoop: any EventLoop) -> UpstreamPool {
        eventLoop.preconditionInEventLoop()
        return byLoop.withLock { pools in
            if let known = pools[ObjectIdentifier(eventLoop)] { return known }
            let made = NIOLoopBound(
                UpstreamPool(server: server, tls: tls, eventLoop: eventLoop), eventLoop: eventLoop)
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
