/// A protected FHIR server: where it is, how it is reached and what it may cost.
///
/// The value is checked when it is made, so that the pool and the link checks can compare strings exactly.
public struct UpstreamFHIRServer: Sendable, Hashable {
    /// The two ways of reaching a server.
    public enum Scheme: String, Sendable, Hashable {
        case http, https

        var defaultPort: Int {
            switch self {
            case .http: 80
            case .https: 443
            }
        }
    }

    /// Whose certificates are believed when the scheme is `https`.
    public enum TrustRoots: Sendable, Hashable {
        case system
        /// A PEM file with one or more certificates; nobody else is believed.
        case file(String)
    }

    /// A header that is sent with every request, for instance an API key. It prints without its value.
    public struct StaticHeader: Sendable, Hashable, CustomStringConvertible {
        /// The header's name.
        public let name: String
        let value: String

        /// Refuses names that frame or route the message, and values that could break out of the line.
        public init(name: String, value: String) throws(UpstreamConfigurationError) {
            let forbidden: Set<String> = [
                "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade",
                "accept", "accept-encoding", "content-type", "if-match", "if-none-match", "prefer", "expect",
            ]
            guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte), !forbidden.contains(name.lowercased()) else {
                throw UpstreamConfigurationError(summary: "the static header `\(name)` cannot be set")
            }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw UpstreamConfigurationError(summary: "the value of `\(name)` has control characters")
            }
            self.name = name
            self.value = value
        }

        /// Name without value.
        public var description: String { "\(name): <redacted>" }
    }

    /// How it is reached.
    public let scheme: Scheme
    /// Host name or IP literal (IPv6 without brackets), lower case.
    public let host: String
    /// Where it listens.
    public let port: Int
    /// Empty or `/like/this`, never with a slash at the end.
    public let basePath: String
    /// Whose certificates are believed.
    public var trustRoots: TrustRoots = .system
    /// What is sent with every request.
    public var staticHeaders: [StaticHeader] = []
    /// What it may cost.
    public var limits = UpstreamLimits()

    /// Reads an absolute base such as `https://fhir.example.org:8443/r4`; throws for anything that is not exactly
    /// scheme, host, optional port and plain path.
    public init(base: String) throws(UpstreamConfigurationError) {
        guard let url = UpstreamURL(base), url.query == nil else {
            throw UpstreamConfigurationError(summary: "`\(base)` is not an http or https base address")
        }
        scheme = url.scheme
        host = url.host
        port = url.port
        basePath = url.path.hasSuffix("/") ? String(url.path.dropLast()) : url.path
    }

    /// The value of the `Host` header.
    public var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == scheme.defaultPort ? name : "\(name):\(port)"
    }

    /// The base as one text, without a slash at the end.
    public var base: String { origin + basePath }

    /// Scheme, host and port.
    var origin: String { "\(scheme.rawValue)://\(authority)" }

    /// The request target of an absolute link when it points into this very base, otherwise nil.
    ///
    /// Used for page links: a next link to another host, scheme, port or path is never followed (SSRF, ATK-084 group).
    public func requestTarget(ofLink link: String) -> String? {
        guard let url = UpstreamURL(link), url.scheme == scheme, url.host == host, url.port == port else { return nil }
        let path = url.path.isEmpty ? "/" : url.path
        guard path == basePath || path.hasPrefix(basePath + "/") else { return nil }
        return url.query.map { "\(path)?\($0)" } ?? path
    }
}

/// What a protected server may cost: connections, waiting, time and size.
public struct UpstreamLimits: Sendable, Hashable {
    /// Connections per event loop.
    public var connectionsPerLoop = 64
    /// Requests that may wait for a connection, per event loop; more are refused at once.
    public var waitingPerLoop = 256
    /// Longest time for making a connection.
    public var connectTimeoutMilliseconds: Int64 = 5_000
    /// Longest silence of the server while we wait for it.
    public var readTimeoutMilliseconds: Int64 = 30_000
    /// Longest time for one call from the first attempt to its last byte.
    public var callTimeoutMilliseconds: Int64 = 60_000
    /// How long an unused connection is kept.
    public var idleTimeoutMilliseconds: Int64 = 15_000
    /// Largest answer that is judged whole (decision 11).
    public var answerBytes = 8 << 20
    /// Largest header block of an answer.
    public var headerBytes = 64 << 10

    /// The house's defaults.
    public init() {}
}

/// Why an upstream server cannot be used as it is configured.
public struct UpstreamConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, for whoever configures it.
    public let summary: String
    /// The summary.
    public var description: String { summary }
}

/// An absolute http or https URL in the one spelling that we accept: no user, no fragment, no dot segments, no
/// backslash, nothing but visible ASCII.
struct UpstreamURL {
    let scheme: UpstreamFHIRServer.Scheme
    let host: String
    let port: Int
    let path: String
    let query: String?

    init?(_ text: String) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "\\") }),
            let separator = text.firstRange(ofText: "://"),
            let scheme = UpstreamFHIRServer.Scheme(rawValue: text[..<separator.lowerBound].lowercased())
        else { return nil }
        let rest = text[separator.upperBound...]
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        guard let (host, port) = Self.hostAndPort(rest[..<authorityEnd]) else { return nil }
        let queryMark = rest[authorityEnd...].firstIndex(of: "?")
        let path = rest[authorityEnd..<(queryMark ?? rest.endIndex)]
        guard Self.isPlain(path) else { return nil }
        self.scheme = scheme
        self.host = host
        self.port = port ?? scheme.defaultPort
        self.path = String(path)
        self.query = queryMark.map { String(rest[rest.index(after: $0)...]) }
    }

    private static func hostAndPort(_ authority: Substring) -> (String, Int?)? {
        var name = authority
        var port: Int?
        if authority.first == "[" {
            guard let bracket = authority.firstIndex(of: "]") else { return nil }
            name = authority[authority.index(after: authority.startIndex)..<bracket]
            guard name.utf8.allSatisfy({ isHexDigit($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }) else {
                return nil
            }
            let after = authority[authority.index(after: bracket)...]
            if !after.isEmpty {
                guard after.first == ":", let number = portNumber(after.dropFirst()) else { return nil }
                port = number
            }
        } else {
            if let colon = authority.firstIndex(of: ":") {
                guard let number = portNumber(authority[authority.index(after: colon)...]) else { return nil }
                port = number
                name = authority[..<colon]
            }
            // No "@", so nothing before it can pass for a host (RFC 3986 §7.6).
            guard name.utf8.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") })
            else { return nil }
        }
        return name.isEmpty ? nil : (name.lowercased(), port)
    }

    private static func portNumber(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(text),
            (1...65_535).contains(number)
        else { return nil }
        return number
    }

    /// Whether every hop reads the path alike: no dot segments in any spelling and no empty segments.
    private static func isPlain(_ path: Substring) -> Bool {
        guard !path.isEmpty else { return true }
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        return segments.indices.allSatisfy { index in
            let segment = segments[index]
            let lowered = segment.lowercased()
            let isLast = index == segments.index(before: segments.endIndex)
            return segment != "." && segment != ".." && (!segment.isEmpty || isLast)
                && !lowered.contains("%2e") && !lowered.contains("%2f") && !lowered.contains("%5c")
        }
    }
}

func isTokenByte(_ byte: UInt8) -> Bool {
    // RFC 9110 §5.6.2
    isAlphanumeric(byte) || "!#$%&'*+-.^_`|~".utf8.contains(byte)
}

func isAlphanumeric(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
}

func isHexDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
}

extension StringProtocol {
    /// The first place where `text` stands, byte for byte.
    func firstRange(ofText text: String) -> Range<Index>? {
        var start = startIndex
        while start != endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
