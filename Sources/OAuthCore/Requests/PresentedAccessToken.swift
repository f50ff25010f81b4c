/// The access token of a request to one of the authorization server's own protected endpoints, as it came.
public enum PresentedAccessToken: Sendable {
    case none
    /// Something stands in the header that cannot be a token.
    case malformed
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    case bearer(Secret)
    /// `Authorization: DPoP` (RFC 9449 §7.1).
    case dpop(Secret)

    /// The longest token that is looked at.
    static let maxBytes = 16 << 10

    /// Reads the one `Authorization` header. Another scheme is not a token.
    public init(authorizationHeader header: String?) {
        guard let header else {
            self = .none
            return
        }
        let parts = header.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        let scheme = parts[0].lowercased()
        guard scheme == "bearer" || scheme == "dpop" else {
            self = .none
            return
        }
        guard parts.count == 2, !parts[1].isEmpty, parts[1].utf8.count <= Self.maxBytes,
            String(parts[1]).utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ",") })
        else {
            self = .malformed
            return
        }
        let token = Secret(String(parts[1]))
        self = scheme == "bearer" ? .bearer(token) : .dpop(token)
    }
}
