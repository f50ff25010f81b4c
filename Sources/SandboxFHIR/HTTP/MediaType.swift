/// A media type of a header, as far as the sandbox looks at it.
struct MediaType: Hashable {
    /// Type and subtype in lower case.
    let name: String
    /// The quality of an `Accept` range; 1 when it is not given.
    let quality: Double

    init?(_ text: String?) {
        guard let text else { return nil }
        let parts = text.split(separator: ";").map { String($0).trimmed }
        guard let first = parts.first, first.contains("/") else { return nil }
        name = first.lowercased()
        let weight = parts.dropFirst().first { $0.lowercased().hasPrefix("q=") }
        quality = weight.flatMap { Double($0.dropFirst(2)) } ?? 1
    }

    /// The one type of FHIR content that the sandbox reads and writes.
    static let fhirJSON = "application/fhir+json"

    /// Newline-delimited resources, as an export writes them.
    static let ndjson = "application/fhir+ndjson"

    /// The names under which a client can send or ask for it (FHIR R4 http §3.1.0.1.9).
    static let json = [fhirJSON, "application/json", "text/json"]

    /// Whether the content type of a body is JSON.
    static func isJSON(_ contentType: String?) -> Bool {
        MediaType(contentType).map { json.contains($0.name) } ?? false
    }

    /// Whether `Accept` or `_format` names a format of FHIR itself rather than anything that may come.
    static func namesFHIR(format: String?, accept: String?) -> Bool {
        if format != nil { return true }
        return (accept ?? "").split(separator: ",").compactMap { MediaType(String($0)) }.contains {
            $0.quality > 0 && (json.contains($0.name) || $0.name == "application/fhir+xml")
        }
    }

    /// Whether a client takes JSON, by `_format` or else by `Accept`.
    static func acceptsJSON(format: String?, accept: String?) -> Bool {
        if let format {
            let name = format.replacing(" ", with: "+")
            return name == "json" || MediaType(name).map { json.contains($0.name) } ?? false
        }
        guard let accept, !accept.trimmed.isEmpty else { return true }
        let ranges = accept.split(separator: ",").compactMap { MediaType(String($0)) }
        return ranges.contains { range in
            range.quality > 0 && (json.contains(range.name) || range.name == "*/*" || range.name == "application/*")
        }
    }
}
