/// The scheme, host and port of an address, for telling whether two addresses are the same party's.
///
/// Only plain spellings have one: letters in lower case and no user information, so that no two readers can take the same
/// text for different hosts.
struct AddressOrigin: Hashable, Sendable {
    let isSecure: Bool
    /// A name or an address literal; an IPv6 literal without its brackets.
    let host: String
    let port: Int

    /// Nil where the address has no origin that could be compared.
    init?(of url: String) {
        let rest: Substring
        if url.hasPrefix("https://") {
            (isSecure, rest) = (true, url.dropFirst(8))
        } else if url.hasPrefix("http://") {
            (isSecure, rest) = (false, url.dropFirst(7))
        } else {
            return nil
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard authority.utf8.allSatisfy(Self.isPlain), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5C })
        else { return nil }
        let host: Substring
        let after: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            (host, after) = (authority.dropFirst().prefix(upTo: end), authority[authority.index(after: end)...])
            // Only literals stand in brackets, and each has a colon.
            guard host.contains(":") else { return nil }
        } else {
            let end = authority.firstIndex(of: ":") ?? authority.endIndex
            (host, after) = (authority[..<end], authority[end...])
            guard !host.utf8.contains(where: { $0 == 0x5B || $0 == 0x5D }) else { return nil }
        }
        guard !host.isEmpty else { return nil }
        self.host = String(host)
        guard !after.isEmpty else {
            port = isSecure ? 443 : 80
            return
        }
        let digits = after.dropFirst()
        guard after.hasPrefix(":"), (1...5).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits), number <= 65535
        else { return nil }
        port = number
    }

    /// Lower-case letters, digits, and `-.:[]`: what the authority of a plain address is made of.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x3A, 0x61...0x7A, 0x2D, 0x2E, 0x5B, 0x5D: true
        default: false
        }
    }
}
