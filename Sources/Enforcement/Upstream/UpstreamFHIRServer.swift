public import FHIRCore

/// A protected FHIR server: where it is, how it is reached and what it may cost.
///
/// The value is checked when it is made, so that the pool and the link checks can compare strings exactly.
public struct UpstreamFHIRServer: Sendable, Hashable {
    /// Whose certificates are believed when the scheme is `https`.
    public enum TrustRoots: Sendable, Hashable {
        case system
        /// A PEM file with one or more certificates; nobody else is believed.
        case file(String)
    }

    /// The files of a certificate chain and its key, in PEM.
    public struct ClientCertificate: Sendable, Hashable {
        let chainFile: String
        let keyFile: String

        /// A certificate with its key; both are read when the pools are made.
        public init(chainFile: String, keyFile: String) {
            self.chainFile = chainFile
            self.keyFile = keyFile
        }
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

    /// Its FHIR base, as it writes it in its own links.
    public let address: ServerAddress
    /// Where its socket is, when that is not where its base says: a host and a port. The base still gives the `Host` header,
    /// the name in its certificate, and the links.
    public var connectTo: ConnectTarget?
    /// Whose certificates are believed.
    public var trustRoots: TrustRoots = .system
    /// What is sent with every request.
    public var staticHeaders: [StaticHeader] = []
    /// Our own certificate, where the server asks for one (mTLS).
    public var clientCertificate: ClientCertificate?
    /// Where we get an access token for the server (OAuth 2.0 client credentials).
    public var tokenSource: UpstreamTokenSource?
    /// What it may cost.
    public var limits = UpstreamLimits()

    /// A host and a port to connect to.
    public struct ConnectTarget: Sendable, Hashable {
        /// Host name or IP literal.
        public let host: String
        /// Port.
        public let port: Int

        /// Reads `host:port`; nil for anything else.
        public init?(_ text: String) {
            guard let address = ServerAddress("http://\(text)"), address.path.isEmpty, address.query == nil,
                text.last.map({ $0 >= "0" && $0 <= "9" }) == true, text.contains(":")
            else { return nil }
            host = address.host
            port = address.port
        }
    }

    /// Reads an absolute base such as `https://fhir.example.org:8443/r4`; throws for anything that is not exactly
    /// scheme, host, optional port and plain path.
    public init(base: String) throws(UpstreamConfigurationError) {
        guard let address = ServerAddress(base: base) else {
            throw UpstreamConfigurationError(summary: "`\(base)` is not an http or https base address")
        }
        self.address = address
    }

    /// How it is reached.
    public var scheme: ServerAddress.Scheme { address.scheme }
    /// Host name or IP literal (IPv6 without brackets), lower case.
    public var host: String { address.host }
    /// Where it listens.
    public var port: Int { address.port }
    /// Empty or `/like/this`, never with a slash at the end.
    public var basePath: String { address.path }
    /// The value of the `Host` header.
    public var authority: String { address.authority }
    /// The base as one text, without a slash at the end.
    public var base: String { address.origin + address.path }
    /// Scheme, host and port.
    var origin: String { address.origin }

    /// The request target of an absolute link when it points into this very base, otherwise nil.
    ///
    /// Used for page links: a next link to another host, scheme, port or path is never followed (SSRF, ATK-084 group).
    public func requestTarget(ofLink link: String) -> String? { address.requestTarget(ofLink: link) }
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
    /// The same for an answer that is passed on while it comes.
    public var streamTimeoutMilliseconds: Int64 = 3_600_000
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
