#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Which proxies in front are believed when they say for whom they ask, so that rate limits and the audit trail see the
/// client and not the proxy.
///
/// Only the one configured header is read: another one may be the client's own invention that a proxy passed through. It
/// is read from its end, which is the part that the nearest proxy wrote, and no further than trusted proxies vouch for.
public struct TrustedProxies: Hashable, Sendable {
    /// The header that the proxies write.
    public enum Header: String, Hashable, Sendable, CaseIterable {
        case xForwardedFor = "x-forwarded-for"
        /// RFC 7239.
        case forwarded
    }

    /// A network of addresses, `192.0.2.0/24` or a single address.
    struct Network: Hashable, Sendable {
        let bytes: [UInt8]
        let length: Int

        init?(_ text: String) {
            let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard let bytes = IPAddress(String(parts[0]))?.bytes else { return nil }
            self.bytes = bytes
            guard parts.count == 2 else {
                length = bytes.count * 8
                return
            }
            guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(parts[1]),
                (0...bytes.count * 8).contains(length)
            else { return nil }
            self.length = length
        }

        func contains(_ address: IPAddress) -> Bool {
            guard address.bytes.count == bytes.count else { return false }
            return (0..<length).allSatisfy { bit in
                let mask = UInt8(0x80) >> UInt8(bit % 8)
                return address.bytes[bit / 8] & mask == bytes[bit / 8] & mask
            }
        }
    }

    private let networks: [Network]
    private let header: Header

    /// Nobody is believed.
    public static let none = TrustedProxies(networks: [], header: .xForwardedFor)

    private init(networks: [Network], header: Header) {
        self.networks = networks
        self.header = header
    }

    /// Proxies by address or network; nil when one of the texts is neither.
    public init?(_ texts: [String], header: Header) {
        var networks: [Network] = []
        for text in texts {
            guard let network = Network(text) else { return nil }
            networks.append(network)
        }
        self.init(networks: networks, header: header)
    }

    /// Whether a text names an address or a network.
    public static func isNetwork(_ text: String) -> Bool { Network(text) != nil }

    /// The client's address.
    ///
    /// - Parameters:
    ///   - peer: the address of the connection.
    ///   - values: gives the values of a header by its lower-case name, in order.
    public func client(peer: String?, values: (_ header: String) -> [String]) -> String? {
        guard !networks.isEmpty, var known = peer.flatMap(IPAddress.init), isTrusted(known) else { return peer }
        for hop in hops(values(header.rawValue)).reversed() {
            // What is no address, or hidden on purpose, ends what can be known.
            guard let address = hop.flatMap(IPAddress.init) else { break }
            known = address
            guard isTrusted(address) else { break }
        }
        return known.text
    }

    /// Whether what a connection from that address says about its client counts.
    public func trusts(_ peer: String?) -> Bool { peer.flatMap(IPAddress.init).map(isTrusted) ?? false }

    private func isTrusted(_ address: IPAddress) -> Bool { networks.contains { $0.contains(address) } }

    /// The hops that a header names, the nearest one last; nil for one without an address.
    private func hops(_ values: [String]) -> [String?] {
        let elements = values.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
        return elements.map { element in
            switch header {
            case .xForwardedFor: Self.host(element)
            case .forwarded:
                element.split(separator: ";").lazy.compactMap { pair -> String? in
                    let parts = pair.split(separator: "=", maxSplits: 1)
                    guard parts.count == 2, parts[0].lowercased().filter({ $0 != " " }) == "for" else { return nil }
                    return Self.host(parts[1].filter { $0 != "\"" }[...])
                }.first
            }
        }
    }

    /// The host of `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1` or `[2001:db8::1]:80`.
    private static func host(_ text: Substring) -> String? {
        let text = text.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
        if text.first == "[" {
            return text.firstIndex(of: "]").map { String(text[text.index(after: text.startIndex)..<$0]) }
        }
        return text.count { $0 == ":" } == 1 ? String(text.prefix { $0 != ":" }) : String(text)
    }
}

/// An IP address as bytes; one that is IPv4 in the clothes of IPv6 is IPv4.
struct IPAddress: Hashable, Sendable {
    let bytes: [UInt8]
    let text: String

    init?(_ text: String) {
        guard text.utf8.count <= 64, !text.utf8.contains(0) else { return nil }
        if let v4 = Self.parsed(text, AF_INET, count: 4) {
            bytes = v4
        } else if let v6 = Self.parsed(text, AF_INET6, count: 16) {
            let isMapped = v6.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            bytes = isMapped ? Array(v6.suffix(4)) : v6
        } else {
            return nil
        }
        self.text = Self.printed(bytes)
    }

    private static func parsed(_ text: String, _ family: Int32, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        return inet_pton(family, text, &bytes) == 1 ? bytes : nil
    }

    private static func printed(_ bytes: [UInt8]) -> String {
        var text = [CChar](repeating: 0, count: 64)
        _ = inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
