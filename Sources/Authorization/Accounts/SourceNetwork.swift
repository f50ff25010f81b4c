#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What of a network address counts as one source where attempts are counted.
///
/// Whoever has one IPv6 address has the 2^64 of its network (RFC 6177), so they are one source; an IPv4 address in the
/// clothes of IPv6 is the IPv4 address. Records keep the address as it came.
enum SourceNetwork {
    /// The text under which an address is counted; what is no address is counted as it is.
    static func key(of address: String) -> String {
        guard let bytes = bytesOfIPv6(address) else { return address }
        if isIPv4(bytes) { return bytes.suffix(4).map { String($0) }.joined(separator: ".") }
        return text(bytes.prefix(8)) + "/64"
    }

    /// The text of the site that an IPv6 network belongs to, a /48 (RFC 6177); nil for what is no IPv6 address.
    static func site(of address: String) -> String? {
        guard let bytes = bytesOfIPv6(address), !isIPv4(bytes) else { return nil }
        return text(bytes.prefix(6)) + "/48"
    }

    private static func bytesOfIPv6(_ address: String) -> [UInt8]? {
        let bare = String(address.prefix { $0 != "%" })
        guard bare.utf8.contains(UInt8(ascii: ":")), bare.utf8.count <= 64, !bare.utf8.contains(0) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        return inet_pton(AF_INET6, bare, &bytes) == 1 ? bytes : nil
    }

    private static func isIPv4(_ bytes: [UInt8]) -> Bool {
        bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        bytes.map { String($0, radix: 16) }.joined(separator: ":")
    }
}
