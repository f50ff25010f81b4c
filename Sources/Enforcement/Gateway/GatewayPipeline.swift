public import NIOCore
internal import NIOHTTP1

/// Sets up the server side of a connection: NIO's codec with our limits, its pipelining handler, then the
/// gateway. Whatever answers the rest is added behind it.
public enum GatewayPipeline {
    /// Adds the handlers; must be called on the channel's event loop.
    public static func install(on channel: any Channel, configuration: GatewayConfiguration) throws {
        channel.eventLoop.preconditionInEventLoop()
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = configuration.limits.headerBytes
        // What the other side answers has its own limits; the decoder only bounds memory.
        limits.maxHeaderListSize = configuration.limits.headerBytes + configuration.limits.targetBytes
        limits.maxHeaderFieldCount = configuration.limits.headerCount
        let operations = channel.pipeline.syncOperations
        try operations.configureHTTPServerPipeline(
            withPipeliningAssistance: true, withErrorHandling: false, withOutboundHeaderValidation: true,
            withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
        try operations.addHandler(GatewayHandler(configuration: configuration))
    }
}
