/// An absolute http or https address in the one spelling that we accept: no user, no fragment, no dot segments, no
/// backslash, nothing but visible ASCII.
///
/// The one reader of addresses of a protected server, for its base as well as for the links that it writes.
public struct ServerAddress: Hashable, Sendable {
    /// The two ways of reaching a server.
    public enum Scheme: String, Sendable, Hashable {
        case http, https

        /// The port that need not be written.
        public var defaultPort: Int {
            switch self {
            case .http: 80
            case .https: 443
            }
        }
    }

    /// How it is reached.
    public let scheme: Scheme
    /// Host name or IP literal (IPv6 without brackets), lower case.
    public let host: String
    /// The port, written or not.
    public let port: Int
    /// Empty or beginning with a slash.
    public let path: String
    /// Without the question mark.
    public let query: String?

    /// Reads an address; nil for any other spelling.
    public init?(_ text: String) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "\\") }),
            let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://"),
            let scheme = Scheme(rawValue: text[..<colon].lowercased())
        else { return nil }
        let rest = text[text.index(colon, offsetBy: 3)...]
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
            guard name.utf8.allSatisfy({ Self.isHexDigit($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") })
            else {
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
            guard
                name.utf8.allSatisfy({ Self.isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") })
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

    /// A base: without a query, and without the slash at its end.
    public init?(base: String) {
        guard let address = ServerAddress(base), address.query == nil else { return nil }
        scheme = address.scheme
        host = address.host
        port = address.port
        path = address.path.hasSuffix("/") ? String(address.path.dropLast()) : address.path
        query = nil
    }

    /// The value of a `Host` header.
    public var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == scheme.defaultPort ? name : "\(name):\(port)"
    }

    /// Scheme, host and port.
    public var origin: String { "\(scheme.rawValue)://\(authority)" }

    /// The request target of an absolute link that leads into this base, otherwise nil.
    public func requestTarget(ofLink link: String) -> String? {
        guard link.utf8.count <= 8_192, let url = ServerAddress(link), url.scheme == scheme, url.host == host,
            url.port == port
        else { return nil }
        let target = url.path.isEmpty ? "/" : url.path
        guard target == path || target.hasPrefix(path + "/") else { return nil }
        return url.query.map { "\(target)?\($0)" } ?? target
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }
}
