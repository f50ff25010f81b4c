/// The answer of the protected server as far as it has come, bounded (decision 11).
struct AnswerBuffer: Sendable {
    private(set) var head: UpstreamHead?
    /// As it came; see `reply` for what it says.
    private var body: [UInt8] = []
    private var coding = ContentCoding.identity
    private let limit: Int

    /// No more room than this is made on the server's word alone.
    private static let mostReserved = 1 << 20

    init(limit: Int) { self.limit = limit }

    /// The answer, once it is whole, unpacked; nil when not even a head has come.
    var reply: UpstreamReply? {
        guard let head else { return nil }
        do throws(UpstreamFailure) {
            return .answer(head, body: try coding.unpacked(body, limit: limit))
        } catch {
            return .failed(error)
        }
    }

    /// Whether what came is what the server says, and not packed.
    var isPlain: Bool { coding == .identity }

    /// What has come of the body, by giving it up.
    mutating func takeBody() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &body)
        return taken
    }

    /// Takes the head; what is packed in a way that we cannot undo cannot be judged.
    mutating func begin(_ head: UpstreamHead) -> UpstreamFailure? {
        guard self.head == nil, let coding = ContentCoding(head.contentEncoding) else { return .malformed }
        // After 101 the bytes are no longer HTTP.
        guard head.status != 101 else { return .malformed }
        self.coding = coding
        self.head = head
        return nil
    }

    /// Takes more of the body.
    mutating func append(_ bytes: [UInt8]) -> UpstreamFailure? {
        guard head != nil else { return .malformed }
        guard body.count + bytes.count <= limit else { return .tooLarge }
        if body.isEmpty {
            let expected = min(head?.contentLength ?? 0, limit, AnswerBuffer.mostReserved)
            guard expected > bytes.count else {
                body = bytes
                return nil
            }
            body.reserveCapacity(expected)
        }
        body.append(contentsOf: bytes)
        return nil
    }
}
