internal import FHIRCore

#if canImport(Glibc)
    internal import Glibc
#endif

/// The one name by which a client's certificate is known to be its own (RFC 8705 §2.1.2).
public enum CertificateSubject: Hashable, Sendable {
    /// The whole distinguished name, as the text of RFC 4514.
    case name(String)
    case dns(String)
    case uri(String)
    case address(String)
    case email(String)

    /// The metadata members, by kind.
    private var member: (name: String, value: String) {
        switch self {
        case .name(let text): ("tls_client_auth_subject_dn", text)
        case .dns(let text): ("tls_client_auth_san_dns", text)
        case .uri(let text): ("tls_client_auth_san_uri", text)
        case .address(let text): ("tls_client_auth_san_ip", text)
        case .email(let text): ("tls_client_auth_san_email", text)
        }
    }

    /// Whether a certificate bears the name. No wildcard means anything here.
    public func isMet(by certificate: ClientCertificate) -> Bool {
        switch self {
        case .name(let text): certificate.subject != nil && certificate.subject == DistinguishedName(text)
        case .dns(let text): certificate.alternativeNames.contains(.dns(text.lowercased()))
        case .uri(let text): certificate.alternativeNames.contains(.uri(text))
        case .email(let text): certificate.alternativeNames.contains(.email(text))
        case .address(let text): Self.address(text).map { certificate.alternativeNames.contains(.address($0)) } ?? false
        }
    }

    /// Whether it can be met at all.
    public var isUsable: Bool {
        let text = member.value
        guard (1...1024).contains(text.utf8.count) else { return false }
        return switch self {
        case .name: DistinguishedName(text) != nil
        case .address: Self.address(text) != nil
        case .dns, .uri, .email: text.isVisibleASCII && !text.contains { $0 == "*" || $0 == " " }
        }
    }

    private static func address(_ text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
        var six = in6_addr()
        if inet_pton(AF_INET6, text, &six) == 1 { return withUnsafeBytes(of: six) { Array($0) } }
        return nil
    }

    /// Reads the members of a registration; nil when there is none of them, a refusal when there is more than one.
    init?(_ reader: MemberReader) throws(OAuthError) {
        let kinds: [(String, (String) -> CertificateSubject)] = [
            ("tls_client_auth_subject_dn", { .name($0) }), ("tls_client_auth_san_dns", { .dns($0) }),
            ("tls_client_auth_san_uri", { .uri($0) }), ("tls_client_auth_san_ip", { .address($0) }),
            ("tls_client_auth_san_email", { .email($0) }),
        ]
        var found: [CertificateSubject] = []
        for (name, make) in kinds { if let text = try reader.text(name) { found.append(make(text)) } }
        guard found.count <= 1 else {
            throw ClientMetadataChecks.refused("a client is known by one name of its certificate, not by several")
        }
        guard let first = found.first else { return nil }
        self = first
    }

    /// As a member of the registration.
    var json: (name: String, value: JSONValue?) { (member.name, .string(member.value)) }
}
