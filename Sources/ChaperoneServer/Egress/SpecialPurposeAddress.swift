internal import NIOCore

/// The addresses that lead to this machine, into its networks or nowhere (IANA special-purpose registries).
enum SpecialPurposeAddress {
    /// Whether an address is one of them. What is not an IP address is taken to be.
    static func contains(_ address: SocketAddress) -> Bool {
        guard let text = address.ipAddress else { return true }
        if let v4 = octets(text) { return contains(v4) }
        guard let groups = groups(text) else { return true }
        return contains(groups)
    }

    private static func contains(_ v4: [UInt8]) -> Bool {
        switch (v4[0], v4[1], v4[2]) {
        case (0, _, _), (10, _, _), (127, _, _), (169, 254, _), (192, 168, _), (192, 0, 0), (192, 0, 2),
            (192, 88, 99), (198, 51, 100), (203, 0, 113):
            true
        case (100, 64...127, _), (172, 16...31, _), (198, 18...19, _), (224..., _, _): true
        default: false
        }
    }

    private static func contains(_ v6: [UInt16]) -> Bool {
        // ::/96 holds the unspecified address, loopback and old embeddings of IPv4; ::ffff:0:0/96 the mapped ones.
        if v6[0..<5].allSatisfy({ $0 == 0 }) {
            guard v6[5] == 0xFFFF else { return true }
            return contains(embedded(in: v6))
        }
        // 64:ff9b::/96 leads to the IPv4 address that it ends with (RFC 6052 §2.1).
        if v6[0] == 0x64, v6[1] == 0xFF9B, v6[2..<6].allSatisfy({ $0 == 0 }) { return contains(embedded(in: v6)) }
        // Only 2000::/3 is global unicast; of it 2001::/23, 2001:db8::/32 and 3fff::/20 are special and 2002::/16
        // embeds IPv4 addresses of relays that nobody runs any more.
        guard v6[0] & 0xE000 == 0x2000 else { return true }
        return (v6[0] == 0x2001 && (v6[1] < 0x200 || v6[1] == 0xDB8)) || v6[0] == 0x2002
            || (v6[0] == 0x3FFF && v6[1] < 0x1000)
    }

    private static func embedded(in v6: [UInt16]) -> [UInt8] {
        [UInt8(v6[6] >> 8), UInt8(v6[6] & 0xFF), UInt8(v6[7] >> 8), UInt8(v6[7] & 0xFF)]
    }

    private static func octets(_ text: String) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        guard parts.count == 4 else { return nil }
        let known = parts.compactMap { $0 }
        return known.count == 4 ? known : nil
    }

    private static func groups(_ text: String) -> [UInt16]? {
        var plain = String(text.prefix { $0 != "%" })
        if let dot = plain.firstIndex(of: "."), let colon = plain[..<dot].lastIndex(of: ":") {
            guard let v4 = octets(String(plain[plain.index(after: colon)...])) else { return nil }
            let high = String(UInt16(v4[0]) << 8 | UInt16(v4[1]), radix: 16)
            let low = String(UInt16(v4[2]) << 8 | UInt16(v4[3]), radix: 16)
            plain = plain[...colon] + "\(high):\(low)"
        }
        let sides = plain.components(separatedBy: "::")
        func read(_ side: String) -> [UInt16]? {
            if side.isEmpty { return [] }
            let parts = side.split(separator: ":", omittingEmptySubsequences: false).map { UInt16($0, radix: 16) }
            let known = parts.compactMap { $0 }
            return known.count == parts.count ? known : nil
        }
        guard sides.count <= 2, let head = read(sides[0]) else { return nil }
        guard sides.count == 2 else { return head.count == 8 ? head : nil }
        guard let tail = read(sides[1]), head.count + tail.count < 8 else { return nil }
        return head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
