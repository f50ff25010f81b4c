internal import NIOHTTP1

extension ClientRequest {
    /// What came in from the wire.
    init(_ received: ReceivedRequest, saysCertificate: Bool) {
        let target = received.target
        self.init(
            method: received.head.method.rawValue, path: target.path, query: target.query,
            headers: received.head.headers.map { (name: $0.name, value: $0.value) }, body: received.body,
            sourceAddress: received.sourceAddress, receivedAt: received.receivedAt)
        self.saysCertificate = saysCertificate
        // RFC 9112 §7.1: only there a client can tell an answer that was cut from one that is whole.
        takesPieces = received.head.version == .http1_1
    }
}
