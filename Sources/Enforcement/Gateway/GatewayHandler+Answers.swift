internal import NIOCore
internal import NIOHTTP1

// What the exchanges of a connection have come to, put on the wire.

extension GatewayHandler {
    /// How much is written at once.
    private static let bytesASlice = 64 << 10

    func deliver(_ answer: WireAnswer) {
        guard case .working(let form) = phase else {
            answer.notWritten?()
            return
        }
        guard let context, context.channel.isActive else {
            phase = .lingering
            answer.notWritten?()
            return
        }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status), headers: answer.headers(for: form)
        )
        // Set first: writing the end can deliver the next pipelined request before it returns.
        phase = form.closesConnection ? .lingering : .idle
        // Of an answer without a body its head is all there is.
        let hasBody = !form.isHead && !answer.body.isEmpty
        context.write(
            wrapOutboundOut(.head(head)), promise: watched(hasBody ? nil : answer.notWritten, on: context))
        if hasBody { write(answer.body, context: context, notWritten: answer.notWritten) }
        writeEnd(of: form, context: context)
    }

    /// A promise that tells when what is written with it does not reach the network.
    private func watched(_ notWritten: (() -> Void)?, on context: ChannelHandlerContext) -> EventLoopPromise<Void>? {
        guard let notWritten else { return nil }
        let bound = NIOLoopBound(notWritten, eventLoop: context.eventLoop)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenFailure { _ in bound.value() }
        return written
    }

    /// - Parameter notWritten: called once, when the last of the bytes does not reach the network.
    private func write(_ body: [UInt8], context: ChannelHandlerContext, notWritten: (() -> Void)? = nil) {
        guard !body.isEmpty else { return }
        var bytes = context.channel.allocator.buffer(bytes: body)
        unread += body.count
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        // In slices, so that it is seen how much of a large one the client takes.
        while let slice = bytes.readSlice(length: min(bytes.readableBytes, Self.bytesASlice)), slice.readableBytes > 0 {
            let size = slice.readableBytes
            let isLast = bytes.readableBytes == 0
            let written =
                watched(isLast ? notWritten : nil, on: context) ?? context.eventLoop.makePromise(of: Void.self)
            written.futureResult.whenSuccess { loopBound.value.took(size) }
            context.write(wrapOutboundOut(.body(.byteBuffer(slice))), promise: written)
        }
    }

    /// Writes the end of an answer; the phase is set already.
    private func writeEnd(
        of form: AnswerForm, context: ChannelHandlerContext, notWritten: (() -> Void)? = nil
    ) {
        let watching = watched(notWritten, on: context)
        if form.closesConnection {
            // Kept first: writing the end can bring further parts in before it returns.
            let written = watching ?? context.eventLoop.makePromise(of: Void.self)
            lastWrite = written.futureResult
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
            if form.isWhole { closeAfterFlush(context) } else { armTimer(configuration.limits.lingerMilliseconds) }
        } else {
            armTimer(configuration.limits.idleTimeoutMilliseconds)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: watching)
            if !context.channel.isWritable { waitForReader() }
        }
    }

    func closeAfterFlush(_ context: ChannelHandlerContext) {
        guard let lastWrite else { return context.close(promise: nil) }
        let loopBound = NIOLoopBound(context, eventLoop: context.eventLoop)
        lastWrite.whenComplete { _ in loopBound.value.close(promise: nil) }
        waitForReader()
    }
}

extension GatewayHandler: AnswerPieces {
    func send(_ part: consuming StreamedPart) {
        guard let (form, context) = working else { return }
        write(part, as: form, context: context)
        context.flush()
        guard !context.channel.isWritable else { return }
        waitForReader()
        driver?.clientTakesMore(false)
    }

    func end(_ part: consuming StreamedPart, notWritten: (() -> Void)?) {
        driver = nil
        guard let (form, context) = working else {
            phase = .lingering
            notWritten?()
            return
        }
        write(part, as: form, context: context)
        phase = form.closesConnection ? .lingering : .idle
        writeEnd(of: form, context: context, notWritten: notWritten)
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
