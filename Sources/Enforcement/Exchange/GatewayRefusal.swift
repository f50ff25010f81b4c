internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// An answer without data, as values: what the client sees, and what the record says.
///
/// The one place where every kind of refusal and failure gets its face (enforcer.md b.3), so that two causes which an
/// attacker must not tell apart cannot differ by accident.
public struct GatewayRefusal: Sendable, Hashable {
    /// The HTTP status.
    public let status: Int
    /// Always an OperationOutcome of ours.
    let body: [UInt8]
    /// The `WWW-Authenticate` header.
    let challenge: String?
    /// The `Allow` header.
    let allow: String?
    /// The `Retry-After` header, in seconds.
    let retryAfter: Int?
    /// The `DPoP-Nonce` header (RFC 9449 §9).
    var proofNonce: String?
    /// For the record only.
    private(set) var outcome: AccessOutcome

    init(
        status: Int, body: [UInt8], challenge: String? = nil, allow: String? = nil, retryAfter: Int? = nil,
        outcome: AccessOutcome
    ) {
        self.status = status
        self.body = body
        self.challenge = challenge
        self.allow = allow
        self.retryAfter = retryAfter
        self.outcome = outcome
    }

    /// A refusal that is none of policy's.
    ///
    /// - Parameter diagnostics: the same text for every cause that must look alike.
    init(
        status: Int, issueCode: String, diagnostics: String, challenge: String? = nil, allow: String? = nil,
        retryAfter: Int? = nil, outcome: AccessOutcome
    ) {
        self.init(
            status: status,
            body: OperationOutcome.json(severity: "error", code: issueCode, diagnostics: diagnostics),
            challenge: challenge, allow: allow, retryAfter: retryAfter, outcome: outcome)
    }

    /// The same refusal with another line in the record.
    func recorded(as outcome: AccessOutcome) -> GatewayRefusal {
        var refusal = self
        refusal.outcome = outcome
        return refusal
    }

    func fields(in format: AnswerFormat) -> [AnswerFields.Field] {
        var fields = AnswerFields.document(in: format)
        if let challenge { fields.append(("www-authenticate", challenge)) }
        if let proofNonce { fields.append(("dpop-nonce", proofNonce)) }
        if let allow { fields.append(("allow", allow)) }
        if let retryAfter { fields.append(("retry-after", String(retryAfter))) }
        return fields
    }
}

extension GatewayRefusal {
    /// A request that is none of FHIR R4, or none that we serve.
    init(_ refusal: RequestRefusal) {
        self.init(
            status: refusal.status, issueCode: refusal.issueCode, diagnostics: refusal.diagnostics,
            allow: refusal.status == 405 ? "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" : nil,
            outcome: .refused(reason: "request-\(refusal.status)"))
    }

    /// A message refused for its form.
    init(_ refusal: FramingRefusal) {
        self.init(
            status: refusal.status, issueCode: refusal.issueCode, diagnostics: refusal.diagnostics,
            outcome: .refused(reason: "form-\(refusal.rawValue)"))
    }

    /// The access could not be recorded, so nothing leaves (decision 16).
    static let notRecorded = GatewayRefusal(
        status: 503, issueCode: "transient", diagnostics: "the request cannot be served at the moment",
        retryAfter: 5, outcome: .failed(reason: "audit"))

    /// Too many requests without a valid token; this one is counted but not recorded (decision 15).
    static let throttled = GatewayRefusal(
        status: 429, issueCode: "throttled", diagnostics: "too many requests without a valid token",
        retryAfter: 10, outcome: .refused(reason: "throttled"))

    /// Who the user may see could not be found out.
    static let panelUnavailable = GatewayRefusal(
        status: 503, issueCode: "transient", diagnostics: "the request cannot be served at the moment",
        retryAfter: 5, outcome: .failed(reason: "panel-unavailable"))

    /// The store of export jobs cannot be asked.
    static let jobsUnavailable = GatewayRefusal(
        status: 503, issueCode: "transient", diagnostics: "the request cannot be served at the moment",
        retryAfter: 5, outcome: .failed(reason: "export-jobs-unavailable"))

    /// An answer too large to be judged whole could not begin to stream beside the others.
    init(_ refusal: StreamRefusal) {
        switch refusal {
        case .tooManyOfClient:
            self.init(
                status: 429, issueCode: "throttled",
                diagnostics: "too many large answers are under way for this client; let one of them end first",
                retryAfter: 30, outcome: .refused(reason: "streams-of-client"))
        case .tooMany:
            self.init(
                status: 503, issueCode: "transient",
                diagnostics: "too many large answers are under way at the moment", retryAfter: 30,
                outcome: .failed(reason: "streams"))
        }
    }

    /// What is not there, or not there for this token: one face for both (decision 5). The reason is for the record.
    static func notFound(_ reason: String) -> GatewayRefusal {
        GatewayRefusal(Denial(.notFound)).recorded(as: .refused(reason: reason))
    }

    /// The face of what is not there, for a cause that must not show; the record keeps the cause.
    var asNotFound: GatewayRefusal { GatewayRefusal(Denial(.notFound)).recorded(as: outcome) }

    /// The version that the client named, or the one that was judged, is no longer the current one.
    static let versionConflict = GatewayRefusal(Denial(.versionConflict))

    /// The protected server gave an answer that cannot be judged; nothing of it leaves.
    static func uncheckable(_ reason: String) -> GatewayRefusal {
        GatewayRefusal(Denial(.upstreamUnverifiable)).recorded(as: .failed(reason: reason))
    }

    /// The protected server did not answer as it should.
    init(_ failure: UpstreamFailure, changesUpstream: Bool) {
        let face: (Int, String, String) =
            switch failure {
            case .unreachable, .overloaded, .abandoned:
                (503, "transient", "the protected server cannot be reached at the moment")
            case .timedOut: (504, "timeout", "the protected server did not answer in time")
            case .interrupted, .malformed:
                (502, "exception", "the answer of the protected server cannot be used")
            case .packed:
                (
                    502, "exception",
                    "the protected server packs its answers in a way that was not asked for: set it to answer "
                        + "`Accept-Encoding: identity` unpacked, or with gzip"
                )
            case .tooLarge: (502, "too-costly", "the answer of the protected server is too large")
            }
        // A write that may have arrived is neither done nor not done; the record says so (decision 16).
        let isUnknown = changesUpstream && failure.mayHaveReachedServer
        self.init(
            status: face.0, issueCode: face.1, diagnostics: face.2,
            retryAfter: face.0 == 503 ? 5 : nil,
            outcome: isUnknown
                ? .interrupted(reason: "outcome-unknown: upstream-\(failure.rawValue)")
                : .failed(reason: "upstream-\(failure.rawValue)"))
    }
}
