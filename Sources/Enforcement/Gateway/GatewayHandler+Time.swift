public import NIOCore

// How long a connection may wait, and for whom.

extension GatewayHandler {
    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            readerGoesOn()
            if case .waiting(let request) = phase { start(request, context: context) }
        } else {
            waitForReader()
        }
        driver?.clientTakesMore(context.channel.isWritable)
        context.fireChannelWritabilityChanged()
    }

    // MARK: - time limits

    func armTimer(_ milliseconds: Int64) {
        deadline?.set(in: .milliseconds(milliseconds))
    }

    // MARK: - a client's pace

    /// We wait until the client has read more.
    func waitForReader() {
        guard let context else { return }
        // How the other side treats who does not read is its own business.
        if case .passing = phase { return }
        pace.wait(at: context.eventLoop.now)
        if let due = pace.due { paceTimer?.set(due) }
    }

    /// The connection takes more again. One that is being closed is waited for to its last byte.
    private func readerGoesOn() {
        guard let context else { return }
        if case .lingering = phase { return }
        pace.goOn(at: context.eventLoop.now)
        lookAtPace()
    }

    /// The client has taken more of an answer.
    func took(_ bytes: Int) {
        unread -= bytes
        pace.took(bytes)
        if unread == 0 { readerGoesOn() }
    }

    /// Lets a client go that reads too slowly: what streams to it is closed as interrupted.
    func lookAtPace() {
        guard let context else { return }
        guard !pace.isTooSlow(at: context.eventLoop.now) else { return context.close(promise: nil) }
        if let due = pace.due { paceTimer?.set(due) } else { paceTimer?.clear() }
    }

    func timeIsUp() {
        switch phase {
        // Its client is still reading; for how long it may is a matter of its pace.
        case .idle where unread > 0:
            waitForReader()
            armTimer(configuration.limits.idleTimeoutMilliseconds)
        case .idle, .lingering, .receiving: context?.close(promise: nil)
        case .passing(let requestEnded, _): if !requestEnded { context?.close(promise: nil) }
        case .waiting, .working: break
        }
    }
}
