internal import COpenSSL
internal import OAuthCore

/// A path from a certificate to an authority that counts, found once, to which lists and answers are held.
///
/// A class because it owns what libcrypto made. `@unchecked`: nothing is changed after `init`, and libcrypto reads
/// certificates from several threads under locks of its own.
public final class CertificatePath: @unchecked Sendable {
    /// A certificate of the path that could have been withdrawn: each but the authority at its end, which the operator
    /// has named.
    public struct Link: Hashable, Sendable {
        /// Its place, from 0 for the first certificate.
        public let index: Int
        /// Its SHA-256 in base64url.
        public let thumbprint: String
        /// The SHA-256 of its issuer's certificate in base64url.
        public let issuer: String
        /// Stands for all certificates of the issuer that a list is about when it is about this one.
        let listScope: String
        /// Where lists of its issuer are said to be (RFC 5280 §4.2.1.13).
        public let lists: [String]
        /// Who is said to answer for its status (RFC 5280 §4.2.2.1).
        public let responders: [String]

        /// Whether it says where to ask at all.
        public var namesSource: Bool { !lists.isEmpty || !responders.isEmpty }
    }

    private let path: OpaquePointer
    /// From the first certificate on.
    public let links: [Link]
    /// The SHA-256 of the authority's certificate in base64url.
    public let authority: String

    /// How many addresses of a kind are read from one certificate.
    static let mostAddresses = 4

    init(_ path: OpaquePointer) {
        self.path = path
        let thumbprints = (0..<copenssl_path_count(path)).map { index in
            ClientCertificate.thumbprint(of: Self.bytes { copenssl_path_certificate(path, index, $0, $1) })
        }
        authority = thumbprints.last ?? ""
        links = thumbprints.indices.dropLast().map { index in
            Link(
                index: index, thumbprint: thumbprints[index], issuer: thumbprints[index + 1],
                listScope: ClientCertificate.thumbprint(
                    of: Array(thumbprints[index + 1].utf8)
                        + Self.bytes { copenssl_path_list_scope(path, index, $0, $1) }),
                lists: Self.addresses(path, index, copenssl_address_list),
                responders: Self.addresses(path, index, copenssl_address_responder))
        }
    }

    deinit { copenssl_path_free(path) }

    /// The certificates from the first one to the authority's, in DER.
    public var certificates: [[UInt8]] {
        (0..<copenssl_path_count(path)).map { index in
            Self.bytes { copenssl_path_certificate(path, index, $0, $1) }
        }
    }

    /// Stands for everything below the same certificate just under the authority; of a certificate that is itself that one,
    /// for it alone.
    public var branch: String { links.last?.thumbprint ?? authority }

    /// Whether a list is, by its name, the one of a certificate's issuer; it may say nothing for all that.
    public func concerns(_ link: Link, _ list: CertificateRevocationList) -> Bool {
        list.withList { copenssl_path_concerns_list(path, link.index, $0) }
    }

    /// What a list says about a certificate of this path at a moment; nil when it says nothing that counts: it is not
    /// signed by the issuer, not in its time, or not about such certificates (RFC 5280 §6.3).
    ///
    /// The list as a whole is verified once for an issuer, which reads all of it; afterwards a number is looked up.
    public func finding(on link: Link, in list: CertificateRevocationList, at now: Int64) -> StatusFinding? {
        guard concerns(link, list), list.thisUpdate <= now, now < list.nextUpdate else { return nil }
        let holds = list.holds(for: link.listScope) { copenssl_path_list_verdict(path, link.index, $0) }
        guard holds else { return nil }
        return list.withList { StatusFinding(copenssl_path_status_in_list(path, link.index, $0, now)) }
    }

    /// The question for the status of a certificate of this path (RFC 6960 §4.1). It carries no nonce: responders that
    /// answer from a store would not repeat it, and how old an answer is stands in it.
    public func statusRequest(for link: Link) -> [UInt8] {
        Self.bytes { copenssl_path_status_request(path, link.index, $0, $1) }
    }

    /// What an answer to it says; nil when it says nothing that counts: it is not signed by the issuer or by whom the issuer
    /// lets sign, not about that certificate, or not in its time.
    public func statement(on link: Link, in answer: [UInt8], at now: Int64) -> StatusStatement? {
        let said = answer.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { copenssl_path_status_in_answer(path, link.index, $0, buffer.count, now) }
        }
        guard let said, let finding = StatusFinding(said.status) else { return nil }
        let until = said.until < 0 ? said.from + StatusStatement.lifeWithoutEnd : said.until
        guard said.from <= now + StatusStatement.skew, now < until else { return nil }
        return StatusStatement(finding: finding, from: said.from, until: until)
    }

    private static func addresses(_ path: OpaquePointer, _ index: Int, _ kind: copenssl_address_kind) -> [String] {
        var found: [String] = []
        for number in 0..<mostAddresses {
            let text = bytes { bytes, room in
                bytes.withMemoryRebound(to: CChar.self, capacity: room) {
                    copenssl_path_address(path, index, kind, number, $0, room)
                }
            }
            guard !text.isEmpty else { break }
            found.append(String(decoding: text, as: UTF8.self))
        }
        return found
    }

    /// What a function copies that says how much it would have.
    private static func bytes(_ copy: (UnsafeMutablePointer<UInt8>, Int) -> Int) -> [UInt8] {
        var room = 4096
        while true {
            var needed = 0
            let copied = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                guard let base = buffer.baseAddress else { return }
                needed = copy(base, room)
                count = needed <= room ? needed : 0
            }
            if needed <= room { return copied }
            room = needed
        }
    }
}

/// What is said about a certificate by somebody who may say it.
public enum StatusFinding: Hashable, Sendable {
    case good
    /// Withdrawn, for good or on hold.
    case withdrawn

    fileprivate init?(_ status: copenssl_status) {
        switch status {
        case copenssl_status_good: self = .good
        case copenssl_status_revoked: self = .withdrawn
        default: return nil
        }
    }
}

/// A verified statement about one certificate (RFC 6960 §4.2).
public struct StatusStatement: Hashable, Sendable {
    public let finding: StatusFinding
    /// From when until when it counts, in Unix seconds.
    public let from: Int64
    public let until: Int64

    /// How long a statement counts that says no end, in seconds: there is always a newer one.
    static let lifeWithoutEnd: Int64 = 600
    /// How far a responder's clock may be ahead, in seconds.
    static let skew: Int64 = 60
}
