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

    /// Forms are small; documents of the admin side too.
    var maxUploadSize: Int { 256 << 10 }
}
