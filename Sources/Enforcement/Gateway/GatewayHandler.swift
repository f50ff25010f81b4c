public import NIOCore
public import NIOHTTP1

/// Answers requests below the configured FHIR bases on a connection, and passes every other request on untouched.
///
/// It stands behind NIO's HTTP/1 server codec *and its pipelining handler*, which lets one request through at a time,
/// so that answers keep the order of the requests even when a connection mixes both kinds (decision 12).
/// `GatewayPipeline.install` sets that up. The handler performs what a `GatewayExchange` asks for and decides nothing.
///
/// A class because NIO's handlers are; confined to its channel's event loop.
public final class GatewayHandler: ChannelDuplexHandler, RemovableChannelHandler {
    public typealias InboundIn = HTTPServerRequestPart
    public typealias InboundOut = HTTPServerRequestPart
    public typealias OutboundIn = HTTPServerResponsePart
    public typealias OutboundOut = HTTPServerResponsePart

    enum Phase {
        /// Between requests.
        case idle
        /// The request belongs to the next handler.
        case passing(requestEnded: Bool, responseEnded: Bool)
        /// The request is ours and its body is coming in.
        case receiving(ReceivedRequest)
        /// The request is whole, and waits until the client has read earlier answers.
        case waiting(ReceivedRequest)
        /// An exchange runs.
        case working(AnswerForm)
        /// Answered before the request was whole: the rest is thrown away, then the connection is closed.
        case lingering
    }

    let configuration: GatewayConfiguration
    var context: ChannelHandlerContext?
    var phase = Phase.idle
    var driver: ExchangeDriver?
    var deadline: LoopDeadline?
    /// The client's address in text, once it is known.
    private var sourceAddress: String?
    /// Looks at the client's pace when it has been waited for long enough.
    var paceTimer: LoopDeadline?
    var pace: ReadingPace
    /// Bytes of answers that the connection has not taken yet.
    var unread = 0
    var lastWrite: EventLoopFuture<Void>?

    /// Makes the handler of one connection.
    public init(configuration: GatewayConfiguration) {
        self.configuration = configuration
        pace = ReadingPace(
            milliseconds: configuration.limits.writeTimeoutMilliseconds,
            bytesPerSecond: configuration.limits.leastBytesPerSecond)
    }

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        deadline = LoopDeadline(on: context.eventLoop) { [weak self] in self?.timeIsUp() }
        paceTimer = LoopDeadline(on: context.eventLoop) { [weak self] in self?.lookAtPace() }
        if context.channel.isActive { armTimer(configuration.limits.idleTimeoutMilliseconds) }
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.end()
        deadline = nil
        paceTimer?.end()
        paceTimer = nil
        self.context = nil
    }

    public func channelActive(context: ChannelHandlerContext) {
        armTimer(configuration.limits.idleTimeoutMilliseconds)
        context.fireChannelActive()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        deadline?.end()
        paceTimer?.end()
        // The exchange runs on to its record; its answer is dropped.
        driver?.clientGone()
        context.fireChannelInactive()
    }

    // MARK: - requests

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .receiving = phase, case .body(let bytes) = unwrapInboundIn(data) { return receive(bytes) }
        switch (unwrapInboundIn(data), phase) {
        case (.head(let head), .idle):
            begin(head, data: data, context: context)
        case (.head, .lingering):
            // A further request on a connection that is being closed is not looked at.
            break
        case (.head, _):
            // INVARIANT: the pipelining handler holds back the next request until this one is answered.
            context.close(promise: nil)
        case (.body, .passing):
            context.fireChannelRead(data)
        case (.end, .passing(_, let responseEnded)):
            phase = .passing(requestEnded: true, responseEnded: responseEnded)
            context.fireChannelRead(data)
            finishPassing()
        case (.end, .receiving(let request)):
            deadline?.clear()
            start(request, context: context)
        case (.end, .working(var form)):
            form.isWhole = true
            phase = .working(form)
        case (.end, .lingering):
            closeAfterFlush(context)
        case (.body, _), (.end, _):
            break
        }
    }

    /// Takes more of a body. The phase is given up first, so that the buffer has one owner while it grows.
    private func receive(_ bytes: ByteBuffer) {
        guard case .receiving(var request) = exchangePhase(for: .idle) else { return }
        guard request.append(bytes, limit: configuration.limits.bodyBytes) else {
            return refuse(.bodyTooLarge, of: request, isWhole: false)
        }
        phase = .receiving(request)
    }

    private func exchangePhase(for next: Phase) -> Phase {
        var taken = next
        swap(&taken, &phase)
        return taken
    }

    /// What came in is not HTTP: the connection ends, with one answer and never two. A request that is being answered,
    /// or was refused before it was whole, keeps that answer; where there is none yet, it is 400.
    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch phase {
        case .working(var form):
            form.closesConnection = true
            form.isWhole = true
            phase = .working(form)
        case .waiting(var request):
            request.form.closesConnection = true
            phase = .waiting(request)
        case .lingering:
            // The connection is closed when its last answer has been written, or a moment later.
            break
        case .idle, .receiving:
            guard error is HTTPParserError else { return context.close(promise: nil) }
            deadline?.clear()
            phase = .working(.endOfConnection)
            deliver(.formRefusal(.notHTTP))
        case .passing:
            context.close(promise: nil)
        }
    }

    private func begin(_ head: HTTPRequestHead, data: NIOAny, context: ChannelHandlerContext) {
        armTimer(configuration.limits.requestTimeoutMilliseconds)
        let site = configuration.site(for: head.uri)
        if sourceAddress == nil { sourceAddress = context.remoteAddress?.ipAddress }
        let source = configuration.proxies.client(peer: sourceAddress) {
            head.headers[canonicalForm: $0].map(String.init)
        }
        let request = ReceivedRequest(head: head, site: site, sourceAddress: source, at: configuration.clock())
        do throws(FramingRefusal) {
            try RequestFraming.check(head)
            guard site != nil else {
                phase = .passing(requestEnded: false, responseEnded: false)
                return context.fireChannelRead(data)
            }
            try RequestFraming.check(head, hosts: configuration.hosts, limits: configuration.limits)
        } catch {
            return refuse(error, of: request, isWhole: false)
        }
        phase = .receiving(request)
        if head.headers.contains(name: "expect"), head.version == .http1_1 {
            // RFC 9110 §10.1.1: the head was acceptable, so the body may come.
            context.writeAndFlush(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
        }
    }

    func start(_ request: ReceivedRequest, context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            // Back-pressure: a client that does not read its answers is not given more of them.
            phase = .waiting(request)
            waitForReader()
            return
        }
        if request.hasForbiddenBody { return refuse(.bodyNotAllowed, of: request, isWhole: true) }
        run(request, refusal: nil)
    }

    /// Refuses a request for its form; the connection is closed, because where the next request begins is not sure.
    private func refuse(_ refusal: FramingRefusal, of request: ReceivedRequest, isWhole: Bool) {
        var request = request
        request.form.closesConnection = true
        request.form.isWhole = isWhole
        deadline?.clear()
        run(request, refusal: refusal)
    }

    private func run(_ request: ReceivedRequest, refusal: FramingRefusal?) {
        guard let context else { return }
        phase = .working(request.form)
        guard let site = request.site else {
            // Not below any FHIR base, so there is no access to record.
            return deliver(.formRefusal(refusal ?? .badTarget))
        }
        if refusal == nil, request.isPreflight { return deliver(site.preflight) }
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let driver = ExchangeDriver(
            site: site, configuration: configuration, eventLoop: context.eventLoop, pieces: self
        ) { answer in
            loopBound.value.driver = nil
            loopBound.value.deliver(answer)
        }
        self.driver = driver
        driver.run(request, refusal: refusal)
    }

    // MARK: - the other side's answers

    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .passing(let requestEnded, _) = phase, case .end = Self.unwrapOutboundIn(data) {
            phase = .passing(requestEnded: requestEnded, responseEnded: true)
            finishPassing()
        }
        context.write(data, promise: promise)
    }

    private func finishPassing() {
        guard case .passing(let requestEnded, let responseEnded) = phase else { return }
        // How long the other side may take for its answer is its own business.
        if requestEnded { deadline?.clear() }
        guard requestEnded && responseEnded else { return }
        phase = .idle
        armTimer(configuration.limits.idleTimeoutMilliseconds)
    }
}
