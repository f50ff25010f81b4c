internal import COpenSSL
public import OAuthCore

/// The authorities that vouch for certificates (RFC 8705 §2.1), over libcrypto.
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

    /// A path from a certificate to one of the authorities at a moment (Unix seconds), each link in its time; nil when
    /// there is none. Whether a certificate of it was withdrawn is another question (`CertificatePath`).
    public func path(
        from certificate: [UInt8], over others: [[UInt8]], for use: CertificateUse, at now: Int64
    ) -> CertificatePath? {
        // One buffer, so that every pointer holds as long as the call.
        var bytes = certificate
        var places = [(0, certificate.count)]
        for other in others {
            places.append((bytes.count, other.count))
            bytes += other
        }
        let path = bytes.withUnsafeBufferPointer { buffer -> OpaquePointer? in
            guard let base = buffer.baseAddress else { return nil }
            let certificates = places.map { copenssl_certificate(bytes: base + $0.0, count: $0.1) }
            return certificates.withUnsafeBufferPointer { all in
                guard let first = all.baseAddress else { return nil }
                return copenssl_path_find(authorities, first[0], first + 1, all.count - 1, now, use == .tlsClient)
            }
        }
        return path.map(CertificatePath.init)
    }

    /// A path from the certificate that a client showed.
    public func path(from certificate: ClientCertificate, at now: Int64) -> CertificatePath? {
        path(from: certificate.der, over: certificate.intermediates, for: .tlsClient, at: now)
    }
}

/// What a certificate has to be good for.
public enum CertificateUse: Hashable, Sendable {
    /// For a client in TLS (RFC 5280 §4.2.1.12 `id-kp-clientAuth`, where uses are named at all).
    case tlsClient
    /// For signatures, as in the `x5c` of a JWT.
    case signature
}
