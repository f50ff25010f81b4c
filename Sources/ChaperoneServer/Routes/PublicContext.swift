internal import Audit
internal import Authorization
internal import Enforcement
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore

/// What the routes know about a request beside the request itself.
struct SideContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The client's IP address, as far as it is known: the peer's, or what a trusted proxy says.
    var peerAddress: String

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        peerAddress = source.channel.remoteAddress?.ipAddress ?? "unknown"
    }

    /// Where a request came from, with the trace that it belongs to (W3C Trace Context §3.2).
    func origin(of request: Request) -> RequestSource {
        let header = HTTPField.Name("traceparent").flatMap { request.headers[$0] }
        return RequestSource(address: peerAddress, traceID: header.flatMap { TraceParent($0) }?.traceID)
    }

    /// Forms are small; documents of the admin side too.
    var maxUploadSize: Int { 256 << 10 }
}

/// Puts the client's address in the place of a trusted proxy's.
struct ClientAddressMiddleware: RouterMiddleware {
    typealias Context = SideContext
    let proxies: TrustedProxies

    func handle(
        _ request: Request, context: SideContext, next: (Request, SideContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        let client = proxies.client(peer: context.peerAddress) { name in
            HTTPField.Name(name).map { request.headers[values: $0] } ?? []
        }
        context.peerAddress = client ?? context.peerAddress
        return try await next(request, context)
    }
}
