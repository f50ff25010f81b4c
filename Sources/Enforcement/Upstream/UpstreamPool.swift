internal import Audit
internal import FHIRCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// The connections to one protected server that belong to one event loop.
///
/// A class because it is shared state of one event loop; it is never touched from another thread, so it needs no lock
/// and is not `Sendable`. The loop that reads the client's request also talks to the server: no hop between threads.
final class UpstreamPool {
    let server: UpstreamFHIRServer
    let eventLoop: any EventLoop
    private let tls: NIOSSLContext?
    private let mayConnect: (@Sendable (SocketAddress) -> Bool)?
    /// The header fields of every request to the server.
    let fixedHeaders: HTTPHeaders
    /// Watches over the time limits of calls and connections, and of whatever else this event loop waits for.
    let watch: DeadlineWatch
    /// Brings the results of the audit log to this event loop.
    let delivery: AuditDelivery
    private let tokens: UpstreamTokens?
    /// The connections to the server's token endpoint on this loop.
    private let tokenPool: UpstreamPool?

    private var idle: [UpstreamConnection] = []
    private var openCount = 0
    private var waiting = CircularBuffer<UpstreamCall>()
    private var isShutDown = false
    private var all: [ObjectIdentifier: UpstreamConnection] = [:]

    init(
        server: UpstreamFHIRServer, tls: NIOSSLContext?,
        mayConnect: (@Sendable (SocketAddress) -> Bool)? = nil, tokens: UpstreamTokens? = nil,
        tokenPool: UpstreamPool? = nil, eventLoop: any EventLoop
    ) {
        self.tokens = tokens
        self.tokenPool = tokenPool
        self.server = server
        self.tls = tls
        self.mayConnect = mayConnect
        self.eventLoop = eventLoop
        fixedHeaders = UpstreamRequest.fixedHeaders(for: server)
        watch = DeadlineWatch(on: eventLoop)
        delivery = AuditDelivery(to: eventLoop) { work in eventLoop.execute(work) }
    }

    /// Sends a request; the call reports head, body and end, or one failure, to its receiver on this event loop.
    func send(_ request: UpstreamRequest, to receiver: any UpstreamReceiver) -> UpstreamCall {
        eventLoop.preconditionInEventLoop()
        let call = UpstreamCall(request: request, receiver: receiver, limits: server.limits, watch: watch)
        authorize(call)
        return call
    }

    /// Starts a call with the access token that the server wants.
    private func authorize(_ call: UpstreamCall) {
        guard let tokens, let tokenPool else { return start(call) }
        tokens.authorization(refused: call.authorization, over: tokenPool) { [self] value in
            guard !call.isOver else { return }
            // Without a token nothing is sent: the server would refuse it, or worse, would not.
            guard let value else { return call.fail(.unreachable) }
            call.authorization = value
            start(call)
        }
    }

    /// Sends once more, with another token, what was refused for its token.
    func renew(_ call: UpstreamCall) {
        guard !call.isOver else { return }
        call.hasRenewed = true
        authorize(call)
    }

    /// Closes what is unused and refuses what waits; calls under way end by themselves.
    func shutDown() {
        isShutDown = true
        tokenPool?.shutDown()
        for connection in idle { connection.close() }
        while let call = waiting.popFirst() { call.fail(.unreachable) }
    }

    /// For tests and metrics.
    var connectionCount: Int { openCount }

    private func start(_ call: UpstreamCall) {
        guard !isShutDown else { return call.fail(.unreachable) }
        while let connection = idle.last, isGoodEnough(connection, for: call) {
            idle.removeLast()
            guard connection.isUsable else { continue }
            return connection.perform(call, isReused: true)
        }
        guard openCount < server.limits.connectionsPerLoop else {
            if waiting.count >= server.limits.waitingPerLoop { waiting.removeAll(where: \.isOver) }
            guard waiting.count < server.limits.waitingPerLoop else { return call.fail(.overloaded) }
            waiting.append(call)
            return
        }
        connect(for: call)
    }

    /// A write cannot be repeated, so it does not go over a connection that the server may be closing just now,
    /// unless there is no room for another.
    private func isGoodEnough(_ connection: UpstreamConnection, for call: UpstreamCall) -> Bool {
        call.request.method == .get || openCount >= server.limits.connectionsPerLoop
            || watch.now - connection.idleSince < .seconds(1)
    }

    private func connect(for call: UpstreamCall) {
        openCount += 1
        let loopBound = NIOLoopBound((self, call), eventLoop: eventLoop)
        let (scheme, host, tls) = (server.scheme, server.host, tls)
        var decoderLimits = NIOHTTPDecoderLimitConfiguration()
        decoderLimits.maxHeaderListSize = server.limits.headerBytes
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(.milliseconds(server.limits.connectTimeoutMilliseconds))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { [decoderLimits] channel in
                channel.eventLoop.makeCompletedFuture {
                    let (pool, _) = loopBound.value
                    let operations = channel.pipeline.syncOperations
                    if scheme == .https, let tls {
                        // An IP literal has no server name; its certificate is matched with the address itself.
                        let name = isIPLiteral(host) ? nil : host
                        try operations.addHandler(NIOSSLClientHandler(context: tls, serverHostname: name))
                    }
                    try operations.addHTTPClientHandlers(decoderLimitConfiguration: decoderLimits)
                    try operations.addHandler(UpstreamConnection(pool: pool))
                }
            }
        let place = server.connectTo.map { ($0.host, $0.port) } ?? (server.host, server.port)
        let made: EventLoopFuture<any Channel>
        if let mayConnect {
            let bound = NIOLoopBound(bootstrap, eventLoop: eventLoop)
            // Resolved once, looked at, and connected to as looked at (decision 25).
            made = NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) {
                try SocketAddress.makeAddressResolvingHost(place.0, port: place.1)
            }.flatMap { [eventLoop] address in
                guard mayConnect(address) else {
                    return eventLoop.makeFailedFuture(
                        UpstreamConfigurationError(summary: "the address of the host may not be connected to"))
                }
                return bound.value.connect(to: address)
            }
        } else {
            made = bootstrap.connect(host: place.0, port: place.1)
        }
        made.whenComplete { result in
            let (pool, call) = loopBound.value
            switch result {
            case .failure:
                pool.openCount -= 1
                call.fail(.unreachable)
                pool.serveWaiting()
            case .success(let channel):
                pool.connected(channel, for: call)
            }
        }
    }

    private func connected(_ channel: any Channel, for call: UpstreamCall) {
        guard let connection = try? channel.pipeline.syncOperations.handler(type: UpstreamConnection.self),
            connection.isUsable
        else {
            // The connection ended while it was being made; `UpstreamConnection` never entered the books.
            openCount -= 1
            channel.close(promise: nil)
            call.fail(.unreachable)
            return serveWaiting()
        }
        connection.isCounted = true
        all[ObjectIdentifier(connection)] = connection
        guard !call.isOver else { return release(connection) }
        connection.perform(call, isReused: false)
    }

    /// A connection has finished a call and can take another.
    func release(_ connection: UpstreamConnection) {
        guard !isShutDown else { return connection.close() }
        while let call = waiting.popFirst() {
            guard !call.isOver else { continue }
            return connection.perform(call, isReused: true)
        }
        idle.append(connection)
        connection.rest(for: .milliseconds(server.limits.idleTimeoutMilliseconds))
    }

    /// A counted connection has closed.
    func closed(_ connection: UpstreamConnection) {
        guard all.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        openCount -= 1
        idle.removeAll { $0 === connection }
        serveWaiting()
    }

    /// Sends once more on a new connection what a server had closed on us before answering.
    func retry(_ call: UpstreamCall) {
        guard !call.isOver else { return }
        call.hasBeenRetried = true
        start(call)
    }

    private func serveWaiting() {
        while openCount < server.limits.connectionsPerLoop, let call = waiting.popFirst() {
            guard !call.isOver else { continue }
            start(call)
        }
    }
}

/// Whether a host is an IPv4 or IPv6 literal rather than a name.
func isIPLiteral(_ host: String) -> Bool {
    (try? SocketAddress(ipAddress: host, port: 0)) != nil
}
