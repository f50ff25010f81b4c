import ChaperoneTesting
import NIOCore
import NIOEmbedded
import NIOHTTP1
import OAuthCore
import Synchronization

@testable import Enforcement

/// A gateway whose connections and clock are the test's: one client, and one connection to the protected server. Nothing
/// happens in it that the test has not made happen, but for records, which another thread writes.
struct ManualGateway {
    let loop: NIOAsyncTestingEventLoop
    let sink: InMemoryAuditSink
    private let client: NIOAsyncTestingChannel
    private let server: NIOAsyncTestingChannel
    private let toClient = Wire<HTTPServerResponsePart>()
    private let toServer = Wire<HTTPClientRequestPart>()
    private let token: String
    private let pools: UpstreamPools

    static func start(
        limits: GatewayLimits = GatewayLimits(), enforcerLimits: Enforcer.Limits = Enforcer.Limits(),
        scope: String = "patient/*.cruds", panels: PanelSource = .table(users: [:]),
        sink: InMemoryAuditSink = InMemoryAuditSink(), verifier: AccessTokenVerifier? = nil,
        clock: @escaping @Sendable () -> Int64 = Clock.system.milliseconds
    ) async throws -> ManualGateway {
        let parts = try LiveGateway.parts(
            upstream: try UpstreamFHIRServer(base: "http://upstream.test/fhir"), limits: limits,
            enforcerLimits: enforcerLimits, scope: scope, panels: panels, sink: sink, verifier: verifier,
            clock: clock)
        return try await ManualGateway(parts, sink: sink)
    }

    private init(_ parts: LiveGateway.Parts, sink: InMemoryAuditSink) async throws {
        let loop = NIOAsyncTestingEventLoop()
        let (configuration, pools, toClient, toServer) = (parts.configuration, parts.pools, toClient, toServer)
        server = try await NIOAsyncTestingChannel(loop: loop) { channel in
            let connection = UpstreamConnection(pool: pools.pool(on: loop))
            try channel.pipeline.syncOperations.addHandlers([toServer.handler, connection])
        }
        client = try await NIOAsyncTestingChannel(loop: loop) { channel in
            try channel.pipeline.syncOperations.addHandlers([
                toClient.handler, GatewayHandler(configuration: configuration),
            ])
        }
        self.loop = loop
        self.sink = sink
        self.pools = pools
        token = parts.token
        let address = try SocketAddress(ipAddress: "192.0.2.1", port: 1)
        for channel in [server, client] { try await channel.connect(to: address).get() }
        let server = server
        try await loop.executeInContext {
            // As if an earlier call had left it.
            let connection = try server.pipeline.syncOperations.handler(type: UpstreamConnection.self)
            pools.pool(on: loop).release(connection)
        }
    }

    /// Sends a request and waits until it has arrived at the protected server.
    func get(_ target: String) async throws {
        let head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: "/fhir\(target)",
            headers: ["host": "gw.test", "authorization": "Bearer \(token)"])
        try await client.writeInbound(HTTPServerRequestPart.head(head))
        try await client.writeInbound(HTTPServerRequestPart.end(nil))
        try await wait { toServer.parts > 0 }
    }

    /// What the protected server sends.
    func serve(_ text: String) async throws {
        try await server.writeInbound(HTTPClientResponsePart.body(ByteBuffer(string: text)))
    }

    /// The head of its answer.
    func serveHead(_ type: String = "application/fhir+json") async throws {
        try await server.writeInbound(
            HTTPClientResponsePart.head(
                HTTPResponseHead(version: .http1_1, status: .ok, headers: ["content-type": type])))
    }

    /// The end of its answer.
    func serveEnd() async throws { try await server.writeInbound(HTTPClientResponsePart.end(nil)) }

    /// Waits for what another thread has to do first.
    func wait(_ condition: () -> Bool) async throws {
        while !condition() {
            await loop.run()
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// The client's connection takes more, or does not.
    func takes(_ takes: Bool) async throws {
        let client = client
        client.isWritable = takes
        try await loop.executeInContext { client.pipeline.fireChannelWritabilityChanged() }
        await loop.run()
    }

    /// The client reads what was written; until then it has taken nothing.
    func reads() async throws {
        let toClient = toClient
        try await loop.executeInContext { toClient.taken() }
    }

    /// The client hangs up.
    func hangUp() async throws { try await client.close() }

    var isOpen: Bool { client.isActive }
    /// Body bytes that were written to the client.
    var written: Int { toClient.bytes }
    /// Whether the protected server is being read.
    var isReadingServer: Bool {
        server.options.first { $0.option is ChannelOptions.Types.AutoReadOption }?.value as? Bool ?? true
    }

    func stop() async throws {
        _ = try await client.finish(acceptAlreadyClosed: true)
        _ = try await server.finish(acceptAlreadyClosed: true)
        let (pools, loop) = (pools, loop)
        try await loop.executeInContext { pools.pool(on: loop).shutDown() }
        await loop.shutdownGracefully()
    }
}

/// Takes what is written to a connection and counts it; a write is done when the test says so.
private final class Wire<Part: BodyPart>: Sendable {
    private struct State {
        var bytes = 0
        var parts = 0
        var promises: [EventLoopPromise<Void>] = []
    }

    private let state = Mutex(State())

    var bytes: Int { state.withLock { $0.bytes } }
    var parts: Int { state.withLock { $0.parts } }

    /// Every write up to now is done.
    func taken() {
        let promises = state.withLock { state in
            let promises = state.promises
            state.promises = []
            return promises
        }
        for promise in promises { promise.succeed() }
    }

    fileprivate func add(_ size: Int, _ promise: EventLoopPromise<Void>?) {
        state.withLock { state in
            state.bytes += size
            state.parts += 1
            if let promise { state.promises.append(promise) }
        }
    }

    var handler: Handler { Handler(self) }

    final class Handler: ChannelOutboundHandler {
        typealias OutboundIn = Part
        typealias OutboundOut = Part
        private let wire: Wire

        init(_ wire: Wire) { self.wire = wire }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            wire.add(unwrapOutboundIn(data).size, promise)
        }

        func flush(context: ChannelHandlerContext) {}

        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            wire.fail()
            context.close(mode: mode, promise: promise)
        }
    }

    fileprivate func fail() {
        let promises = state.withLock { state in
            let promises = state.promises
            state.promises = []
            return promises
        }
        for promise in promises { promise.fail(ChannelError.ioOnClosedChannel) }
    }
}

/// A part of a message, of which only the size of a body matters.
private protocol BodyPart {
    var size: Int { get }
}

extension HTTPPart: BodyPart where BodyT == IOData {
    fileprivate var size: Int { if case .body(let data) = self { data.readableBytes } else { 0 } }
}
