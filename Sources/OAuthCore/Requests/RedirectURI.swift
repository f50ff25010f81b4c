/// A redirect URI that is fit to be registered.
///
/// The text is kept as it came, because it is compared as it comes (RFC 9700 §2.1).
public struct RedirectURI: Hashable, Sendable {
    /// The URI.
    public let text: String
    let target: Target

    /// Where a redirect goes, as far as matching must know.
    enum Target: Hashable, Sendable {
        /// `https` on a host of the web.
        case web
        /// `http` on a loopback address: what stands before the port, and from the path on (RFC 8252 §7.3).
        case loopback(prefix: String, rest: String)
        /// `http://localhost`, in demonstrations.
        case localhost
        /// A private-use scheme of an installed app (RFC 8252 §7.1).
        case privateUse
    }

    /// What a client may register.
    public struct Rules: Hashable, Sendable {
        /// Whether the client runs on the user's device, so that loopback and private-use schemes are its own.
        public let isNative: Bool
        /// Whether `http` on `localhost` and on loopback addresses may be registered by anybody: demonstrations only.
        public let isDemonstration: Bool

        /// Makes rules.
        public init(isNative: Bool, isDemonstration: Bool = false) {
            self.isNative = isNative
            self.isDemonstration = isDemonstration
        }
    }

    /// The longest URI.
    public static let maxBytes = 2000

    /// Reads a URI for registration; throws `invalid_redirect_uri` with the reason.
    public init(_ text: String, rules: Rules) throws(OAuthError) {
        guard !text.isEmpty, text.utf8.count <= Self.maxBytes else { throw Self.refused("has a wrong length", text) }
        guard text.utf8.allSatisfy(Self.isURICharacter) else { throw Self.refused("holds a forbidden character", text) }
        // RFC 6749 §3.1.2: no fragment.
        guard !text.contains("#") else { throw Self.refused("has a fragment", text) }
        guard !text.contains("*") else { throw Self.refused("has a wildcard", text) }
        guard let colon = text.firstIndex(of: ":") else { throw Self.refused("is not absolute", text) }
        let scheme = String(text[..<colon])
        guard Self.hasOnlyLowerCaseSchemeCharacters(scheme) else { throw Self.refused("has a malformed scheme", text) }
        let rest = text[text.index(after: colon)...]
        switch scheme {
        case "https":
            try Self.checkHierarchy(rest, text)
            let host = try Self.authority(of: rest, text).host
            guard Self.isHostName(host.lowercased()) || Self.isLoopback(host) else {
                throw Self.refused("has a malformed host", text)
            }
            target = .web
        case "http":
            try Self.checkHierarchy(rest, text)
            target = try Self.loopbackTarget(rest, text, rules: rules)
        default:
            // RFC 8252 §7.1: a reversed domain name; no dot, no proof of who owns it. This also keeps out
            // `javascript`, `data`, `file`, `blob`, `about`, `intent` and their kind.
            guard rules.isNative, scheme.contains("."), !scheme.hasPrefix("."), !scheme.hasSuffix("."),
                !scheme.contains("..")
            else { throw Self.refused("has a scheme that is not allowed", text) }
            guard rest.hasPrefix("/"), !Self.hasDotSegments(rest) else {
                throw Self.refused("has a malformed path", text)
            }
            target = .privateUse
        }
        self.text = text
    }

    private static func refused(_ reason: String, _ text: String) -> OAuthError {
        OAuthError(
            .invalidRedirectURI, "a redirect URI \(reason)", detail: "redirect URI `\(text.prefix(200))` \(reason)")
    }

    private static func loopbackTarget(
        _ rest: Substring, _ text: String, rules: Rules
    ) throws(OAuthError) -> Target {
        let authority = try authority(of: rest, text)
        if authority.host == "localhost" {
            guard rules.isDemonstration else { throw refused("names localhost", text) }
            return .localhost
        }
        guard isLoopback(authority.host), rules.isNative || rules.isDemonstration else {
            throw refused("is not https", text)
        }
        return .loopback(prefix: "http://\(authority.host)", rest: authority.rest)
    }

    /// Refuses what different readers would resolve to different places.
    private static func checkHierarchy(_ rest: Substring, _ text: String) throws(OAuthError) {
        guard rest.hasPrefix("//") else { throw refused("is not hierarchical", text) }
        guard !hasDotSegments(rest.dropFirst(2)) else { throw refused("has dot segments or encoded separators", text) }
    }

    private static func hasDotSegments(_ rest: Substring) -> Bool {
        let path = rest.prefix { $0 != "?" }
        let lower = path.lowercased()
        guard !["%2f", "%5c", "%2e", "%00"].contains(where: { lower.contains($0) }) else { return true }
        return path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
            .contains { segment in
                let name = segment.prefix { $0 != ";" }
                return name == "." || name == ".."
            }
    }

    /// The parts of `//host[:port]/…`; throws for user information, an empty host or a malformed port.
    private static func authority(
        of rest: Substring, _ text: String
    ) throws(OAuthError) -> (host: String, port: String?, rest: String) {
        let body = rest.dropFirst(2)
        let authority = body.prefix { $0 != "/" && $0 != "?" }
        guard !authority.contains("@") else { throw refused("has user information", text) }
        guard let parts = HostAndPort(authority) else { throw refused("has a malformed host or port", text) }
        return (parts.host, parts.port, String(body.dropFirst(authority.count)))
    }

    static func isLoopback(_ host: String) -> Bool { host == "127.0.0.1" || host == "[::1]" }

    /// A lower-case DNS name that is not an address in disguise.
    private static func isHostName(_ host: String) -> Bool {
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        let areLabels = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        }
        guard areLabels, host.utf8.count <= 253, let last = labels.last else { return false }
        return last.utf8.contains { (0x61...0x7A).contains($0) } && !last.hasPrefix("0x")
    }

    private static func hasOnlyLowerCaseSchemeCharacters(_ scheme: String) -> Bool {
        guard let first = scheme.utf8.first, (0x61...0x7A).contains(first) else { return false }
        return scheme.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || [0x2B, 0x2D, 0x2E].contains($0)
        }
    }

    /// The characters of RFC 3986; everything else must be escaped.
    static func isURICharacter(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte) && !"\"<>\\^`{|}".utf8.contains(byte)
    }
}

/// A host with an optional port, as in a URI's authority.
struct HostAndPort {
    let host: String
    let port: String?

    /// Nil when the host is empty or the port is not a number from 1 to 65535 in its shortest form.
    init?(_ authority: some StringProtocol) {
        let text = String(authority)
        let isBracketed = text.hasPrefix("[")
        let hostEnd: String.Index
        if isBracketed {
            guard let bracket = text.firstIndex(of: "]") else { return nil }
            hostEnd = text.index(after: bracket)
        } else {
            hostEnd = text.firstIndex(of: ":") ?? text.endIndex
        }
        let host = String(text[..<hostEnd])
        guard !host.isEmpty else { return nil }
        self.host = host
        guard hostEnd != text.endIndex else {
            port = nil
            return
        }
        let port = String(text[text.index(after: hostEnd)...])
        guard text[hostEnd] == ":", let number = UInt16(port), number > 0, String(number) == port else { return nil }
        self.port = port
    }
}
