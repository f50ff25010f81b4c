internal import FHIRCore

/// Why the sandbox could not do what was asked: an HTTP status and the issue of an OperationOutcome.
public struct SandboxFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The HTTP status of the answer.
    public let status: Int
    /// The code of the issue, from the FHIR value set `issue-type`.
    public let issueCode: String
    /// What was wrong, for a person.
    public let diagnostics: String

    /// States a failure.
    public init(status: Int, issueCode: String, diagnostics: String) {
        self.status = status
        self.issueCode = issueCode
        self.diagnostics = diagnostics
    }

    /// The status and the diagnostics in one line.
    public var description: String { "\(status) \(issueCode): \(diagnostics)" }

    static func invalid(_ diagnostics: String) -> SandboxFailure {
        SandboxFailure(status: 400, issueCode: "invalid", diagnostics: diagnostics)
    }
    static func notSupported(_ diagnostics: String, status: Int = 400) -> SandboxFailure {
        SandboxFailure(status: status, issueCode: "not-supported", diagnostics: diagnostics)
    }
    static func notFound(_ diagnostics: String) -> SandboxFailure {
        SandboxFailure(status: 404, issueCode: "not-found", diagnostics: diagnostics)
    }
    static func gone(_ diagnostics: String) -> SandboxFailure {
        SandboxFailure(status: 410, issueCode: "deleted", diagnostics: diagnostics)
    }
    static func preconditionFailed(_ diagnostics: String) -> SandboxFailure {
        SandboxFailure(status: 412, issueCode: "conflict", diagnostics: diagnostics)
    }
    static func severalMatches(_ diagnostics: String) -> SandboxFailure {
        SandboxFailure(status: 412, issueCode: "multiple-matches", diagnostics: diagnostics)
    }
    static func methodNotAllowed(_ diagnostics: String) -> SandboxFailure {
        SandboxFailure(status: 405, issueCode: "not-supported", diagnostics: diagnostics)
    }

    /// A fault of the server's own, such as a disk that is full.
    static func exception(_ error: any Error) -> SandboxFailure {
        SandboxFailure(status: 500, issueCode: "exception", diagnostics: "the server failed: \(error)")
    }

    /// The failure as an OperationOutcome.
    var outcome: JSONValue {
        JSONTree.outcome(severity: "error", code: issueCode, diagnostics: diagnostics)
    }
}
