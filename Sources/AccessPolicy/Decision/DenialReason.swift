/// Why a request is refused, or why an answer is withheld whole.
public enum DenialReason: String, Hashable, Sendable, CaseIterable {
    // MARK: from the token alone
    /// No scope speaks about the type.
    case typeNotGranted = "type-not-granted"
    /// Scopes speak about the type, but not with this letter.
    case letterNotGranted = "letter-not-granted"
    /// The scopes that would allow it have no patient, user or policy to stand on.
    case contextMissing = "context-missing"
    /// The type is never reachable inside a boundary of patients, or never writable.
    case typeRefused = "type-refused"
    /// A parameter or a compartment URL names a patient outside the boundary.
    case otherPatientNamed = "other-patient-named"
    /// The interaction or operation is not offered.
    case operationNotSupported = "operation-not-supported"
    /// The interaction is not offered under this context.
    case contextRefused = "context-refused"

    // MARK: from stored data
    /// Not there, or not for this token; nobody can tell which.
    case notFound = "not-found"
    /// The stored version is not the one that the client or the check had in hand.
    case versionConflict = "version-conflict"
    /// A condition selects more than one of the resources that the token sees.
    case multipleMatches = "multiple-matches"
    /// A patch that cannot be applied to what is stored, or that does not give a resource.
    case patchFailed = "patch-failed"

    // MARK: from the request's own form
    /// A search parameter that is not supported here.
    case parameterNotSupported = "parameter-not-supported"
    /// A search parameter with a value that cannot be read.
    case parameterInvalid = "parameter-invalid"
    /// The boundary holds more patients than one query can name, so the search has to name its own.
    case patientRequired = "patient-required"
    /// The limits of the scopes cannot be said in one query; a search by one of their own values can be.
    case limitsNotExpressible = "limits-not-expressible"
    /// A body whose type or id is not that of the URL, or that is no resource.
    case bodyInvalid = "body-invalid"
    /// A body that belongs to nobody inside the boundary, or not to the granted constraint.
    case bodyOutsideBoundary = "body-outside-boundary"
    /// A body that refers to something that the token cannot see.
    case referenceNotVisible = "reference-not-visible"

    /// The answer was asked for in a form that is not offered.
    case formatNotSupported = "format-not-supported"

    // MARK: from the upstream
    /// The answer cannot be checked, so it is not passed on.
    case upstreamUnverifiable = "upstream-unverifiable"
    /// The upstream did not understand what was asked.
    case upstreamRejected = "upstream-rejected"
    /// The upstream refused a body by its own rules.
    case upstreamRefusedBody = "upstream-refused-body"
    /// The upstream refused with a conflict.
    case upstreamConflict = "upstream-conflict"
    /// The upstream did not do its work.
    case upstreamFailed = "upstream-failed"
    /// The upstream asks to come back later.
    case upstreamBusy = "upstream-busy"

    /// The public face of each reason: one table (enforcer digest b.3, decisions 5 and 10).
    var face: (status: Int, issueCode: String, isTokenOnly: Bool) {
        switch self {
        case .typeNotGranted, .letterNotGranted, .contextMissing: (403, "forbidden", true)
        case .typeRefused, .otherPatientNamed, .operationNotSupported, .contextRefused: (403, "forbidden", true)
        case .notFound: (404, "not-found", false)
        case .versionConflict: (412, "conflict", false)
        case .multipleMatches: (412, "multiple-matches", false)
        case .patchFailed: (422, "processing", false)
        case .parameterNotSupported, .limitsNotExpressible: (400, "not-supported", false)
        case .patientRequired: (400, "required", false)
        case .formatNotSupported: (406, "not-supported", false)
        case .parameterInvalid, .bodyInvalid: (400, "invalid", false)
        case .bodyOutsideBoundary: (403, "forbidden", false)
        case .referenceNotVisible: (422, "business-rule", false)
        case .upstreamUnverifiable, .upstreamFailed: (502, "exception", false)
        case .upstreamRejected: (400, "processing", false)
        case .upstreamRefusedBody: (422, "processing", false)
        case .upstreamConflict: (409, "conflict", false)
        case .upstreamBusy: (503, "transient", false)
        }
    }
}
