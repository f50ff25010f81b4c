import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import NIOCore
import NIOHTTP1
import NIOPosix
import OAuthCore
import Testing

@testable import Enforcement

/// A whole gateway on a loopback socket, with another handler behind it for what is not below `/fhir`.
struct LiveGateway {
    let port: Int
    let sink: InMemoryAuditSink
    let token: String
    private let channel: any Channel
    private let pools: UpstreamPools
    private let capabilities: CapabilitySource

    static let base = "http://gw.test/fhir"

    /// What a gateway is put together from, and a token for it.
    struct Parts {
        let configuration: GatewayConfiguration
        let pools: UpstreamPools
        let capabilities: CapabilitySource
        let token: String
    }

    static func parts(
        upstream server: UpstreamFHIRServer, limits: GatewayLimits = GatewayLimits(),
        enforcerLimits: Enforcer.Limits = Enforcer.Limits(), scope: String = "patient/*.cruds",
        proxies: TrustedProxies = .none, panels: PanelSource = .table(users: [:]), storage: [StorageHost] = [],
        upstreamClock: @escaping @Sendable () -> Int64 = Clock.system.milliseconds,
        sink: InMemoryAuditSink = InMemoryAuditSink(), verifier: AccessTokenVerifier? = nil,
        clock: @escaping @Sendable () -> Int64 = Clock.system.milliseconds
    ) throws -> Parts {
        let key = try PrivateJWK.generate(.es256, keyID: "live")
        let keys = JWKSet([key.publicKey])
        let sealer = try #require(Sealer(keys: [[UInt8](repeating: 9, count: 32)]))
        let recorder = try AuditRecorder(sink: sink, node: "live")
        let pools = try UpstreamPools(server: server, clock: upstreamClock)
        let policy = ServerPolicy(publicBase: base, upstreamBase: server.base, types: try TypeTable.r4())
        let capabilities = CapabilitySource(
            policy: policy, endpoints: OAuthEndpoints(authorize: "http://gw.test/a", token: "http://gw.test/t"),
            clock: .system)
        let enforcer = Enforcer(
            policy: policy, capabilities: capabilities,
            verifier: verifier
                ?? AccessTokenVerifier(
                    expectation: .init(issuer: "http://gw.test", audience: base), keys: { keys },
                    revocation: { _ in .active }),
            panels: panels,
            pageLinks: PageLinks(
                sealer: { sealer }, publicBase: base, server: server, storage: storage.map(\.server)),
            limits: enforcerLimits, jobs: .kept(in: InMemoryAuthorizationStore()))
        let configuration = GatewayConfiguration(
            sites: [
                GatewaySite(
                    basePath: "/fhir", enforcer: enforcer, upstream: pools,
                    storage: try storage.map { try $0.makePools() }, audit: recorder,
                    capabilities: capabilities)
            ], hosts: ["gw.test"], limits: limits, proxies: proxies, clock: clock)
        let now = Clock.system.now()
        let claims = AccessTokenClaims(
            issuer: "http://gw.test", audience: base, scope: scope, clientID: ClientID("app"),
            subject: SubjectID("member"), launch: LaunchContext(patient: ResourceID("pA")),
            program: .patientAccess, grantID: GrantID("g"), tokenID: TokenID("t"), issuedAt: now,
            expiresAt: now + 3600)
        return Parts(
            configuration: configuration, pools: pools, capabilities: capabilities,
            token: try JWS.sign(claims.json, type: "at+jwt", with: key))
    }

    static func start(
        upstream server: UpstreamFHIRServer, limits: GatewayLimits = GatewayLimits(),
        enforcerLimits: Enforcer.Limits = Enforcer.Limits(), scope: String = "patient/*.cruds",
        proxies: TrustedProxies = .none, panels: PanelSource = .table(users: [:]), storage: [StorageHost] = [],
        upstreamClock: @escaping @Sendable () -> Int64 = Clock.system.milliseconds,
        sink: InMemoryAuditSink = InMemoryAuditSink()
    ) async throws -> LiveGateway {
        let parts = try parts(
            upstream: server, limits: limits, enforcerLimits: enforcerLimits, scope: scope, proxies: proxies,
            panels: panels, storage: storage, upstreamClock: upstreamClock, sink: sink)
        let configuration = parts.configuration
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try GatewayPipeline.install(on: channel, configuration: configuration)
                    try channel.pipeline.syncOperations.addHandler(OtherSide())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return LiveGateway(
            port: channel.localAddress?.port ?? 0, sink: sink, token: parts.token, channel: channel,
            pools: parts.pools, capabilities: parts.capabilities)
    }

    /// Reads the protected server's CapabilityStatement; returns what is wrong with it.
    func readCapabilities() async -> String? {
        await capabilities.renew(over: pools, on: MultiThreadedEventLoopGroup.singleton.next())
    }

    func stop() async throws {
        try await channel.close()
        pools.shutDown()
    }

    /// A request of ours as bytes.
    func request(_ method: String, _ target: String, _ headers: [String] = [], body: String = "") -> String {
        var lines = ["\(method) /fhir\(target) HTTP/1.1", "Host: gw.test", "Authorization: Bearer \(token)"] + headers
        if !body.isEmpty { lines.append("Content-Length: \(body.utf8.count)") }
        return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
    }

    func connect() async throws -> RawConnection { try await RawConnection.open(port: port) }

    /// One request on a connection of its own.
    func send(_ text: String, answers: Int = 1) async throws -> [RawAnswer] {
        let connection = try await connect()
        connection.write(text)
        let answers = try await connection.answers(answers)
        connection.close()
        return answers
    }
}

/// Stands for the web framework behind the gateway's handler.
final class OtherSide: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private var uri = ""
    private var size = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            uri = head.uri
            size = 0
        case .body(let bytes): size += bytes.readableBytes
        case .end:
            let text = "other side: \(uri) \(size)"
            context.write(
                wrapOutboundOut(
                    .head(
                        HTTPResponseHead(
                            version: .http1_1, status: .ok,
                            headers: ["content-length": String(text.utf8.count)]))), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// An answer as it came over the wire.
struct RawAnswer: Sendable {
    let status: Int
    let headers: [(name: String, value: String)]
    let body: String

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// A TCP connection that writes what it is given and takes answers apart, strictly by `Content-Length`.
final class RawConnection: Sendable {
    struct Closed: Error { let received: String }

    private let channel: any Channel
    private let incoming: AsyncStream<ByteBuffer>
    private let headAnswers: Bool

    static func open(port: Int, headAnswers: Bool = false, reads: Bool = true) async throws -> RawConnection {
        let (stream, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.autoRead, value: reads)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(continuation))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return RawConnection(channel: channel, incoming: stream, headAnswers: headAnswers)
    }

    private init(channel: any Channel, incoming: AsyncStream<ByteBuffer>, headAnswers: Bool) {
        self.channel = channel
        self.incoming = incoming
        self.headAnswers = headAnswers
    }

    func write(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }

    func close() { channel.close(promise: nil) }

    var isOpen: Bool { channel.isActive }

    /// Everything until the other side closes.
    func rest() async -> String {
        var text = ""
        for await bytes in incoming { text += String(buffer: bytes) }
        return text
    }

    /// The next answers; throws when the connection ends before they are whole.
    func answers(_ count: Int) async throws -> [RawAnswer] {
        var text = ""
        var answers: [RawAnswer] = []
        for await bytes in incoming {
            text += String(buffer: bytes)
            while let answer = take(&text) {
                answers.append(answer)
                if answers.count == count { return answers }
            }
        }
        throw Closed(received: text)
    }

    private func take(_ text: inout String) -> RawAnswer? {
        guard let end = text.firstRange(ofText: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        guard let first = lines.first, let status = Int(first.split(separator: " ")[1]) else { return nil }
        let headers = lines.dropFirst().map { line -> (name: String, value: String) in
            let parts = line.split(separator: ":", maxSplits: 1)
            return (parts[0].lowercased(), parts.count == 2 ? String(parts[1].drop { $0 == " " }) : "")
        }
        let announced = headers.first { $0.name == "content-length" }.flatMap { Int($0.value) } ?? 0
        let length = headAnswers || status == 304 || status < 200 ? 0 : announced
        let body = Array(text[end.upperBound...].utf8)
        guard body.count >= length else { return nil }
        text = String(decoding: body[length...], as: UTF8.self)
        return RawAnswer(status: status, headers: headers, body: String(decoding: body[..<length], as: UTF8.self))
    }
}

private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let continuation: AsyncStream<ByteBuffer>.Continuation

    init(_ continuation: AsyncStream<ByteBuffer>.Continuation) { self.continuation = continuation }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { continuation.yield(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { continuation.finish() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
