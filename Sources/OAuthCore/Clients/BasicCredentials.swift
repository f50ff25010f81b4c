/// The client id and secret of an `Authorization: Basic` header (RFC 6749 §2.3.1, RFC 7617).
public struct BasicCredentials: Equatable, Sendable {
    /// The form-decoded client id.
    public let clientID: String
    /// The form-decoded client secret, never empty.
    public let secret: Secret

    /// Reads a header value; nil unless it is strict base64 of two form-encoded texts around a colon, both of them
    /// printable and not empty.
    public init?(headerValue: String) {
        let parts = headerValue.split(separator: " ", maxSplits: 1)
        guard headerValue.utf8.count <= 4096, parts.count == 2, parts[0].lowercased() == "basic",
            let bytes = Base64.decode(parts[1]), let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            // RFC 6749 Appendix B: both are form-encoded before they are put together.
            let clientID = FormParameters.decode(bytes[..<colon]),
            let secret = FormParameters.decode(bytes[(colon + 1)...]),
            // RFC 6749 Appendix A.1, A.2: VSCHAR only.
            !clientID.isEmpty, !secret.isEmpty, clientID.isVisibleASCII, secret.isVisibleASCII
        else { return nil }
        self.clientID = clientID
        self.secret = Secret(secret)
    }
}
