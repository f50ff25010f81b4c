internal import Audit
internal import Authorization
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore

/// What the routes know about a request beside the request itself.
struct SideContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The peer's IP address.
    let peerAddress: String

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
