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
        let bare = String(address.prefix { $0 != "%" })
        guard bare.utf8.contains(UInt8(ascii: ":")), bare.utf8.count <= 64, !bare.utf8.contains(0) else {
            return address
        }
        var bytes = [UInt8](repeating: 0, count: 16)
        guard inet_pton(AF_INET6, bare, &bytes) == 1 else { return address }
        if bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] {
            return bytes.suffix(4).map { String($0) }.joined(separator: ".")
        }
        return bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: ":") + "/64"
    }
}
