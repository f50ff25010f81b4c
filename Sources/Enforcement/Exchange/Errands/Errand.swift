internal import AccessPolicy
internal import FHIRCore

/// The work of one permitted request as a value that performs nothing: it says which upstream call to make next, hears
/// its answer, and at the end what all of it has come to.
///
/// One request can need several calls: what a body refers to, the stored version, the request itself, further pages,
/// the entries of a batch. An errand may hold other errands. `GatewayExchange` drives it and keeps what is common to
/// all: the opening record before the first change, the token's standing after every answer, the closing record.
protocol Errand: Sendable {
    /// The audit record as far as it is filled in. What `opening()` says must name everything that may be changed.
    var record: RecordDraft { get }

    /// The first step; asked once.
    mutating func start() -> ErrandStep

    /// The next step, after the answer to the last one.
    mutating func heard(_ reply: UpstreamReply) -> ErrandStep

    /// The next step, after a change among the export jobs.
    mutating func changed(_ outcome: ExportJobChange.Outcome) -> ErrandStep

    /// What the request comes to when it may not go on, because the token has ended or the client has gone.
    ///
    /// - Parameters:
    ///   - refusal: the refusal that says why.
    ///   - reply: what came of the step under way; nil when it had not been asked or had no answer yet.
    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion

    /// The same, where something that was begun has to be undone first.
    mutating func stopping(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> ErrandStep

    /// How the answer under way is judged piece by piece, now that it has proved too large to be judged whole; nil where
    /// it has to be judged whole, and is refused for its size.
    func streamed(_ head: UpstreamHead) -> (any StreamedAdmission)?
}

extension Errand {
    /// Only an export asks for one.
    mutating func changed(_ outcome: ExportJobChange.Outcome) -> ErrandStep {
        .conclude(.refusal(.jobsUnavailable))
    }

    mutating func stopping(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> ErrandStep {
        .conclude(stopped(refusal, after: reply))
    }

    func streamed(_ head: UpstreamHead) -> (any StreamedAdmission)? { nil }
}

/// What an errand wants done next.
enum ErrandStep: Sendable {
    /// Ask for something; it changes nothing there.
    case look(UpstreamRequest)
    /// Ask for something that may change what is stored. Not sent before the opening record is durable.
    case change(UpstreamRequest)
    /// A change among the export jobs.
    case keep(ExportJobChange)
    /// There is nothing more to ask.
    case conclude(Conclusion)
}

/// What came of one upstream call.
enum UpstreamReply: Sendable {
    /// A whole answer, whatever its status.
    case answer(UpstreamHead, body: [UInt8])
    case failed(UpstreamFailure)

    /// The status, if there was an answer.
    var status: Int? {
        switch self {
        case .answer(let head, _): head.status
        case .failed: nil
        }
    }
}
