public import FHIRCore

/// An error of the admin side as a problem document (RFC 9457).
public struct Problem: Error, Hashable, Sendable {
    public let status: Int
    public let title: String
    public let detail: String?
    /// What went wrong inside, for the log; never in the document.
    public let cause: String?
    /// The code of the issue where the answer is an OperationOutcome and its status does not say it.
    let issue: String?

    public init(_ status: Int, _ title: String, detail: String? = nil, cause: String? = nil) {
        self.init(status, title, detail: detail, cause: cause, issue: nil)
    }

    init(_ status: Int, _ title: String, detail: String? = nil, cause: String? = nil, issue: String?) {
        self.issue = issue
        self.status = status
        self.title = title
        self.detail = detail
        self.cause = cause
    }

    static let unauthorized = Problem(401, "who is asking must be known")
    static let forbidden = Problem(403, "this account may not do that")
    static let notFound = Problem(404, "there is no such thing")

    /// Something of ours failed.
    static func failed(_ error: any Error) -> Problem {
        Problem(500, "the request could not be carried out", cause: "\(error)")
    }

    static let methodNotAllowed = Problem(405, "the method is not known here")

    /// The document; `type` is left at its default, the status says which problem it is.
    public var json: JSONValue {
        var members: [JSONMemberValue] = [
            .init("title", .string(title)), .init("status", .int(Int64(status))),
        ]
        if let detail { members.append(.init("detail", .string(detail))) }
        return .object(members)
    }
}
