/// The answer of the protected server as far as it has come, unpacked and bounded (decision 11).
struct AnswerBuffer: ~Copyable {
    /// What became of bytes that have come.
    enum Taken: Sendable {
        case held
        /// These, unpacked, are more than there is room for beside what is held.
        case overflow([UInt8])
        case failed(UpstreamFailure)
    }

    private(set) var head: UpstreamHead?
    private var body: [UInt8] = []
    private var unpacking = Unpacking()
    private let limit: Int

    /// No more room than this is made on the server's word alone.
    private static let mostReserved = 1 << 20

    init(limit: Int) { self.limit = limit }

    /// The answer, once it is whole; nil when not even a head has come.
    var reply: UpstreamReply? {
        guard let head else { return nil }
        return isWhole ? .answer(head, body: body) : .failed(.malformed)
    }

    /// Whether nothing is missing of what was packed.
    var isWhole: Bool { unpacking.isWhole }

    /// What has come of the body, by giving it up.
    mutating func takeBody() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &body)
        return taken
    }

    /// Takes the head; what is packed in a way that we cannot undo cannot be judged.
    mutating func begin(_ head: UpstreamHead) -> UpstreamFailure? {
        guard self.head == nil else { return .malformed }
        guard let coding = ContentCoding(head.contentEncoding) else { return .packed }
        // After 101 the bytes are no longer HTTP.
        guard head.status != 101 else { return .malformed }
        unpacking = Unpacking(coding)
        self.head = head
        return nil
    }

    /// Takes more of the body, which has to fit.
    mutating func append(_ bytes: [UInt8]) -> UpstreamFailure? {
        switch take(bytes) {
        case .held: nil
        case .overflow: .tooLarge
        case .failed(let failure): failure
        }
    }

    /// Takes more of the body.
    mutating func take(_ bytes: [UInt8]) -> Taken {
        guard head != nil else { return .failed(.malformed) }
        let plain: [UInt8]
        do throws(UpstreamFailure) { plain = try unpack(bytes) } catch { return .failed(error) }
        guard body.count + plain.count <= limit else { return .overflow(plain) }
        if body.isEmpty {
            let expected = min(head?.contentLength ?? 0, limit, AnswerBuffer.mostReserved)
            guard expected > plain.count else {
                body = plain
                return .held
            }
            body.reserveCapacity(expected)
        }
        body.append(contentsOf: plain)
        return .held
    }

    /// What has come, unpacked and not held: for an answer that goes on piece by piece.
    mutating func unpack(_ bytes: [UInt8]) throws(UpstreamFailure) -> [UInt8] { try unpacking.unpack(bytes) }
}
