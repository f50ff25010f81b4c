/// The format in which an answer is written. It changes nothing about what the answer says, so nothing that decides
/// looks at it (FHIR R4 http.html, content types and encodings).
public struct AnswerFormat: Hashable, Sendable {
    /// The two formats of a resource that we write.
    public enum Syntax: Hashable, Sendable {
        case json, xml
    }

    /// Which of the two.
    public let syntax: Syntax
    /// The media type that was asked for, without parameters: FHIR's own, or one of the general ones.
    public let mediaType: String

    /// `application/fhir+json`, in which we answer where nothing else is asked for.
    public static let json = AnswerFormat(syntax: .json, mediaType: "application/fhir+json")
    /// `application/fhir+xml`.
    public static let xml = AnswerFormat(syntax: .xml, mediaType: "application/fhir+xml")

    /// The value of `Content-Type`.
    public var contentType: String { "\(mediaType); charset=utf-8" }

    /// What can be asked for. FHIR R4 http.html: a client that asks for a general type is answered with that type.
    /// Of two that are wanted alike the earlier one is given.
    static let offered = [
        json, xml,
        AnswerFormat(syntax: .json, mediaType: "application/json"),
        AnswerFormat(syntax: .xml, mediaType: "application/xml"),
        AnswerFormat(syntax: .json, mediaType: "text/json"), AnswerFormat(syntax: .xml, mediaType: "text/xml"),
    ]
}

extension AnswerFormat {
    /// The format that a value of `_format` names; nil for any other.
    package static func named(_ value: String) -> AnswerFormat? {
        switch value.lowercased() {
        case "json": return .json
        case "xml": return .xml
        default:
            // A `+` that was not encoded has become a space by now.
            let text = value.split(separator: "fhir ", maxSplits: 1, omittingEmptySubsequences: false)
            guard let type = MediaType(text.joined(separator: "fhir+")), type.isUTF8AndR4 else { return nil }
            return offered.first { $0.mediaType == type.essence }
        }
    }

    /// The format that `Accept` asks for; nil when it asks for nothing that we have. An absent or unreadable one asks
    /// for nothing at all, and gets JSON.
    ///
    /// RFC 9110 §12.5.1: for each type the most specific range counts. The highest weight wins; among equal ones a type
    /// that is named goes before one that a wildcard covers.
    package static func accepted(_ accept: String?) -> AnswerFormat? {
        guard let accept, accept != json.mediaType else { return .json }
        let ranges = accept.split(separator: ",").compactMap { MediaType($0) }
        guard !ranges.isEmpty else { return .json }
        var best: (format: AnswerFormat, quality: Int, specificity: Int)?
        for format in offered {
            guard let (quality, specificity) = weight(of: format, in: ranges), quality > 0 else { continue }
            if let best, (best.quality, best.specificity) >= (quality, specificity) { continue }
            best = (format, quality, specificity)
        }
        return best?.format
    }

    private static func weight(of format: AnswerFormat, in ranges: [MediaType]) -> (Int, Int)? {
        let kind = format.mediaType.split(separator: "/")[0]
        var found: (quality: Int, specificity: Int)?
        for range in ranges {
            let specificity =
                switch range.essence {
                case format.mediaType: 3
                case "\(kind)/*": 2
                case "*/*": 1
                default: 0
                }
            guard specificity > 0, range.isUTF8AndR4, let quality = range.quality else { continue }
            if let found, (found.specificity, found.quality) >= (specificity, quality) { continue }
            found = (quality, specificity)
        }
        return found
    }
}

extension AnswerFormat {
    /// The format in which a request wants to be answered, whatever the answer: a refusal too, and of a request that
    /// is none of FHIR. JSON where nothing can be told or what is asked for cannot be given.
    public init(for request: FHIRRequest) {
        self = AnswerFormat.parameter(of: request) ?? AnswerFormat.accepted(request.headers.accept) ?? .json
    }

    /// `_format`, which goes before `Accept`, in the query or in the form of a search.
    private static func parameter(of request: FHIRRequest) -> AnswerFormat? {
        var texts = request.query.map { [$0] } ?? []
        if request.isForm, request.body.count <= RequestLimits.default.maxQueryBytes {
            texts.append(String(decoding: request.body, as: UTF8.self))
        }
        for text in texts where mayNameFormat(text) {
            guard let query = try? SearchQuery(parsing: text, limits: .default),
                let term = query.terms.first(where: { $0.fullName == "_format" })
            else { continue }
            return named(term.rawValue)
        }
        return nil
    }

    /// Whether a query has to be taken apart to know. Encoded letters are letters.
    private static func mayNameFormat(_ query: String) -> Bool {
        query.utf8.split(separator: UInt8(ascii: "&")).contains { pair in
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            return name.elementsEqual("_format".utf8) || name.contains(UInt8(ascii: "%"))
        }
    }
}
