/// The answer of the protected server as far as it has come, bounded (decision 11).
struct AnswerBuffer: Sendable {
    private(set) var head: UpstreamHead?
    private(set) var body: [UInt8] = []
    private let limit: Int

    /// No more room than this is made on the server's word alone.
    private static let mostReserved = 1 << 20

    init(limit: Int) { self.limit = limit }

    /// The answer, once it is whole; nil when not even a head has come.
    var reply: UpstreamReply? { head.map { .answer($0, body: body) } }

    /// Takes the head; an encoding that nobody asked for cannot be judged.
    mutating func begin(_ head: UpstreamHead) -> UpstreamFailure? {
        guard self.head == nil else { return .malformed }
        if let coding = head.contentEncoding, coding.lowercased() != "identity" { return .malformed }
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
