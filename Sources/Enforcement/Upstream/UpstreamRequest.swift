internal import AccessPolicy
internal import FHIRCore
internal import NIOHTTP1

/// A request to the protected FHIR server, written anew from parsed values.
///
/// Nothing of the client's request is copied: method, path, query and headers are printed from what was judged
/// (enforcer.md b.2.9). Only a `Permit` makes one for what a client asks; what needs none is our own: the questions for the
/// server's capabilities, for whose patients a user has and for who bears an identifier at sign-in, and the end of an
/// export that is over.
public struct UpstreamRequest: Sendable, Hashable {
    /// The methods that we ever send.
    public enum Method: String, Sendable, Hashable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case delete = "DELETE"
    }

    /// The method.
    public let method: Method
    /// Below the server's base: empty or beginning with `/`.
    public let path: String
    /// Printed from parsed terms, without the question mark.
    public let query: String?
    /// A whole request target that a sealed page link carried; it was checked to lie within the server's base.
    public let pageTarget: String?
    /// `Content-Type`, where there is a body.
    public let contentType: String?
    /// The entity tag of the version that was judged; set on every write to something that exists.
    public let ifMatch: String?
    /// The condition under which a create makes something, narrowed as the search that it is.
    public let ifNoneExist: String?
    /// `Prefer`, ours and not the client's.
    public let prefer: String?
    /// What is asked for instead of a FHIR document: the lines of a bulk file, or a manifest.
    private(set) var accept = "application/fhir+json"
    /// The body that passed `admit`, or the form of a search.
    public let body: [UInt8]
    /// The base of the storage host that is asked; nil for the protected server.
    public private(set) var storage: String?

    init(
        method: Method, path: String, query: String? = nil, pageTarget: String? = nil, contentType: String? = nil,
        ifMatch: String? = nil, ifNoneExist: String? = nil, prefer: String? = nil, body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.pageTarget = pageTarget
        self.contentType = contentType
        self.ifMatch = ifMatch
        self.ifNoneExist = ifNoneExist
        self.prefer = prefer
        self.body = body
    }

    /// The same request for another kind of answer.
    func accepting(_ type: String) -> UpstreamRequest {
        var request = self
        request.accept = type
        return request
    }

    /// The same request to a storage host.
    func at(storage base: String?) -> UpstreamRequest {
        var request = self
        request.storage = base
        return request
    }

    /// The site's own question whose patients a user has: it holds who the user is and nothing of a client's request.
    init(panelOf type: ResourceType, by code: String, value: String) {
        let query = SearchQuery([
            SearchTerm(name: code, rawValue: value), SearchTerm(name: "_count", rawValue: "500"),
        ])
        self.init(
            method: .get, path: "/\(type.rawValue)", query: query.encoded, prefer: "handling=strict")
    }

    /// The site's own question who bears an identifier that an identity provider vouched for. The second row is asked for
    /// because two are as good as none.
    init(bearersOf type: ResourceType, system: String, value: String) {
        let query = SearchQuery([
            SearchTerm(name: "identifier", rawValue: "\(Self.escaped(system))|\(Self.escaped(value))"),
            SearchTerm(name: "_count", rawValue: "10"),
        ])
        self.init(method: .get, path: "/\(type.rawValue)", query: query.encoded, prefer: "handling=strict")
    }

    /// The read of what such an identity was merged into.
    init(identity key: InstanceKey) { self.init(method: .get, path: "/\(key)") }

    /// A text as a part of a token value (R4 search §3.1.1.4.0.3).
    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            if "\\,$|".contains(character) { result += "\\" }
            result.append(character)
        }
    }

    /// A further page of the same question.
    ///
    /// - Parameter target: a request target that was checked to lie within the server's base.
    init(panelPage target: String) {
        self.init(method: .get, path: "", pageTarget: target)
    }

    /// The end of an export that is over for us; it holds nothing of a request.
    ///
    /// Nil when the protected server's address is not where the job was started.
    init?(deleting job: ExportJob, at server: UpstreamFHIRServer) {
        guard server.requestTarget(ofLink: server.origin + job.target) == job.target else { return nil }
        self.init(method: .delete, path: "", pageTarget: job.target)
    }

    /// The question for the server's own CapabilityStatement; open, the same for everybody, holds nothing of a client.
    static let capabilities = UpstreamRequest(method: .get, path: "/metadata")

    /// The request target as it stands in the request line.
    func target(in server: UpstreamFHIRServer) -> String {
        if let pageTarget { return pageTarget }
        let path = server.basePath + path
        let target = path.isEmpty ? "/" : path
        return query.map { $0.isEmpty ? target : "\(target)?\($0)" } ?? target
    }

    /// The part of the header block that is the same for every request to a server.
    static func fixedHeaders(for server: UpstreamFHIRServer) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers.reserveCapacity(8 + server.staticHeaders.count)
        headers.add(name: "host", value: server.authority)
        // No coding that would have to be undone before judging.
        headers.add(name: "accept-encoding", value: "identity")
        headers.add(name: "user-agent", value: "chaperone")
        for header in server.staticHeaders { headers.add(name: header.name, value: header.value) }
        return headers
    }

    /// The whole header block, from an allow-list of ours: what is the same for every request, and this one's own.
    ///
    /// - Parameter authorization: the access token that the call goes with, where the server wants one.
    func headers(beside fixed: HTTPHeaders, authorization: String? = nil) -> HTTPHeaders {
        var headers = fixed
        // FHIR documents in JSON only (decision 4).
        headers.add(name: "accept", value: accept)
        if let authorization { headers.add(name: "authorization", value: authorization) }
        if let contentType { headers.add(name: "content-type", value: contentType) }
        if let ifMatch { headers.add(name: "if-match", value: ifMatch) }
        if let ifNoneExist { headers.add(name: "if-none-exist", value: ifNoneExist) }
        if let prefer { headers.add(name: "prefer", value: prefer) }
        if method != .get && (method != .delete || !body.isEmpty) {
            headers.add(name: "content-length", value: String(body.count))
        }
        return headers
    }
}
