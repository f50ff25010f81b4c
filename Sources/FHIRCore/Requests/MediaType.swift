/// A media type with its parameters (RFC 9110 §8.3.1), as far as content types and `Accept` need.
struct MediaType: Hashable, Sendable {
    /// Type and subtype in lower case.
    let essence: String
    private let parameters: [String: String]

    /// Reads one media type or range; nil when it has not the form, or a parameter twice.
    init?(_ text: some StringProtocol) {
        var parts = Substring(text).split(separator: ";", omittingEmptySubsequences: false)[...]
        essence = HeaderText.trimmed(parts.removeFirst()).lowercased()
        let halves = essence.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2, halves.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(MediaType.isTokenByte) })
        else { return nil }
        var parameters: [String: String] = [:]
        for part in parts {
            let words = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard words.count == 2 else { return nil }
            let name = HeaderText.trimmed(words[0]).lowercased()
            guard parameters[name] == nil else { return nil }
            parameters[name] = HeaderText.unquoted(HeaderText.trimmed(words[1]))
        }
        self.parameters = parameters
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "*"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Whether a `charset` is absent or UTF-8 and a `fhirVersion` is absent or R4.
    var isUTF8AndR4: Bool {
        let charset = parameters["charset"]?.lowercased()
        let version = parameters["fhirversion"]
        return (charset == nil || charset == "utf-8" || charset == "utf8")
            && (version == nil || version == "4.0" || version == "4.0.1")
    }

    /// Whether a quality of zero says "not this".
    var isExcluded: Bool {
        guard let quality = parameters["q"] else { return false }
        return !quality.isEmpty && quality.allSatisfy { $0 == "0" || $0 == "." }
    }

    /// FHIR R4 http.html, MIME types; the plain ones are common and mean the same.
    static let json: Set<String> = ["application/fhir+json", "application/json"]
    /// RFC 6902.
    static let jsonPatch: Set<String> = ["application/json-patch+json"]
    /// Forms of `POST _search`.
    static let form: Set<String> = ["application/x-www-form-urlencoded"]

    /// Whether JSON can be the answer to this `Accept` value; an absent or unreadable one asks for nothing.
    static func acceptsJSON(_ accept: String?) -> Bool {
        // What nearly every client says.
        guard let accept, accept != "application/fhir+json", accept != "*/*" else { return true }
        let ranges = accept.split(separator: ",").compactMap { MediaType($0) }
        guard !ranges.isEmpty else { return true }
        return ranges.contains { range in
            !range.isExcluded && range.isUTF8AndR4
                && (json.contains(range.essence) || ["*/*", "application/*", "text/json"].contains(range.essence))
        }
    }
}
