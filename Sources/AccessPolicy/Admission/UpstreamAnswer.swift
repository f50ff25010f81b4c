/// What the upstream answered: status, the few headers that matter, and the body decoded from any coding.
public struct UpstreamAnswer: Hashable, Sendable {
    /// The HTTP status.
    public let status: Int
    /// `Content-Type`.
    public let contentType: String?
    /// `ETag`.
    public let etag: String?
    /// `Last-Modified`.
    public let lastModified: String?
    /// `Location`.
    public let location: String?
    /// The body.
    public let body: [UInt8]

    /// Puts an answer together.
    public init(
        status: Int, contentType: String?, etag: String? = nil, lastModified: String? = nil, location: String? = nil,
        body: [UInt8]
    ) {
        self.status = status
        self.contentType = contentType
        self.etag = etag
        self.lastModified = lastModified
        self.location = location
        self.body = body
    }

    /// Whether the body says that it is JSON; a body that says nothing is not taken for FHIR.
    var isJSON: Bool {
        guard let contentType else { return false }
        if contentType == "application/fhir+json" { return true }
        let essence = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " && $0 != "\t" }
        return ["application/fhir+json", "application/json", "application/json+fhir", "text/json"].contains(essence)
    }
}
