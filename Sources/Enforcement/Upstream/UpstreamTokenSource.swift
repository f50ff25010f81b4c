public import FHIRCore
public import OAuthCore

/// Where and as whom we get access tokens for a protected server: OAuth 2.0 client credentials (RFC 6749 §4.4) with HTTP
/// Basic authentication.
public struct UpstreamTokenSource: Sendable, Hashable, CustomStringConvertible {
    /// The token endpoint.
    public let endpoint: ServerAddress
    /// The client that we are there.
    public let clientID: String
    /// The scopes that we ask for; nil asks for whatever the client has.
    public let scope: String?
    /// The value of the `Authorization` header (RFC 6749 §2.3.1: both halves are form-encoded before they are joined).
    let credentials: String

    /// Throws when the endpoint is no https address, or an http one that leaves the machine.
    public init(endpoint: String, clientID: String, secret: Secret, scope: String?) throws(UpstreamConfigurationError) {
        guard let address = ServerAddress(endpoint), address.query == nil, !address.path.isEmpty else {
            throw UpstreamConfigurationError(summary: "`\(endpoint)` is not the address of a token endpoint")
        }
        // RFC 6749 §3.2: the secret and the token go over TLS.
        guard address.scheme == .https || ["localhost", "127.0.0.1", "::1"].contains(address.host) else {
            throw UpstreamConfigurationError(summary: "the token endpoint `\(endpoint)` must be https")
        }
        guard !clientID.isEmpty, !secret.isEmpty else {
            throw UpstreamConfigurationError(summary: "a token endpoint needs a client id and a secret")
        }
        self.endpoint = address
        self.clientID = clientID
        let pair = FormEncoding.encode(clientID) + ":" + FormEncoding.encode(secret.reveal())
        credentials = "Basic " + Base64.encode(Array(pair.utf8))
        self.scope = scope
    }

    /// Without the secret.
    public var description: String { "\(clientID) at \(endpoint.origin)\(endpoint.path)" }

    /// The request for a token.
    var request: UpstreamRequest {
        let body = "grant_type=client_credentials" + (scope.map { "&scope=" + FormEncoding.encode($0) } ?? "")
        return UpstreamRequest(
            method: .post, path: endpoint.path, contentType: "application/x-www-form-urlencoded", body: Array(body.utf8)
        ).accepting("application/json")
    }
}

/// application/x-www-form-urlencoded, for what we send.
enum FormEncoding {
    static func encode(_ text: String) -> String {
        text.utf8.map { byte -> String in
            if isAlphanumeric(byte) || "-._~".utf8.contains(byte) { return String(UnicodeScalar(byte)) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.utf8.count == 1 ? "0" : "") + digits
        }.joined()
    }
}

/// A token for the protected server as its authorization server gave it.
struct UpstreamToken: Sendable, Hashable {
    let authorization: String
    /// Milliseconds since 1970 UTC.
    let expiresAt: Int64
    /// From here on a new one is fetched, while this one still serves.
    let renewsAt: Int64

    /// Reads a token response (RFC 6749 §5.1); nil for anything else. A token without an end is kept for five minutes.
    init?(_ status: Int, _ body: [UInt8], at now: Int64) {
        guard status == 200, let json = try? JSONValue(parsing: body), let token = json["access_token"]?.string,
            (1...16_384).contains(token.utf8.count), token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            json["token_type"]?.string?.lowercased() == "bearer"
        else { return nil }
        let lifetime = max(0, min(json["expires_in"]?.int ?? 300, 86_400)) * 1000
        authorization = "Bearer " + token
        expiresAt = now + lifetime
        // A fifth of its life early, and at most a minute.
        renewsAt = expiresAt - min(lifetime / 5, 60_000)
    }
}
