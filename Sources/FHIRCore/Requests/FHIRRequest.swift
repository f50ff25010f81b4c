/// A request below a FHIR base as it arrived: nothing in it has been checked.
///
/// The HTTP side copies what matters into one; ``CanonicalRequest`` is what the house works with.
public struct FHIRRequest: Hashable, Sendable {
    /// An HTTP method. Methods are case-sensitive (RFC 9110 §9.1): `get` is another method than `GET`.
    public enum Method: Hashable, Sendable, CustomStringConvertible {
        case get, head, post, put, patch, delete, options
        case other(String)

        /// The method with this name.
        public init(_ text: String) {
            switch text {
            case "GET": self = .get
            case "HEAD": self = .head
            case "POST": self = .post
            case "PUT": self = .put
            case "PATCH": self = .patch
            case "DELETE": self = .delete
            case "OPTIONS": self = .options
            default: self = .other(text)
            }
        }

        /// The method's name.
        public var description: String {
            switch self {
            case .get: "GET"
            case .head: "HEAD"
            case .post: "POST"
            case .put: "PUT"
            case .patch: "PATCH"
            case .delete: "DELETE"
            case .options: "OPTIONS"
            case .other(let text): text
            }
        }
    }

    /// The method.
    public var method: Method
    /// The raw path below the FHIR base: empty, or beginning with `/`.
    public var path: String
    /// The raw query without its `?`; nil when there is none.
    public var query: String?
    /// The header fields that matter.
    public var headers: FHIRHeaders
    /// The body, decoded from any transfer coding.
    public var body: [UInt8]
    /// Why the body could not be turned into the JSON that is read here, where it came as something else. It takes the
    /// place of the body: a request without a body is not touched by it.
    public var bodyFault: RequestRefusal?

    /// A request.
    public init(
        method: Method, path: String, query: String? = nil, headers: FHIRHeaders = FHIRHeaders(), body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }
}

extension FHIRRequest {
    /// Whether the body is the form of a search.
    var isForm: Bool {
        guard method == .post, let text = headers.contentType, let type = MediaType(text) else { return false }
        return MediaType.form.contains(type.essence)
    }

    /// Whether the body claims to be a resource in XML, where a resource can be the body. A patch in XML is none.
    public var hasXMLResource: Bool {
        guard method == .post || method == .put, headers.contentEncoding == nil,
            let text = headers.contentType, let type = MediaType(text)
        else { return false }
        return MediaType.xml.contains(type.essence) && type.isUTF8AndR4 && !path.hasSuffix("/_search")
    }
}
