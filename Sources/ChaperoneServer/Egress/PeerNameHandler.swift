internal import Authorization
internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import OAuthCore

/// Says, once TLS stands, whether the other party's certificate is for the name that was asked for.
///
/// NIOSSL is content with a certificate for the address of the socket as well. That is the proxy's address behind a
/// tunnel, and whatever a forged answer of the name service said otherwise; here the name alone counts (RFC 9525 §6.3).
/// A class because channel handlers are; it lives on its channel's loop.
final class PeerNameHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let name: String
    private var checked: EventLoopPromise<Void>?

    init(_ name: String, _ checked: EventLoopPromise<Void>) {
        self.name = name
        self.checked = checked
    }

    /// Whether a name of a certificate is the name that was asked for. A wildcard stands for one whole label, the first,
    /// before at least two others.
    static func isMet(_ name: String, by presented: String) -> Bool {
        let labels = name.lowercased().split(separator: ".", omittingEmptySubsequences: false)
        let pattern = presented.lowercased().split(separator: ".", omittingEmptySubsequences: false)
        guard labels.count == pattern.count, !pattern.contains("") else { return false }
        guard pattern[0] == "*" else { return labels == pattern }
        return pattern.count >= 3 && !labels[0].isEmpty && labels.dropFirst().elementsEqual(pattern.dropFirst())
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { check(context) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        settle(.failure(error))
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        settle(.failure(OutboundFailure.unreachable("the connection ended before TLS stood")))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        settle(.failure(OutboundFailure.unreachable("the connection ended before TLS stood")))
    }

    private func check(_ context: ChannelHandlerContext) {
        do {
            let certificate = try context.pipeline.syncOperations.nioSSL_peerCertificate()
            let names = try certificate.flatMap { ClientCertificate(der: try $0.toDERBytes()) }?.alternativeNames ?? []
            let isMet = names.contains { presented in
                if case .dns(let text) = presented { Self.isMet(name, by: text) } else { false }
            }
            guard isMet else { throw OutboundFailure.unreachable("the certificate is for another name") }
            settle(.success(()))
        } catch {
            settle(.failure(error))
            context.close(promise: nil)
        }
    }

    private func settle(_ result: Result<Void, any Error>) {
        checked?.completeWith(result)
        checked = nil
    }
}
