/// Why an upstream call ended without an answer that can be judged.
public enum UpstreamFailure: String, Error, Sendable, Hashable, CaseIterable {
    /// No connection could be made; nothing was sent.
    case unreachable
    /// Every connection is busy and the waiting queue is full; nothing was sent.
    case overloaded
    /// The server was silent for too long, or the whole call took too long.
    case timedOut
    /// The connection ended before the answer did.
    case interrupted
    /// What came is not HTTP that we accept, or not packed as it says.
    case malformed
    /// The answer is packed in a way that we cannot undo, although none was asked for.
    case packed
    /// The answer is larger than what is judged whole.
    case tooLarge
    /// The client went away, so the call was given up.
    case abandoned

    /// Whether the server can have seen the request, so that a write may have happened.
    public var mayHaveReachedServer: Bool {
        switch self {
        case .unreachable, .overloaded: false
        case .timedOut, .interrupted, .malformed, .packed, .tooLarge, .abandoned: true
        }
    }
}
