/// The conditions under which a read is answered with 304. We evaluate them, after the judgement, never upstream.
public struct ReadCondition: Hashable, Sendable {
    /// The versions in `If-None-Match`; empty when it was absent or named none that can exist.
    public var ifNoneMatch: [VersionID] = []
    /// Whether `If-None-Match` was `*`.
    public var ifNoneMatchAny = false

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
        // `If-Modified-Since` is not evaluated, as RFC 9110 §13.1.3 allows: a whole answer is never wrong.
        guard let text = headers.ifNoneMatch else { return }
        let tags = text.split(separator: ",").map(HeaderText.trimmed)
        ifNoneMatchAny = tags == ["*"]
        ifNoneMatch = tags.compactMap(EntityTag.version)
    }
}
