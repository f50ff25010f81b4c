/// The start of an upstream answer: the status and the few headers that mean something to us.
public struct UpstreamHead: Sendable, Hashable {
    /// The HTTP status.
    public var status: Int
    /// `Content-Type`.
    public var contentType: String?
    /// `Content-Encoding`.
    public var contentEncoding: String?
    /// `ETag`.
    public var etag: String?
    /// `Last-Modified`.
    public var lastModified: String?
    /// `Location`.
    public var location: String?
    /// `Content-Length`, as far as it is a number; only a hint of how much will come.
    public var contentLength: Int?
    /// `Content-Location`; where an asynchronous request can be looked at.
    public var contentLocation: String?

    /// A head with these fields.
    public init(
        status: Int, contentType: String? = nil, contentEncoding: String? = nil, etag: String? = nil,
        lastModified: String? = nil, location: String? = nil, contentLocation: String? = nil, contentLength: Int? = nil
    ) {
        self.status = status
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.etag = etag
        self.lastModified = lastModified
        self.location = location
        self.contentLength = contentLength
        self.contentLocation = contentLocation
    }
}
