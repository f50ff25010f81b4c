internal import FHIRCore
internal import OAuthCore

/// A request as the client sent it, cut to what means something; whoever drives an exchange makes one.
public struct ClientRequest: Sendable {
    /// The method as sent.
    public var method: String
    /// Raw, below the FHIR base: empty or beginning with `/`.
    public var path: String
    /// Raw, without the question mark.
    public var query: String?
    /// All header fields, in order.
    public var headers: [(name: String, value: String)]
    /// The body, decoded from any transfer coding.
    public var body: [UInt8]
    /// Where it came from.
    public var sourceAddress: String?
    /// Milliseconds since 1970 UTC.
    public var receivedAt: Int64
    /// Whether its answer can be sent in pieces: not in HTTP/1.0, where an answer that is cut looks whole.
    public var takesPieces = true

    /// Whether `Client-Cert` (RFC 9440) is the word of our own pipeline; anywhere else it is anybody's.
    var saysCertificate = false

    /// A request.
    public init(
        method: String, path: String, query: String? = nil, headers: [(name: String, value: String)] = [],
        body: [UInt8] = [], sourceAddress: String? = nil, receivedAt: Int64
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.sourceAddress = sourceAddress
        self.receivedAt = receivedAt
    }

    /// The values of the fields with a name, given in lower case.
    func values(of name: StaticString) -> [String] {
        var values: [String] = []
        for header in headers where header.name.equalsIgnoringCase(name) { values.append(header.value) }
        return values
    }

    var isForm: Bool {
        values(of: "content-type").contains { $0.lowercased().hasPrefix("application/x-www-form-urlencoded") }
    }

    /// The token that it carries, or why there is none.
    var credential: BearerCredential {
        BearerCredential(
            authorization: values(of: "authorization"), proofs: values(of: "dpop"), query: query,
            form: isForm ? body : nil)
    }

    /// The certificate of the client's connection with those that came with it, where that is known.
    var certificate: ClientCertificate? {
        let said = saysCertificate ? values(of: "client-cert") : []
        let chains = saysCertificate ? values(of: "client-cert-chain") : []
        guard said.count == 1, chains.count <= 1 else { return nil }
        return ClientCertificate(header: said[0], chain: chains.first)
    }

    /// The request as FHIR sees it; headers without a meaning in FHIR end here (enforcer.md b.2.9).
    var fhirRequest: FHIRRequest {
        FHIRRequest(
            method: FHIRRequest.Method(method), path: path, query: query, headers: FHIRHeaders(headers), body: body)
    }
}
