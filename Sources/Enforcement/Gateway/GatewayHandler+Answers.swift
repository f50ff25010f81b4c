internal import NIOCore
internal import NIOHTTP1

// What the exchanges of a connection have come to, put on the wire.

extension GatewayHandler {
    /// How much is written at once.
    private static let bytesASlice = 64 << 10

    func deliver(_ answer: WireAnswer) {
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
        var bytes = context.channel.allocator.buffer(bytes: body)
        unread += body.count
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        // In slices, so that it is seen how much of a large one the client takes.
        while let slice = bytes.readSlice(length: min(bytes.readableBytes, Self.bytesASlice)), slice.readableBytes > 0 {
            let size = slice.readableBytes
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.whenSuccess { loopBound.value.took(size) }
            context.write(wrapOutboundOut(.body(.byteBuffer(slice))), promise: written)
        }
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
