internal import COpenSSL
public import OAuthCore

/// The authorities that vouch for clients' certificates (RFC 8705 §2.1), over libcrypto.
///
/// A class because it owns what libcrypto made. `@unchecked`: nothing is changed after `init`, and libcrypto reads a
/// store from several threads under a lock of its own.
public final class CertificateAuthorities: @unchecked Sendable {
    private let authorities: OpaquePointer

    /// Reads a text of certificates in PEM; nil when one of them cannot be read, or there is none.
    public init?(pem: [UInt8]) {
        guard let authorities = pem.withUnsafeBufferPointer({ copenssl_authorities_new($0.baseAddress, $0.count) })
        else { return nil }
        self.authorities = authorities
    }

    deinit { copenssl_authorities_free(authorities) }

    /// Whether a path leads from the certificate to one of the authorities at a moment, for the use of a TLS client.
    /// Whether it was withdrawn is not looked at.
    public func vouch(for certificate: ClientCertificate, at now: Int64) -> Bool {
        // One buffer, so that every pointer holds as long as the call.
        var bytes = certificate.der
        var places = [(0, certificate.der.count)]
        for other in certificate.intermediates {
            places.append((bytes.count, other.count))
            bytes += other
        }
        return bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return false }
            let certificates = places.map { copenssl_certificate(bytes: base + $0.0, count: $0.1) }
            return certificates.withUnsafeBufferPointer { all in
                guard let first = all.baseAddress else { return false }
                return copenssl_is_trusted(authorities, first[0], first + 1, all.count - 1, now)
            }
        }
    }

    /// The same as a capability.
    public var validator: CertificateValidator { CertificateValidator { self.vouch(for: $0, at: $1) } }
}
