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

    private enum Phase {
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

    private let configuration: GatewayConfiguration
    private var context: ChannelHandlerContext?
    private var phase = Phase.idle
    private var driver: ExchangeDriver?
    private var deadline: LoopDeadline?
    /// The client's address in text, once it is known.
    private var sourceAddress: String?
    private var writeTimer: Scheduled<Void>?
    private var lastWrite: EventLoopFuture<Void>?

    /// Makes the handler of one connection.
    public init(configuration: GatewayConfiguration) {
        self.configuration = configuration
    }

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        deadline = LoopDeadline(on: context.eventLoop) { [weak self] in self?.timeIsUp() }
        if context.channel.isActive { armTimer(configuration.limits.idleTimeoutMilliseconds) }
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.end()
        deadline = nil
        writeTimer?.cancel()
        self.context = nil
    }

    public func channelActive(context: ChannelHandlerContext) {
        armTimer(configuration.limits.idleTimeoutMilliseconds)
        context.fireChannelActive()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        deadline?.end()
        writeTimer?.cancel()
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

    private func start(_ request: ReceivedRequest, context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            // Back-pressure: a client that does not read its answers is not given more of them.
            phase = .waiting(request)
            armWriteTimer()
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

    // MARK: - answers

    private func deliver(_ answer: WireAnswer) {
        guard case .working(let form) = phase else { return }
        guard let context, context.channel.isActive else {
            phase = .lingering
            return
        }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status), headers: answer.headers(for: form)
        )
        // Set first: writing the end can deliver the next pipelined request before it returns.
        phase = form.closesConnection ? .lingering : .idle
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !form.isHead { write(answer.body, context: context) }
        writeEnd(of: form, context: context)
    }

    private func write(_ body: [UInt8], context: ChannelHandlerContext) {
        guard !body.isEmpty else { return }
        let bytes = context.channel.allocator.buffer(bytes: body)
        context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
    }

    /// Writes the end of an answer; the phase is set already.
    private func writeEnd(of form: AnswerForm, context: ChannelHandlerContext) {
        if form.closesConnection {
            // Kept first: writing the end can bring further parts in before it returns.
            let written = context.eventLoop.makePromise(of: Void.self)
            lastWrite = written.futureResult
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
            if form.isWhole { closeAfterFlush(context) } else { armTimer(configuration.limits.lingerMilliseconds) }
        } else {
            armTimer(configuration.limits.idleTimeoutMilliseconds)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            if !context.channel.isWritable { armWriteTimer() }
        }
    }

    private func closeAfterFlush(_ context: ChannelHandlerContext) {
        guard let lastWrite else { return context.close(promise: nil) }
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        lastWrite.whenComplete { _ in loopBound.value.close(promise: nil) }
        armWriteTimer()
    }

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

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            writeTimer?.cancel()
            writeTimer = nil
            if case .waiting(let request) = phase { start(request, context: context) }
        }
        driver?.clientTakesMore(context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    // MARK: - time

    private func armTimer(_ milliseconds: Int64) {
        deadline?.set(in: .milliseconds(milliseconds))
    }

    private func armWriteTimer() {
        guard writeTimer == nil, let context else { return }
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let limit = TimeAmount.milliseconds(configuration.limits.writeTimeoutMilliseconds)
        writeTimer = context.eventLoop.scheduleTask(in: limit) { loopBound.value.context?.close(promise: nil) }
    }

    private func timeIsUp() {
        switch phase {
        case .idle, .lingering, .receiving: context?.close(promise: nil)
        case .passing(let requestEnded, _): if !requestEnded { context?.close(promise: nil) }
        case .waiting, .working: break
        }
    }
}

extension GatewayHandler: AnswerPieces {
    func send(_ part: consuming StreamedPart) {
        guard let (form, context) = working else { return }
        write(part, as: form, context: context)
        context.flush()
        guard !context.channel.isWritable else { return }
        armWriteTimer()
        driver?.clientTakesMore(false)
    }

    func end(_ part: consuming StreamedPart) {
        driver = nil
        guard let (form, context) = working else {
            phase = .lingering
            return
        }
        write(part, as: form, context: context)
        phase = form.closesConnection ? .lingering : .idle
        writeEnd(of: form, context: context)
    }

    /// RFC 9112 §8: a client takes a chunked message without its last chunk for incomplete.
    func cut() {
        driver = nil
        phase = .lingering
        context?.close(promise: nil)
    }

    /// How the answer under way has to be written, while there is somebody to write it to.
    private var working: (AnswerForm, ChannelHandlerContext)? {
        guard case .working(let form) = phase, let context, context.channel.isActive else { return nil }
        return (form, context)
    }

    private func write(_ part: consuming StreamedPart, as form: AnswerForm, context: ChannelHandlerContext) {
        if let head = part.head {
            let head = HTTPResponseHead(
                version: .http1_1, status: HTTPResponseStatus(statusCode: head.status), headers: head.headers(for: form)
            )
            context.write(wrapOutboundOut(.head(head)), promise: nil)
        }
        write(part.takeBody(), context: context)
    }
}

extension StreamedHead {
    /// The header block: our own fields, then what the connection and the asking origin need. Without a length, NIO's
    /// encoder sends the body in chunks (RFC 9112 §7.1).
    fileprivate func headers(for form: AnswerForm) -> HTTPHeaders {
        var headers = HTTPHeaders()
        for field in fields { headers.add(name: field.name, value: field.value) }
        if let crossOrigin, let origin = form.origin {
            for field in crossOrigin.fields(for: origin) { headers.add(name: field.name, value: field.value) }
        }
        if form.closesConnection { headers.add(name: "connection", value: "close") }
        return headers
    }
}
