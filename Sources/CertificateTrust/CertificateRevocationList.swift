internal import COpenSSL
public import OAuthCore
internal import Synchronization

/// A list of withdrawn certificates (RFC 5280 §5), read but not yet verified: that takes the path of a certificate.
///
/// A class because it owns what libcrypto made. `@unchecked`: nothing is changed after `init` but the order of its
/// entries, under a lock of libcrypto's, and what was found out about it, under `verdicts`.
public final class CertificateRevocationList: @unchecked Sendable {
    private let list: OpaquePointer
    /// From when until when it counts, in Unix seconds.
    public let thisUpdate: Int64
    public let nextUpdate: Int64
    /// How many bytes it was read from.
    public let size: Int
    /// Their SHA-256.
    public let digest: [UInt8]
    /// Whether it holds for the certificates of a scope, and how often that was found out.
    private let verdicts = Mutex<(known: [String: Bool], made: Int)>(([:], 0))

    /// For how many scopes a verdict is remembered; an issuer has a few.
    static let rememberedVerdicts = 256

    private init(_ list: OpaquePointer, _ bytes: ArraySlice<UInt8>) {
        self.list = list
        size = bytes.count
        digest = SHA256Hash.of(Array(bytes))
        thisUpdate = copenssl_list_this_update(list)
        nextUpdate = copenssl_list_next_update(list)
    }

    deinit { copenssl_list_free(list) }

    /// The bytes hold something else than lists, or a list that is not read: a delta, an indirect one, one for some reasons
    /// only, one without an end, with a weak digest, or with a critical extension that is not known.
    public struct Refused: Error, Hashable {}

    /// Reads every list of a text, in DER or PEM. At least one, and nothing but white space behind the last.
    public static func read(_ bytes: [UInt8]) throws(Refused) -> [CertificateRevocationList] {
        var lists: [CertificateRevocationList] = []
        var start = 0
        while bytes[start...].contains(where: { !isSpace($0) }) {
            var used = 0
            let read = bytes[start...].withUnsafeBufferPointer { buffer in
                buffer.baseAddress.flatMap { copenssl_list_read($0, buffer.count, &used) }
            }
            guard let read, used > 0 else { throw Refused() }
            lists.append(CertificateRevocationList(read, bytes[start..<start + used]))
            start += used
        }
        guard !lists.isEmpty else { throw Refused() }
        return lists
    }

    /// Reads one list in DER and nothing else, as it is published over HTTP (RFC 5280 §4.2.1.13).
    public static func read(der bytes: [UInt8]) throws(Refused) -> CertificateRevocationList {
        guard bytes.first == 0x30 else { throw Refused() }
        let lists = try read(bytes)
        guard lists.count == 1, lists[0].size == bytes.count else { throw Refused() }
        return lists[0]
    }

    /// How often it was verified as a whole.
    var verifications: Int { verdicts.withLock { $0.made } }

    /// Whether it holds for the certificates of a scope, found out the first time. Two that ask at once may both do so.
    func holds(for scope: String, _ verify: (OpaquePointer) -> copenssl_verdict) -> Bool {
        if let known = verdicts.withLock({ $0.known[scope] }) { return known }
        let verdict = verify(list)
        verdicts.withLock { verdicts in
            verdicts.made += 1
            guard verdict != copenssl_verdict_none else { return }
            if verdicts.known.count >= Self.rememberedVerdicts { verdicts.known = [:] }
            verdicts.known[scope] = verdict == copenssl_verdict_holds
        }
        return verdict == copenssl_verdict_holds
    }

    /// Whether a certificate's serial number stands on it and its issuer is the list's by name. Nothing is verified, so it
    /// may be used to refuse only.
    public func names(_ certificate: ClientCertificate) -> Bool {
        certificate.der.withUnsafeBufferPointer { buffer in
            copenssl_list_names(list, copenssl_certificate(bytes: buffer.baseAddress, count: buffer.count))
        }
    }

    func withList<Value>(_ work: (OpaquePointer) -> Value) -> Value { work(list) }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
