internal import Audit
internal import Authorization
internal import Enforcement
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import OAuthCore

/// What the routes know about a request beside the request itself.
struct SideContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The client's IP address, as far as it is known: the peer's, or what a trusted proxy says.
    var peerAddress: String
    /// Whether `Client-Cert` is the word of our own pipeline (`ClientCertificateHandler`).
    var readsCertificates = false

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        peerAddress = source.channel.remoteAddress?.ipAddress ?? "unknown"
    }

    /// Where a request came from, with the trace that it belongs to (W3C Trace Context §3.2).
    func origin(of request: Request) -> RequestSource {
        let header = HTTPField.Name("traceparent").flatMap { request.headers[$0] }
        return RequestSource(
            address: peerAddress, traceID: header.flatMap { TraceParent($0) }?.traceID,
            certificate: certificate(of: request))
    }

    private func certificate(of request: Request) -> ClientCertificate? {
        guard readsCertificates, let name = HTTPField.Name(ClientCertificateHeader.name),
            let chainName = HTTPField.Name(ClientCertificateHeader.chainName), let said = request.headers[name]
        else { return nil }
        return ClientCertificate(header: said, chain: request.headers[chainName])
    }

    /// Forms are small; documents of the admin side too.
    var maxUploadSize: Int { 256 << 10 }
}

/// Puts the client's address in the place of a trusted proxy's.
struct ClientAddressMiddleware: RouterMiddleware {
    typealias Context = SideContext
    let proxies: TrustedProxies
    let readsCertificates: Bool

    func handle(
        _ request: Request, context: SideContext, next: (Request, SideContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        let client = proxies.client(peer: context.peerAddress) { name in
            HTTPField.Name(name).map { request.headers[values: $0] } ?? []
        }
        context.peerAddress = client ?? context.peerAddress
        context.readsCertificates = readsCertificates
        return try await next(request, context)
    }
}
