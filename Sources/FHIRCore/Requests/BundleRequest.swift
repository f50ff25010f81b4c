/// The Bundle of a batch or transaction, its entries read far enough to be judged one by one.
public struct BundleRequest: Hashable, Sendable {
    /// The two Bundles that can be posted to the base.
    public enum Kind: String, Hashable, Sendable {
        case batch, transaction
    }

    /// One request in the Bundle.
    public struct Entry: Hashable, Sendable {
        /// `fullUrl`.
        public let fullURL: String?
        /// `request.method`.
        public let method: FHIRRequest.Method
        /// `request.url`, as written.
        public let url: String
        /// `resource`.
        public let resource: JSONNode?
        /// `request.ifMatch`, `ifNoneMatch`, `ifModifiedSince` and `ifNoneExist`, as the headers that they stand for.
        public let headers: FHIRHeaders
    }

    /// The Bundle.
    public let view: ResourceView
    /// Which of the two it is.
    public let kind: Kind
    /// The requests in their order.
    public let entries: [Entry]

    init(_ view: ResourceView, limits: RequestLimits) throws(RequestRefusal) {
        guard let bundle = BundleView(view) else { throw .invalid("the Bundle has not the form of FHIR R4") }
        guard let kind = Kind(rawValue: bundle.type) else {
            throw .invalid("a Bundle posted to the base is a `batch` or a `transaction`")
        }
        guard bundle.entries.count <= limits.maxBundleEntries else {
            throw RequestRefusal(
                status: 413, issueCode: "too-costly", diagnostics: "the Bundle has too many entries")
        }
        var entries: [Entry] = []
        entries.reserveCapacity(bundle.entries.count)
        for entry in bundle.entries { entries.append(try BundleRequest.read(entry)) }
        // FHIR R4 bundle.html, bdl-7: one fullUrl names one entry.
        let urls = entries.compactMap(\.fullURL)
        guard Set(urls).count == urls.count else { throw .invalid("two entries have one `fullUrl`") }
        self.view = view
        self.kind = kind
        self.entries = entries
    }

    private static func read(_ entry: BundleView.Entry) throws(RequestRefusal) -> Entry {
        guard let request = entry.request, let node = entry.node["request"] else {
            throw .invalid("an entry has no `request`")
        }
        guard entry.response == nil else { throw .invalid("an entry of a request has a `response`") }
        var headers = FHIRHeaders()
        headers.ifMatch = try text(node, "ifMatch")
        headers.ifNoneMatch = try text(node, "ifNoneMatch")
        headers.ifModifiedSince = try text(node, "ifModifiedSince")
        headers.ifNoneExist = try text(node, "ifNoneExist")
        return Entry(
            fullURL: entry.fullURL, method: FHIRRequest.Method(request.method), url: request.url,
            resource: entry.resource, headers: headers)
    }

    private static func text(_ node: JSONNode, _ name: String) throws(RequestRefusal) -> String? {
        guard let member = node[name] else { return nil }
        guard let text = member.string else { throw .invalid("`\(name)` of an entry is not a string") }
        return text
    }
}

extension BundleRequest.Entry {
    /// The entry as a request of its own, under the same rules as one that came alone.
    ///
    /// - Parameters:
    ///   - base: our public FHIR base; a URL that begins with it is read as relative to it. Any other absolute URL is
    ///     refused, and so is a Bundle within the Bundle.
    ///   - prefer: the `Prefer` of the whole, which holds for each entry.
    public func request(
        base: String?, prefer: String? = nil, limits: RequestLimits = .default
    ) throws(RequestRefusal) -> CanonicalRequest {
        let canonical = try CanonicalRequest(try fhirRequest(base: base, prefer: prefer), limits: limits)
        switch canonical.interaction {
        case .batch, .transaction, .capabilities, .page: throw .invalid("an entry asks for what no entry can be")
        default: return canonical
        }
    }

    /// The entry in the words of HTTP: what ``request(base:prefer:limits:)`` reads.
    public func fhirRequest(base: String?, prefer: String? = nil) throws(RequestRefusal) -> FHIRRequest {
        switch method {
        case .get, .head, .post, .put, .patch, .delete: break
        case .options, .other: throw .invalid("`method` of an entry is none of FHIR R4")
        }
        let parts = url.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        let path = try relativePath(String(Substring(parts[0])), base: base)
        var headers = self.headers
        headers.prefer = prefer
        var body = resource.map { Array($0.bytes) } ?? []
        if let resource {
            headers.contentType = "application/fhir+json"
            if method == .patch { (headers.contentType, body) = try BundleRequest.Entry.patch(in: resource) }
        }
        return FHIRRequest(
            method: method, path: "/" + path, query: parts.count == 2 ? String(Substring(parts[1])) : nil,
            headers: headers, body: body)
    }

    /// FHIR R4 http.html, patch: within a Bundle a patch is a Binary that holds the patch document.
    private static func patch(in resource: JSONNode) throws(RequestRefusal) -> (String?, [UInt8]) {
        guard resource["resourceType"]?.equals("Binary") == true else {
            // A FHIRPath Patch comes as Parameters; its media type is that of a resource.
            return ("application/fhir+json", Array(resource.bytes))
        }
        guard let bytes = resource["data"]?.string.flatMap(Base64Text.decoded) else {
            throw .invalid("the Binary of a patch has no `data`")
        }
        return (resource["contentType"]?.string, bytes)
    }

    private func relativePath(_ path: String, base: String?) throws(RequestRefusal) -> String {
        if let base {
            if path == base { return "" }
            if path.hasPrefix(base + "/") { return String(path.dropFirst(base.count + 1)) }
        }
        // What is absolute, or relative to the host, is not below our base.
        guard path.utf8.first != UInt8(ascii: "/"), !path.utf8.contains(UInt8(ascii: ":")) else {
            throw .invalid("`url` of an entry is not relative to the FHIR base")
        }
        return path
    }
}
