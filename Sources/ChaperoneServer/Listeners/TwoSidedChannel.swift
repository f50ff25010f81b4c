internal import Enforcement
internal import HTTPTypes
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import NIOSSL

/// One connection of a listener with two sides: FHIR paths are answered by the gateway on NIO's own parts, everything
/// else goes on to Hummingbird (decision 12).
///
/// The pipeline, from the socket inwards: TLS where there is a certificate → HTTP/1 codec → one request at a time → gateway → HTTPTypes codec →
/// asynchronous channel. Because the pipelining handler stands in front of both sides, a client that sends its next
/// request early still gets its answers in order, whichever side gives them. The gateway's handler also closes
/// connections on which nothing moves, for both sides.
struct TwoSidedChannel: ServerChildChannel, HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    /// Hummingbird's side.
    let responder: HTTPChannelHandler.Responder
    /// The other side.
    let gateway: GatewayConfiguration
    let metrics: Metrics
    /// Set where the connection begins with TLS.
    var tls: TLSIdentity?
    /// Set where certificates of clients are read.
    var certificates: ClientCertificateHandler.Sources?
    /// The value of `Strict-Transport-Security`; nil where it does not stand.
    var strictTransport: String?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            var chain: ShownChain?
            if let tls, certificates?.ownTLS == true {
                let shown = ShownChain()
                chain = shown
                try channel.pipeline.syncOperations.addHandler(
                    NIOSSLServerHandler(context: try tls.context(), customVerificationCallback: shown.verify))
            } else if let tls {
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: try tls.context()))
            }
            try GatewayPipeline.install(on: channel, configuration: gateway)
            let pipeline = channel.pipeline.syncOperations
            let counter = StatusCounter(metrics: metrics, fhirPath: gateway.sites.first?.basePath ?? "/fhir")
            try pipeline.addHandler(counter, position: .before(try pipeline.handler(type: GatewayHandler.self)))
            if let strictTransport {
                let handler = StrictTransport(strictTransport)
                try pipeline.addHandler(handler, position: .before(try pipeline.handler(type: GatewayHandler.self)))
            }
            if let certificates {
                let handler = ClientCertificateHandler(certificates, chain: chain)
                try pipeline.addHandler(handler, position: .before(try pipeline.handler(type: GatewayHandler.self)))
            }
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: tls != nil))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}
