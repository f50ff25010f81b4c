/// The conditions under which a read is answered with 304. We evaluate them, after the judgement, never upstream.
public struct ReadCondition: Hashable, Sendable {
    /// The versions in `If-None-Match`; empty when it was absent or named none that can exist.
    public var ifNoneMatch: [VersionID] = []
    /// Whether `If-None-Match` was `*`.
    public var ifNoneMatchAny = false
    /// The text of `If-Modified-Since`; nil also when `If-None-Match` was there, which counts instead
    /// (RFC 9110 §13.1.3).
    public var ifModifiedSince: String?

    /// No condition.
    public init() {}

    init(_ headers: FHIRHeaders, for interaction: FHIRInteraction) throws(RequestRefusal) {
        guard headers.ifNoneMatch != nil || headers.ifModifiedSince != nil else { return }
        // On a write `If-None-Match` would be a precondition, which R4 has not and which must not be passed over.
        switch interaction {
        case .read: break
        case .create, .conditionalCreate, .update, .conditionalUpdate, .patch, .conditionalPatch, .delete,
            .conditionalDelete, .batch, .transaction:
            throw .notSupported("a write has no such condition")
        case .capabilities, .vread, .instanceHistory, .typeHistory, .systemHistory, .search, .searchSystem,
            .searchCompartment, .operation, .page:
            return
        }
        guard let text = headers.ifNoneMatch else {
            ifModifiedSince = headers.ifModifiedSince
            return
        }
        let tags = text.split(separator: ",").map(HeaderText.trimmed)
        ifNoneMatchAny = tags == ["*"]
        ifNoneMatch = tags.compactMap(EntityTag.version)
    }
}

/// The entity tags of FHIR: `W/"version"` (R4 http.html), read leniently as to weakness.
enum EntityTag {
    static func version(_ text: Substring) -> VersionID? {
        let quoted = text.hasPrefix("W/") ? text.dropFirst(2) : text
        guard quoted.utf8.count >= 2, quoted.first == "\"", quoted.last == "\"" else { return nil }
        return VersionID(quoted.dropFirst().dropLast())
    }
}
