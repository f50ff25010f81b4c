internal import NIOCore
internal import NIOHTTP1

/// Tells browsers on every answer of both sides to come over TLS only (RFC 6797).
///
/// A class because NIO's handlers are; confined to its channel's event loop.
final class StrictTransport: ChannelOutboundHandler {
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let value: String

    /// - Parameter value: of the header `Strict-Transport-Security`.
    init(_ value: String) { self.value = value }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(var head) = unwrapOutboundIn(data), head.status.code >= 200 else {
            return context.write(data, promise: promise)
        }
        head.headers.replaceOrAdd(name: "strict-transport-security", value: value)
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }
}

extension Configuration {
    /// The value of `Strict-Transport-Security` on a listener of the public side; nil where it must not stand.
    ///
    /// Only where the answer reaches its client over TLS (RFC 6797 §7.2), because we end it or a proxy that was declared;
    /// and only where the issuer itself is `https`, because a browser would not find it any more otherwise. Other names
    /// of the site, and lists that are built into browsers, are its operator's own affair.
    func strictTransport(overTLS: Bool) -> String? {
        guard issuer.isHTTPS, overTLS || hasTLSProxy, strictTransportSeconds > 0 else { return nil }
        return "max-age=\(strictTransportSeconds)"
    }
}
