internal import FHIRCore

/// What a page keeps of an upstream answer until it is complete.
///
/// A resource is a place in the document that it came in. Where little is kept of a large document, it is copied out, so
/// that a page holds about what it will send and not the 32 answers that it was picked from.
struct KeptRows {
    private let isCopied: Bool

    /// Smaller documents are kept whole.
    private static let smallBytes = 64 << 10

    /// - Parameters:
    ///   - kept: all that is kept of the document.
    ///   - document: where it stands.
    init(_ kept: [ResourceView], of document: JSONDocument) {
        let bytes = kept.reduce(0) { $0 + $1.node.range.count }
        isCopied = document.bytes.count > Self.smallBytes && 2 * bytes < document.bytes.count
    }

    /// A resource and what has to go from it, in the document that they are kept in.
    func kept(_ resource: ResourceView, _ redaction: Redaction) -> (ResourceView, Redaction) {
        guard isCopied, let document = try? JSONDocument(Array(resource.node.bytes)),
            let copy = try? ResourceView(document.root)
        else { return (resource, redaction) }
        let start = resource.node.range.lowerBound
        var moved = redaction
        moved.edits = redaction.edits.map { edit in
            ByteEdit(
                range: edit.range.lowerBound - start..<edit.range.upperBound - start, replacement: edit.replacement)
        }
        return (copy, moved)
    }

    /// The same of a row of a search.
    func kept(_ entry: SearchAnswer.Entry) -> SearchAnswer.Entry {
        let (resource, redaction) = kept(entry.resource, entry.redaction)
        return SearchAnswer.Entry(key: entry.key, resource: resource, redaction: redaction, scopes: entry.scopes)
    }
}
