/// The certificate that a client showed in TLS, as facts; whether anybody vouches for it is another question.
///
/// A value of this type means that the client has the private key: TLS has shown it, here or at a trusted proxy.
public struct ClientCertificate: Hashable, Sendable {
    /// The certificate itself.
    public let der: [UInt8]
    /// Further certificates that came with it, in the order in which they came.
    public let intermediates: [[UInt8]]
    /// Its SHA-256 in base64url: `x5t#S256` (RFC 8705 §3.1).
    public let thumbprint: String
    /// The subject; nil when it is written in characters that we do not read.
    public let subject: DistinguishedName?
    /// The names under `subjectAltName`.
    public let alternativeNames: Set<AlternativeName>
    /// From when until when it holds, in Unix seconds.
    public let validity: ClosedRange<Int64>
    /// The public key with its algorithm (`SubjectPublicKeyInfo`).
    let publicKey: [UInt8]

    /// A name of the subject other than its distinguished one.
    public enum AlternativeName: Hashable, Sendable {
        /// In lower case.
        case dns(String)
        case uri(String)
        case email(String)
        /// 4 or 16 bytes.
        case address([UInt8])
    }

    /// The longest certificate that is read.
    public static let maxBytes = 16 << 10
    /// How many more may come with it.
    public static let maxIntermediates = 8

    /// Reads a certificate (RFC 5280 §4.1); nil when it is none. The signature is not looked at.
    public init?(der: [UInt8], intermediates: [[UInt8]] = []) {
        guard der.count <= Self.maxBytes, intermediates.count <= Self.maxIntermediates,
            intermediates.allSatisfy({ $0.count <= Self.maxBytes }),
            let facts = try? CertificateFacts(der)
        else { return nil }
        self.der = der
        self.intermediates = intermediates
        thumbprint = Self.thumbprint(of: der)
        subject = facts.subject
        alternativeNames = facts.alternativeNames
        validity = facts.validity
        publicKey = facts.publicKey
    }

    /// The SHA-256 of a certificate in base64url.
    public static func thumbprint(of der: [UInt8]) -> String { Base64URL.encode(SHA256Hash.of(der)) }

    /// Reads the header of RFC 9440 §2.2: the certificate between two colons, in base64; nil when it is none.
    public init?(header: String, chain: String? = nil) {
        guard let der = Self.item(header) else { return nil }
        var intermediates: [[UInt8]] = []
        if let chain {
            for part in chain.split(separator: ",") {
                guard let item = Self.item(String(part.filter { $0 != " " && $0 != "\t" })) else { return nil }
                intermediates.append(item)
            }
        }
        self.init(der: der, intermediates: intermediates)
    }

    /// A certificate as an item of such a header.
    public static func headerValue(of der: [UInt8]) -> String { ":" + Base64.encode(der) + ":" }

    private static func item(_ text: String) -> [UInt8]? {
        guard text.utf8.count <= maxBytes * 2, text.count > 2, text.hasPrefix(":"), text.hasSuffix(":") else {
            return nil
        }
        return Base64.decode(String(text.dropFirst().dropLast()))
    }

    /// Whether it holds at a moment, with clocks that may differ by `skew` seconds.
    public func isValid(at now: Int64, skew: Int64 = 0) -> Bool {
        validity.lowerBound <= now + skew && now - skew <= validity.upperBound
    }
}

/// What stands in a certificate.
private struct CertificateFacts {
    let subject: DistinguishedName?
    let alternativeNames: Set<ClientCertificate.AlternativeName>
    let validity: ClosedRange<Int64>
    let publicKey: [UInt8]

    init(_ der: [UInt8]) throws(DERReader.Malformed) {
        var top = DERReader(der[...])
        var certificate = try top.read(0x30).inner
        guard top.isAtEnd else { throw DERReader.Malformed() }
        var body = try certificate.read(0x30).inner
        _ = try certificate.read(0x30)
        _ = try certificate.read(0x03)
        guard certificate.isAtEnd else { throw DERReader.Malformed() }
        // Version 3, or there would be no extensions.
        if body.nextTag == 0xA0 { _ = try body.read() }
        _ = try body.read(0x02)
        _ = try body.read(0x30)
        _ = try body.read(0x30)
        validity = try Self.validity(try body.read(0x30))
        subject = DistinguishedName(der: try body.read(0x30))
        publicKey = Array(try body.read(0x30).whole)
        var names: Set<ClientCertificate.AlternativeName> = []
        while !body.isAtEnd {
            let part = try body.read()
            if part.tag == 0xA3 { names = try Self.names(inExtensions: part) }
        }
        alternativeNames = names
    }

    private static func validity(_ value: DERReader.Value) throws(DERReader.Malformed) -> ClosedRange<Int64> {
        var reader = value.inner
        let (from, until) = (try time(try reader.read()), try time(try reader.read()))
        guard reader.isAtEnd, from <= until else { throw DERReader.Malformed() }
        return from...until
    }

    /// RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
    private static func time(_ value: DERReader.Value) throws(DERReader.Malformed) -> Int64 {
        let text = Array(value.content)
        let hasCentury = value.tag == 0x18
        guard value.tag == 0x17 || hasCentury, text.count == (hasCentury ? 15 : 13), text.last == UInt8(ascii: "Z"),
            text.dropLast().allSatisfy({ (0x30...0x39).contains($0) })
        else { throw DERReader.Malformed() }
        var digits = text.dropLast().map { Int64($0) - 0x30 }[...]
        func take(_ count: Int) -> Int64 {
            defer { digits = digits.dropFirst(count) }
            return digits.prefix(count).reduce(0) { $0 * 10 + $1 }
        }
        var year = take(hasCentury ? 4 : 2)
        if !hasCentury { year += year < 50 ? 2000 : 1900 }
        let (month, day, hour, minute, second) = (take(2), take(2), take(2), take(2), take(2))
        guard (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 60 else {
            throw DERReader.Malformed()
        }
        return days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
    }

    /// Days since 1970-01-01 in the Gregorian calendar, by counting years that begin in March.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }

    private static func names(
        inExtensions value: DERReader.Value
    ) throws(DERReader.Malformed) -> Set<ClientCertificate.AlternativeName> {
        var outer = value.inner
        var list = try outer.read(0x30).inner
        var names: Set<ClientCertificate.AlternativeName> = []
        var isSeen = false
        while !list.isAtEnd {
            var item = try list.read(0x30).inner
            let identifier = try item.read(0x06)
            if item.nextTag == 0x01 { _ = try item.read() }
            let content = try item.read(0x04)
            // 2.5.29.17
            guard identifier.content.elementsEqual([0x55, 0x1D, 0x11]) else { continue }
            // RFC 5280 §4.2: not more than once.
            guard !isSeen else { throw DERReader.Malformed() }
            isSeen = true
            var inside = content.inner
            var general = try inside.read(0x30).inner
            while !general.isAtEnd {
                if let name = alternativeName(try general.read()) { names.insert(name) }
            }
        }
        return names
    }

    private static func alternativeName(_ value: DERReader.Value) -> ClientCertificate.AlternativeName? {
        // An IA5String; a NUL inside has fooled readers before.
        let isText = value.content.allSatisfy { (0x21...0x7E).contains($0) } && !value.content.isEmpty
        let text = String(decoding: value.content, as: UTF8.self)
        return switch value.tag {
        case 0x81 where isText: .email(text)
        case 0x82 where isText: .dns(text.lowercased())
        case 0x86 where isText: .uri(text)
        case 0x87 where [4, 16].contains(value.content.count): .address(Array(value.content))
        default: nil
        }
    }
}
