/// The start of an upstream answer: the status and the few headers that mean something to us.
public struct UpstreamHead: Sendable, Hashable {
    public var status: Int
    public var contentType: String?
    public var contentEncoding: String?
    public var etag: String?
    public var lastModified: String?
    public var location: String?

    public init(
        status: Int, contentType: String? = nil, contentEncoding: String? = nil, etag: String? = nil,
        lastModified: String? = nil, location: String? = nil
    ) {
        self.status = status
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.etag = etag
        self.lastModified = lastModified
        self.location = location
    }
}
