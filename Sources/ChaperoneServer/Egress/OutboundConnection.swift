internal import Authorization
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// One exchange over a connection of its own.
struct OutboundConnection: Sendable {
    /// Where the socket goes: the other party, or the proxy.
    let address: SocketAddress
    let target: FetchTarget
    /// Where a proxy is asked to lead the connection; nil without one.
    let tunnel: FetchTarget?
    /// Whether the socket may be connected to that address.
    let admits: @Sendable (SocketAddress) -> Bool
    /// Nil for plain HTTP.
    let tls: NIOSSLContext?
    let deadline: NIODeadline

    /// Connects, judges the socket, asks, and closes.
    func exchange(_ request: OutboundRequest) async throws -> OutboundAnswer {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(deadline - .now())
            .connect(to: address).get()
        let result: Result<OutboundAnswer, any Error>
        do {
            // INVARIANT: nothing was sent yet, not even the beginning of TLS.
            guard let peer = channel.remoteAddress, admits(peer) else { throw OutboundFailure.forbiddenAddress }
            if let tunnel { try await open(tunnel, over: channel) }
            result = .success(try await ask(request, over: channel))
        } catch {
            result = .failure(error)
        }
        channel.close(promise: nil)
        return try result.get()
    }

    /// Waits for a promise that is kept on the channel, and no longer than allowed: a peer that does not even take part in
    /// ending the connection is not waited for either.
    private func wait<Value: Sendable>(for promise: EventLoopPromise<Value>, over channel: any Channel) async throws
        -> Value
    {
        let timer = channel.eventLoop.scheduleTask(deadline: deadline) {
            promise.fail(OutboundFailure.timedOut)
            channel.close(promise: nil)
        }
        defer { timer.cancel() }
        return try await promise.futureResult.get()
    }

    private func open(_ tunnel: FetchTarget, over channel: any Channel) async throws {
        let opened = channel.eventLoop.makePromise(of: Void.self)
        do {
            try await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.addHandler(ProxyTunnelHandler(opened), name: "tunnel")
            }.get()
        } catch {
            opened.fail(error)
            throw error
        }
        let host = tunnel.host.contains(":") ? "[\(tunnel.host)]" : tunnel.host
        let line = "CONNECT \(host):\(tunnel.port) HTTP/1.1\r\nHost: \(host):\(tunnel.port)\r\n\r\n"
        try await channel.writeAndFlush(ByteBuffer(string: line))
        try await wait(for: opened, over: channel)
        try await channel.pipeline.removeHandler(name: "tunnel")
    }

    private func ask(_ request: OutboundRequest, over channel: any Channel) async throws -> OutboundAnswer {
        let promise = channel.eventLoop.makePromise(of: OutboundAnswer.self)
        let head = head(of: request)
        let body = Self.body(of: request)?.bytes
        let limit = request.longestAnswer
        channel.eventLoop.execute {
            let ready = channel.eventLoop.makePromise(of: Void.self)
            do {
                // A literal has no name to send; its certificate is checked for the address of the socket.
                let isLiteral = (try? SocketAddress(ipAddress: target.host, port: target.port)) != nil
                let pipeline = channel.pipeline.syncOperations
                if let tls {
                    try pipeline.addHandler(
                        NIOSSLClientHandler(context: tls, serverHostname: isLiteral ? nil : target.host))
                    if isLiteral {
                        ready.succeed()
                    } else {
                        try pipeline.addHandler(PeerNameHandler(target.host, ready))
                    }
                } else {
                    ready.succeed()
                }
                try pipeline.addHTTPClientHandlers()
                try pipeline.addHandler(OutboundAnswerHandler(promise, limit: limit))
            } catch {
                ready.fail(error)
                return promise.fail(error)
            }
            // INVARIANT: the other party was known by its name before anything of the request is written.
            ready.futureResult.whenComplete { result in
                if case .failure(let error) = result { return promise.fail(error) }
                channel.write(HTTPClientRequestPart.head(head), promise: nil)
                if let body {
                    channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
                }
                channel.writeAndFlush(HTTPClientRequestPart.end(nil)).whenFailure { promise.fail($0) }
            }
        }
        return try await wait(for: promise, over: channel)
    }

    private func head(of request: OutboundRequest) -> HTTPRequestHead {
        var headers = HTTPHeaders([
            ("host", target.authority), ("user-agent", "chaperone"), ("connection", "close"),
        ])
        if !request.headers.contains(where: { $0.name == "accept" }) {
            headers.add(name: "accept", value: "application/json")
        }
        for header in request.headers { headers.add(name: header.name, value: header.value) }
        if let body = Self.body(of: request) {
            headers.add(name: "content-type", value: body.type)
            headers.add(name: "content-length", value: String(body.bytes.count))
        }
        return HTTPRequestHead(
            version: .http1_1, method: request.method == .get ? .GET : .POST, uri: target.path, headers: headers)
    }

    private static func body(of request: OutboundRequest) -> (type: String, bytes: [UInt8])? {
        switch request.method {
        case .get: nil
        case .postForm(let text): ("application/x-www-form-urlencoded", Array(text.utf8))
        case .postJSON(let bytes): ("application/json", bytes)
        case .post(let bytes, let type): (type, bytes)
        }
    }
}

/// Gathers one answer of bounded size. A class because channel handlers are; it lives on its channel's loop.
final class OutboundAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let promise: EventLoopPromise<OutboundAnswer>
    private let limit: Int
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []

    init(_ promise: EventLoopPromise<OutboundAnswer>, limit: Int) {
        self.promise = promise
        self.limit = limit
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            // Nobody is sent elsewhere: what is there was not judged.
            if (300..<400).contains(head.status.code), head.status != .notModified {
                return end(context, .failure(OutboundFailure.redirected(Int(head.status.code))))
            }
            self.head = head
        case .body(let part):
            guard body.count + part.readableBytes <= limit else {
                return end(context, .failure(OutboundFailure.tooLarge))
            }
            body += part.readableBytesView
        case .end:
            guard let head else { return end(context, .failure(OutboundFailure.unreachable("no answer"))) }
            end(
                context,
                .success(
                    OutboundAnswer(
                        status: Int(head.status.code), body: body,
                        contentType: head.headers.first(name: "content-type"),
                        cacheControl: Self.joined(head.headers["cache-control"]))))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(OutboundFailure.unreachable("the connection ended before the answer did"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(context, .failure(OutboundFailure.unreachable("\(error)")))
    }

    private func end(_ context: ChannelHandlerContext, _ result: Result<OutboundAnswer, any Error>) {
        promise.completeWith(result)
        context.close(promise: nil)
    }

    private static func joined(_ values: [String]) -> String? {
        values.isEmpty ? nil : values.joined(separator: ", ")
    }
}

/// Reads a proxy's answer to CONNECT (RFC 9110 §9.3.6). A class because channel handlers are.
final class ProxyTunnelHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let opened: EventLoopPromise<Void>
    private var text: [UInt8] = []

    init(_ opened: EventLoopPromise<Void>) { self.opened = opened }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text += unwrapInboundIn(data).readableBytesView
        guard text.suffix(4).elementsEqual("\r\n\r\n".utf8) else {
            // Nothing follows the head before we speak, and the head is short.
            if text.count > 8192 || text.firstRange(of: Array("\r\n\r\n".utf8)) != nil {
                opened.fail(OutboundFailure.unreachable("the proxy's answer is not one"))
                context.close(promise: nil)
            }
            return
        }
        let line = String(decoding: text.prefix { $0 != 0x0D }, as: UTF8.self)
        guard line.hasPrefix("HTTP/1.1 200") || line.hasPrefix("HTTP/1.0 200") else {
            opened.fail(OutboundFailure.unreachable("the proxy answered `\(line.prefix(80))`"))
            return context.close(promise: nil)
        }
        opened.succeed()
    }

    func channelInactive(context: ChannelHandlerContext) {
        opened.fail(OutboundFailure.unreachable("the proxy ended the connection"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        opened.fail(error)
        context.close(promise: nil)
    }
}
