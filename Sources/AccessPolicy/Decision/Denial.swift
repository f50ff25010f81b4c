internal import FHIRCore

/// A refusal with its one reason and its public face.
public struct Denial: Hashable, Sendable {
    /// Why.
    public let reason: DenialReason
    /// Scopes any one of which would have sufficed; only for refusals that depend on the token alone.
    public let sufficientScopes: [String]
    /// The parameter that the refusal is about; only one that the client itself wrote.
    public let parameter: String?

    /// Makes a refusal.
    public init(_ reason: DenialReason, sufficientScopes: [String] = [], parameter: String? = nil) {
        self.reason = reason
        self.sufficientScopes = reason.face.isTokenOnly ? sufficientScopes : []
        self.parameter = parameter
    }

    /// The HTTP status.
    public var status: Int { reason.face.status }

    /// The code of the OperationOutcome's issue.
    public var issueCode: String { reason.face.issueCode }

    /// Our own code in the issue's `details`.
    ///
    /// Reasons that must not be told apart have one code each by having one reason each.
    public var detailsCode: String { reason.rawValue }

    /// The value of `WWW-Authenticate` (RFC 6750 §3.1), for refusals that another token could avoid.
    public var challenge: String? {
        guard reason.face.isTokenOnly else { return nil }
        let scopes = sufficientScopes.isEmpty ? "" : ", scope=\"\(sufficientScopes.joined(separator: " "))\""
        return "Bearer error=\"insufficient_scope\"" + scopes
    }

    /// The OperationOutcome that the client sees: constant per reason, with the parameter's name where there is one.
    ///
    /// - Parameter requestID: the only thing in `diagnostics` that differs between two requests.
    public func operationOutcome(requestID: String? = nil) -> [UInt8] {
        OperationOutcome.json(
            severity: "error", code: issueCode, diagnostics: requestID,
            expression: parameter.map { ["http." + $0] } ?? [], details: detailsCode)
    }
}
