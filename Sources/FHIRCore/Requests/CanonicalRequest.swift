/// A request that has been read whole and understood: nothing raw of it survives.
///
/// That one exists proves that path, query, headers and body have exactly one meaning in FHIR R4. It says nothing
/// about whether the request is permitted.
public struct CanonicalRequest: Hashable, Sendable {
    /// What the request does: GET for HEAD and for a `POST _search` too, since they ask for the same.
    public let method: FHIRRequest.Method
    /// What is asked for.
    public let interaction: FHIRInteraction
    /// Search parameters, the condition of a conditional interaction, or an operation's parameters; without the
    /// result options.
    public let query: SearchQuery
    /// The body.
    public let body: RequestBody
    /// The version in `If-Match`.
    public let ifMatch: VersionID?
    /// The conditions on a read.
    public let readCondition: ReadCondition
    /// What the client prefers.
    public let prefer: Prefer
    /// How the answer is to be written.
    public let options: ResultOptions
    /// Whether the answer goes without its body.
    public let isHead: Bool
    /// Whether the search came as `POST _search`.
    public let isPostSearch: Bool

    /// Reads a request; everything that has no one meaning is refused.
    public init(_ request: FHIRRequest, limits: RequestLimits = .default) throws(RequestRefusal) {
        try CanonicalRequest.refuseUnsafeHeaders(request.headers)
        let path = try RequestPath(request.path)
        var interaction = try FHIRInteraction.classify(
            request.method, path, hasCondition: request.headers.ifNoneExist != nil)
        isPostSearch = path.segments.last == .search
        isHead = request.method == .head
        method = isPostSearch || isHead ? .get : request.method
        body = try RequestBodyReader.read(request, for: interaction, limits: limits)
        if case .bundle(let bundle) = body { interaction = bundle.kind == .batch ? .batch : .transaction }
        var query = try CanonicalRequest.query(of: request, isPostSearch: isPostSearch, limits: limits)
        var options = try ResultOptions(takenFrom: &query)
        // FHIR R4 http.html: `_format` goes before `Accept`.
        if options.namedFormat == nil, AnswerFormat.accepted(request.headers.accept) == nil {
            guard case .read(let key) = interaction, key.type == .binary else { throw .notAcceptable }
            options.content = .rawBinary
        }
        self.query = try CanonicalRequest.checked(query, for: interaction, request.headers, limits: limits)
        self.options = options
        self.interaction = interaction
        ifMatch = try CanonicalRequest.version(request.headers.ifMatch, for: interaction)
        readCondition = try ReadCondition(request.headers, for: interaction)
        prefer = request.headers.prefer.map { Prefer(parsing: $0) } ?? Prefer()
    }

    /// Headers that ask for something beside the request.
    private static func refuseUnsafeHeaders(_ headers: FHIRHeaders) throws(RequestRefusal) {
        if headers.hasRepeatedField { throw .invalid("a header field that stands once stands twice") }
        if headers.hasMethodOverride { throw .notSupported("the method cannot be overridden by a header field") }
        if headers.hasProvenanceHeader { throw .notSupported("`X-Provenance` is not supported") }
        if headers.hasCascade { throw .notSupported("`X-Cascade` is not supported") }
        if headers.ifUnmodifiedSince != nil { throw .notSupported("`If-Unmodified-Since` is not supported") }
    }

    /// URL and form parameters together, in this order; both are judged.
    private static func query(
        of request: FHIRRequest, isPostSearch: Bool, limits: RequestLimits
    ) throws(RequestRefusal) -> SearchQuery {
        var query = try SearchQuery(parsing: request.query ?? "", limits: limits)
        guard isPostSearch, !request.body.isEmpty else { return query }
        guard let text = request.headers.contentType, let type = MediaType(text),
            MediaType.form.contains(type.essence), type.isUTF8AndR4
        else { throw .mediaType("application/x-www-form-urlencoded") }
        guard request.body.count <= limits.maxQueryBytes else { throw .tooLong("the form is too long") }
        guard let form = String(validating: request.body, as: UTF8.self) else {
            throw .invalid("the form is not UTF-8")
        }
        query.terms += try SearchQuery(parsing: form, limits: limits).terms
        guard query.terms.count <= limits.maxTerms else { throw .tooLong("the query has too many parameters") }
        return query
    }

    /// Parameters of other servers' own that change what a request does or whose it is. They are refused here,
    /// whatever the interaction and however lenient the handling.
    private static let refusedParameters: Set<String> = [
        "_method", "access_token", "_getpages", "_getpagesoffset", "_cascade", "_expunge", "hardDelete", "_offset",
        "_bundletype", "ct",
    ]

    /// The query, if it is one that the interaction can have.
    private static func checked(
        _ query: SearchQuery, for interaction: FHIRInteraction, _ headers: FHIRHeaders, limits: RequestLimits
    ) throws(RequestRefusal) -> SearchQuery {
        if let term = query.terms.first(where: { refusedParameters.contains($0.name) }) {
            throw .notSupported("`\(term.name)` is not supported")
        }
        if headers.ifNoneExist != nil, interaction.type.map({ interaction != .conditionalCreate($0) }) ?? true {
            throw .invalid("`If-None-Exist` belongs to a create")
        }
        switch interaction {
        case .search, .searchSystem, .searchCompartment, .operation: return query
        case .conditionalCreate:
            guard query.terms.isEmpty else { throw .invalid("a create has no parameters") }
            let condition = try SearchQuery(parsing: headers.ifNoneExist ?? "", limits: limits)
            return try requireCondition(condition)
        case .conditionalUpdate, .conditionalPatch, .conditionalDelete: return try requireCondition(query)
        case .instanceHistory, .typeHistory, .systemHistory:
            // FHIR R4 http.html, history.
            let known: Set<String> = ["_since", "_at", "_count"]
            guard query.terms.allSatisfy({ known.contains($0.fullName) }) else {
                throw .notSupported("a history has no such parameter")
            }
            return query
        case .capabilities, .read, .vread, .create, .update, .patch, .delete, .batch, .transaction, .page:
            guard query.terms.isEmpty else { throw .notSupported("a request of this kind has no such parameter") }
            return query
        }
    }

    /// Parameters that select nothing: alone in a condition they would let every resource of the type match.
    private static let selectingNothing: Set<String> = [
        "_count", "_sort", "_total", "_include", "_revinclude", "_contained", "_containedType", "_score", "_since",
        "_at", "_format", "_pretty", "_summary", "_elements",
    ]

    /// A condition has to say something, or it would mean every resource of the type; and it says nothing else.
    private static func requireCondition(_ query: SearchQuery) throws(RequestRefusal) -> SearchQuery {
        guard !query.terms.isEmpty, query.terms.allSatisfy({ !$0.rawValue.isEmpty }) else {
            throw .invalid("the request names neither an id nor a condition")
        }
        let unfit = query.terms.first { refusedParameters.contains($0.name) || selectingNothing.contains($0.name) }
        if let unfit { throw .notSupported("`\(unfit.name)` cannot stand in a condition") }
        return query
    }

    /// `If-Match: W/"v"` (FHIR R4 http.html, managing resource contention).
    private static func version(
        _ text: String?, for interaction: FHIRInteraction
    ) throws(RequestRefusal) -> VersionID? {
        guard let text else { return nil }
        switch interaction {
        case .update, .conditionalUpdate, .patch, .conditionalPatch, .delete, .conditionalDelete: break
        default: throw .invalid("`If-Match` belongs to an update, a patch or a delete")
        }
        guard let version = EntityTag.version(HeaderText.trimmed(Substring(text))) else {
            throw .invalid("`If-Match` is not one version, such as W/\"1\"")
        }
        return version
    }
}
