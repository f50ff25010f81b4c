internal import NIOCore
internal import NIOHTTP1

/// A request of ours as it comes in from the wire.
struct ReceivedRequest {
    let head: HTTPRequestHead
    /// The FHIR base that it belongs to; nil for a refusal that concerns the connection alone.
    let site: GatewaySite?
    let sourceAddress: String?
    /// Milliseconds since 1970 UTC at which the head was there.
    let receivedAt: Int64
    /// The path below the FHIR base and the query, both raw.
    let target: (path: String, query: String?)
    var form: AnswerForm
    private(set) var body: [UInt8] = []

    init(head: HTTPRequestHead, site: GatewaySite?, sourceAddress: String?, at receivedAt: Int64) {
        self.head = head
        self.site = site
        self.sourceAddress = sourceAddress
        self.receivedAt = receivedAt
        let (path, query) = RequestTarget.split(head.uri)
        let below = path.utf8.dropFirst(site?.basePath.utf8.count ?? 0)
        target = (String(Substring(below)), query.map(String.init))
        form = AnswerForm(
            isHead: head.method == .HEAD, origin: head.headers.first(name: "origin"),
            closesConnection: !head.isKeepAlive)
    }

    /// Takes more of the body; false when it has grown too large.
    mutating func append(_ bytes: ByteBuffer, limit: Int) -> Bool {
        guard body.count + bytes.readableBytes <= limit else { return false }
        body.append(contentsOf: bytes.readableBytesView)
        return true
    }

    /// Some servers read a body on these methods as parameters; ours refuses it (ATK-184).
    var hasForbiddenBody: Bool {
        !body.isEmpty && (head.method == .GET || head.method == .HEAD || head.method == .DELETE)
    }

    var isPreflight: Bool { head.method == .OPTIONS }
}

/// How an answer has to be put on the wire, as the request and the connection want it.
struct AnswerForm {
    let isHead: Bool
    let origin: String?
    var closesConnection: Bool
    /// False when the answer comes before the request was read to its end.
    var isWhole = true

    /// For the last words on a connection whose further bytes mean nothing.
    static let endOfConnection = AnswerForm(isHead: false, origin: nil, closesConnection: true)
}

/// The request target in its two parts.
enum RequestTarget {
    static func split(_ target: String) -> (path: Substring, query: Substring?) {
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return (target[...], nil) }
        return (target[..<mark], target[target.index(after: mark)...])
    }
}
