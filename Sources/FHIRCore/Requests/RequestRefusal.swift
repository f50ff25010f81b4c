/// Why a request is none that we understand, with the answer that it gets.
public struct RequestRefusal: Error, Hashable, Sendable {
    /// The HTTP status.
    public let status: Int
    /// The code of the OperationOutcome's issue (FHIR R4 IssueType).
    public let issueCode: String
    /// What was wrong, fit to be shown: it may name a parameter and never repeats a value.
    public let diagnostics: String

    /// A refusal.
    public init(status: Int, issueCode: String, diagnostics: String) {
        self.status = status
        self.issueCode = issueCode
        self.diagnostics = diagnostics
    }

    static func invalid(_ diagnostics: String) -> RequestRefusal {
        RequestRefusal(status: 400, issueCode: "invalid", diagnostics: diagnostics)
    }

    static func notSupported(_ diagnostics: String) -> RequestRefusal {
        RequestRefusal(status: 400, issueCode: "not-supported", diagnostics: diagnostics)
    }

    static let unknownPath = RequestRefusal(
        status: 404, issueCode: "not-found", diagnostics: "the path is none of a FHIR R4 interaction")

    static let unknownType = RequestRefusal(
        status: 404, issueCode: "not-supported", diagnostics: "the path names no resource type of FHIR R4")

    static let method = RequestRefusal(
        status: 405, issueCode: "not-supported", diagnostics: "the method is none of this path")

    static let notAcceptable = RequestRefusal(
        status: 406, issueCode: "not-supported",
        diagnostics: "answers are given as application/fhir+json or application/fhir+xml")

    static func mediaType(_ expected: String) -> RequestRefusal {
        RequestRefusal(
            status: 415, issueCode: "not-supported", diagnostics: "the content type of this request is \(expected)")
    }

    static func tooLong(_ diagnostics: String) -> RequestRefusal {
        RequestRefusal(status: 413, issueCode: "too-long", diagnostics: diagnostics)
    }
}

/// The bounds within which a request is read.
public struct RequestLimits: Hashable, Sendable {
    /// Size and depth of JSON bodies.
    public var json: JSONLimits
    /// How long a query, or a form that stands for one, may be.
    public var maxQueryBytes: Int
    /// How many parameters a query may have.
    public var maxTerms: Int
    /// How many entries a batch or transaction may have.
    public var maxBundleEntries: Int

    /// Limits with the house's defaults.
    public init(
        json: JSONLimits = .default, maxQueryBytes: Int = 64 << 10, maxTerms: Int = 200, maxBundleEntries: Int = 500
    ) {
        self.json = json
        self.maxQueryBytes = maxQueryBytes
        self.maxTerms = maxTerms
        self.maxBundleEntries = maxBundleEntries
    }

    /// The house's defaults.
    public static let `default` = RequestLimits()
}
