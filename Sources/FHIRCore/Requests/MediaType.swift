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

    /// The weight in `Accept` in thousandths (RFC 9110 §12.4.2): 1000 where none is given, nil where it is none.
    var quality: Int? {
        guard let text = parameters["q"] else { return 1000 }
        let digits = Array(text.utf8)
        guard let whole = digits.first, whole == UInt8(ascii: "0") || whole == UInt8(ascii: "1"), digits.count <= 5,
            digits.count == 1 || digits[1] == UInt8(ascii: "."), let fraction = Int("0" + text.dropFirst(2)),
            digits.dropFirst(2).allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        let scale = [1000, 100, 10, 1][max(digits.count - 2, 0)]
        let thousandths = (whole == UInt8(ascii: "1") ? 1000 : 0) + fraction * scale
        return thousandths <= 1000 ? thousandths : nil
    }

    /// FHIR R4 http.html, MIME types; the plain ones are common and mean the same.
    static let json: Set<String> = ["application/fhir+json", "application/json"]
    /// The same for XML, where `text/xml` means `application/xml` (RFC 7303 §9.2).
    static let xml: Set<String> = ["application/fhir+xml", "application/xml", "text/xml"]
    /// RFC 6902.
    static let jsonPatch: Set<String> = ["application/json-patch+json"]
    /// Forms of `POST _search`.
    static let form: Set<String> = ["application/x-www-form-urlencoded"]
}
