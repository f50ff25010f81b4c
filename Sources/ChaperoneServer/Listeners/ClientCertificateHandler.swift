internal import Enforcement
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import OAuthCore

/// Says which certificate the client of a connection showed, in the headers of RFC 9440, to both sides behind it.
///
/// INVARIANT: behind this handler these headers are our own word or a trusted proxy's; what anybody else wrote there is
/// gone (RFC 9700 §4.13). A class because NIO's handlers are; confined to its channel's event loop.
final class ClientCertificateHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    /// What a connection's certificate is known from.
    struct Sources: Hashable, Sendable {
        /// Whether certificates are asked for on our own listener.
        var ownTLS: Bool
        /// The proxies whose word about certificates counts; nil where nobody's does. Not those that are believed about
        /// addresses.
        var proxies: TrustedProxies?
    }

    private let sources: Sources
    /// What came in the handshake beside the certificate itself.
    private let chain: ShownChain?
    private var own: (certificate: String, chain: String?)?
    private var isLooked = false

    init(_ sources: Sources, chain: ShownChain?) {
        self.sources = sources
        self.chain = chain
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        let said = (
            certificates: head.headers[ClientCertificateHeader.name],
            chains: head.headers[ClientCertificateHeader.chainName]
        )
        if !said.certificates.isEmpty { head.headers.remove(name: ClientCertificateHeader.name) }
        if !said.chains.isEmpty { head.headers.remove(name: ClientCertificateHeader.chainName) }
        if let shown = shown(in: context) {
            head.headers.add(name: ClientCertificateHeader.name, value: shown.certificate)
            if let chain = shown.chain { head.headers.add(name: ClientCertificateHeader.chainName, value: chain) }
        } else if said.certificates.count == 1, said.chains.count <= 1,
            sources.proxies?.trusts(context.remoteAddress?.ipAddress) == true
        {
            head.headers.add(name: ClientCertificateHeader.name, value: said.certificates[0])
            if let chain = said.chains.first { head.headers.add(name: ClientCertificateHeader.chainName, value: chain) }
        }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    /// The certificate of our own handshake. It cannot change: there is no renegotiation.
    private func shown(in context: ChannelHandlerContext) -> (certificate: String, chain: String?)? {
        guard sources.ownTLS, !isLooked else { return own }
        isLooked = true
        // A certificate that cannot be read any more is none, and what needs one is refused.
        guard let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate(),
            let der = try? certificate.toDERBytes()
        else { return nil }
        let others = chain?.certificates.filter { $0 != der } ?? []
        own = (
            ClientCertificate.headerValue(of: der),
            others.isEmpty ? nil : others.map(ClientCertificate.headerValue).joined(separator: ", ")
        )
        return own
    }
}

/// The names of RFC 9440.
enum ClientCertificateHeader {
    static let name = "client-cert"
    static let chainName = "client-cert-chain"
}

/// The certificates that a client sent in its handshake. A class because the callback that hears of them and the handler
/// that tells them share it; confined to its channel's event loop.
final class ShownChain {
    fileprivate(set) var certificates: [[UInt8]] = []

    /// Takes any certificate: TLS shows that its key is there, and what it is worth is judged when somebody relies on it.
    func verify(_ shown: [NIOSSLCertificate], _ promise: EventLoopPromise<NIOSSLVerificationResult>) {
        let read = shown.prefix(ClientCertificate.maxIntermediates + 1).compactMap { try? $0.toDERBytes() }
        guard read.count == shown.count, read.allSatisfy({ $0.count <= ClientCertificate.maxBytes }) else {
            return promise.succeed(.failed)
        }
        certificates = read
        promise.succeed(.certificateVerified)
    }
}
