/// Whose word it is that an address should be asked. It decides how far a request may reach (decision 25).
public enum AddressTrust: Hashable, Sendable {
    /// The operator wrote the address into the configuration: hosts named there by their exact names may be on a
    /// private network.
    case configured
    /// A client, or a document that somebody else wrote, named it: public addresses over `https` on the usual port, and nothing else, whatever is configured.
    case client
    /// A certificate under an authority of the configuration names it, for a list or a statement that is signed itself:
    /// public addresses over `http` or `https` on the usual ports, and hosts that the operator lists by their exact names.
    case certificate
}

/// A request to another party: one address, no redirects, an answer of bounded size within a bounded time.
public struct OutboundRequest: Hashable, Sendable {
    /// What is done there.
    public enum Method: Hashable, Sendable {
        case get
        /// A form (`application/x-www-form-urlencoded`), already encoded.
        case postForm(String)
        /// A JSON document.
        case postJSON([UInt8])
        /// A document of another type.
        case post([UInt8], type: String)
    }

    /// A header field.
    public struct Header: Hashable, Sendable {
        public let name: String
        public let value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Absolute, without user information and fragment.
    public var url: String
    public var trust: AddressTrust
    public var method: Method
    /// Beside the type of the body, and `Accept: application/json` where it is not among these.
    public var headers: [Header]
    /// The longest body that is read, in bytes; a longer one fails while it streams.
    public var longestAnswer: Int
    /// The longest time for everything together, in milliseconds.
    public var milliseconds: Int64

    public init(
        _ url: String, trust: AddressTrust, method: Method = .get, headers: [Header] = [],
        longestAnswer: Int = 64 << 10, milliseconds: Int64 = 2500
    ) {
        self.url = url
        self.trust = trust
        self.method = method
        self.headers = headers
        self.longestAnswer = longestAnswer
        self.milliseconds = milliseconds
    }
}

extension OutboundRequest: CustomStringConvertible, CustomReflectable {
    // Headers, bodies and queries carry secrets and tokens: only the place is ever printed.
    public var description: String { "<request to \(url.prefix { $0 != "?" })>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// What another party answered. Any status but a redirect: whoever asked knows which one is good.
public struct OutboundAnswer: Hashable, Sendable {
    public let status: Int
    public let body: [UInt8]
    /// The `Content-Type` as it came.
    public let contentType: String?
    /// The `Cache-Control` as it came.
    public let cacheControl: String?

    public init(status: Int, body: [UInt8], contentType: String? = nil, cacheControl: String? = nil) {
        self.status = status
        self.body = body
        self.contentType = contentType
        self.cacheControl = cacheControl
    }
}

/// Why there is no answer. For log and audit only: who named the address hears one text for all of them.
public enum OutboundFailure: Error, Hashable, Sendable {
    /// Not an address of the form that is asked, or not by this scheme or port.
    case badAddress
    /// The name leads to an address that is not public, or not to the one that was judged.
    case forbiddenAddress
    /// The host is not on the list of those that are asked through the proxy.
    case hostNotListed
    case unresolvable
    /// The answer was a redirect with this status; none is followed.
    case redirected(Int)
    case tooLarge
    case timedOut
    /// Another status than the one that was asked for.
    case status(Int)
    /// No connection, a certificate that does not hold, or an answer that is not HTTP.
    case unreachable(String)
}

/// Asks other parties over HTTP, guarded (decision 25). There is one implementation, in the server module.
public protocol OutboundFetching: Sendable {
    /// Sends a request; throws where it may not go, and where no answer of the allowed size came in time.
    func send(_ request: OutboundRequest) async throws(OutboundFailure) -> OutboundAnswer
}

extension OutboundFetching {
    /// The document at an address, which must be answered with 200.
    public func document(
        at url: String, trust: AddressTrust, longestAnswer: Int = 64 << 10
    ) async throws(OutboundFailure) -> OutboundAnswer {
        let answer = try await send(OutboundRequest(url, trust: trust, longestAnswer: longestAnswer))
        guard answer.status == 200 else { throw .status(answer.status) }
        return answer
    }
}
