internal import NIOCore
internal import NIOHTTP1

/// Counts the answers of the public listener, of both of its sides, by their status.
///
/// A class because NIO's handlers are; confined to its channel's event loop.
final class StatusCounter: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let metrics: Metrics
    private let fhirPath: String
    private var side = "public"

    init(metrics: Metrics, fhirPath: String) {
        self.metrics = metrics
        self.fhirPath = fhirPath
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) { side = head.uri.hasPrefix(fhirPath) ? "fhir" : "public" }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .head(let head) = unwrapOutboundIn(data), head.status.code >= 200 {
            metrics.count(Metrics.requests, side, String(head.status.code))
        }
        context.write(data, promise: promise)
    }
}
